"""The exceptions of the subscriptions app. Every one carries a line that can be shown to a reader."""

from .records import Holder


class SubscriptionsError(Exception):
    """The base of all errors that this app raises on purpose."""


class TemporaryError(SubscriptionsError):
    """Worth another try later."""


class NotNowError(TemporaryError):
    """The way out has no room now for what can wait; the message was not offered."""


class PermanentError(SubscriptionsError):
    """Fails again until something else is given."""


class RefusedError(PermanentError):
    """The way out will not take this message, today or later."""

    def __init__(self, message: str, *, is_dead_address: bool = False) -> None:
        super().__init__(message)
        self.is_dead_address = is_dead_address
        """There is no such mailbox (a hard bounce)."""


class AddressError(PermanentError):
    """Not an address that we can mail."""


class TokenError(PermanentError):
    """A link that we did not make, or that was made for something else."""


class TokenExpiredError(TokenError):
    """A link that we made, but too long ago, or that a newer one replaced.

    `holder` is whom it was made for, so that a new one can be mailed to its owner.
    """

    def __init__(self, message: str, holder: Holder) -> None:
        super().__init__(message)
        self.holder = holder


class CategoryError(PermanentError):
    """Not a category of arXiv."""


class ChoiceError(PermanentError):
    """A preference that is not on offer."""
