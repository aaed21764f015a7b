"""Django's way out for single messages: the first provider, and the next one when it is down."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from digest.errors import TemporaryError
from digest.records import Result

from . import providers


class EmailBackend(BaseEmailBackend):
    """Raises TemporaryError for a message that was surely not taken, so that it is tried again.

    Silence from a provider counts as sent: these messages can be asked for once more by pressing
    the button again, and a second copy that nobody asked for looks like spam.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            self._send(message)
        return len(email_messages)

    def _send(self, message: EmailMessage) -> None:
        detail = "no provider is configured"
        for provider in providers.configured():
            answer = providers.offer(provider, message)
            if answer.result in (Result.SENT, Result.UNCERTAIN):
                return
            detail = f"{provider.name}: {answer.detail}"
            if not answer.is_provider_down:
                break
        raise TemporaryError(detail)
