"""The exceptions of the digest app. Every one carries a line that can be shown to an operator."""


class DigestError(Exception):
    """The base of all errors that this app raises on purpose."""


class TemporaryError(DigestError):
    """Worth another try later, without anybody's help."""


class PermanentError(DigestError):
    """Fails again until somebody changes something."""


class SourceError(TemporaryError):
    """A source could not be read to its end; what came before the error is good."""

    def __init__(self, message: str, *, partial: bytes = b"") -> None:
        super().__init__(message)
        self.partial = partial
        """The bytes of a body that was cut off."""


class SourceRefusedError(PermanentError):
    """A source answered that the request itself is wrong or not allowed."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, where that was the answer."""


class RetryLaterError(SourceError):
    """A source asks for patience."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class BatchShapeError(PermanentError):
    """A batch would break a promise (a reader without unsubscribe link, addresses shown to all)."""


class ProviderSettingsError(PermanentError):
    """A provider in EMAIL_PROVIDERS is unknown or lacks its settings."""


class ModelFileError(PermanentError):
    """A file that should hold a trained model holds something else."""


class EditionOpenError(PermanentError):
    """The edition asked for is not closed yet, so it can't be sent."""


class UnfitReasonError(PermanentError):
    """A reason that an operator gave is none, or must not be kept."""


class EditionForgottenError(PermanentError):
    """Who had the edition is not on record any more, so it can't be sent."""


class PartitioningError(PermanentError):
    """The outbox can't be divided, or put together again, as it stands."""


class EditionClosedError(PermanentError):
    """What is in a closed edition stays as it is."""


class DraftChangedError(PermanentError):
    """Somebody else changed the draft since it was read."""


class VectorsError(PermanentError):
    """No space can be fitted, or a function of embeddings does not do what it should."""
