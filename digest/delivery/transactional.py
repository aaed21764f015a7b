"""Django's way out for single messages: the first provider, and the next one when it is down. One that
is paused is not asked, unless all are."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from digest.records import Result
from subscriptions.errors import RefusedError, TemporaryError

from . import circuit, pacing, plans, providers


class EmailBackend(BaseEmailBackend):
    """Raises TemporaryError for a message that was surely not taken, so that it is tried again;
    RefusedError where trying again is of no use.

    Silence from a provider counts as sent: these messages can be asked for once more by pressing
    the button again, and a second copy that nobody asked for looks like spam.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            self._send(message)
        pacing.write_counts()
        return len(email_messages)

    def _send(self, message: EmailMessage) -> None:
        message.encoding = providers.quoted_printable()
        detail = "no provider is configured"
        # One that rests is asked last, and not left out: somebody waits for this message.
        ways = plans.for_single_messages()
        for provider in sorted(ways, key=lambda way: not circuit.is_closed(way)):
            pacing.count(provider, 1)
            answer = providers.offer(provider, message)
            circuit.report(provider, answer, messages=1)
            if answer.result in (Result.SENT, Result.UNCERTAIN):
                return
            detail = f"{provider.name}: {answer.detail}"
            if answer.result is Result.FAILED:
                raise RefusedError(detail, is_dead_address=answer.is_dead_address)
            if not answer.is_provider_down:
                break
        raise TemporaryError(detail)
