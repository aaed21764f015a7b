"""Django's way out for single messages: the first provider, and the next one when it is down. One that
is paused is not asked, unless all are."""

from collections.abc import Iterable, Iterator, Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from digest.records import Result
from subscriptions.errors import NotNowError, RefusedError, TemporaryError

from . import circuit, pacing, plans, providers
from .providers import Provider

_LONGEST_WAIT = 5
"""Seconds for which a message that can wait may hold up its worker, whom others may need."""


class EmailBackend(BaseEmailBackend):
    """Raises TemporaryError for a message that was surely not taken, so that it is tried again;
    RefusedError where trying again is of no use.

    Silence from a provider counts as sent: these messages can be asked for once more by pressing
    the button again, and a second copy that nobody asked for looks like spam.

    What somebody waits for is counted, and sent whatever rate, daily number and pauses say. What
    can wait is bound by them as a digest is: NotNowError, which is no fault of the message.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            self._send(message)
        pacing.write_counts()
        return len(email_messages)

    def _send(self, message: EmailMessage) -> None:
        message.encoding = providers.quoted_printable()
        if getattr(message, "can_wait", False):
            self._offer(_with_room(), message)
            return
        # One that rests is asked last, and not left out: somebody waits for this message.
        ways = sorted(plans.for_single_messages(), key=lambda way: not circuit.is_closed(way))
        self._offer(_counted(ways), message)

    def _offer(self, ways: Iterable[Provider], message: EmailMessage) -> None:
        detail = "no provider is configured"
        for provider in ways:
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


def _counted(ways: Iterable[Provider]) -> Iterator[Provider]:
    for provider in ways:
        pacing.count(provider, 1)
        yield provider


def _with_room() -> Iterator[Provider]:
    """Each provider whose turn it is for one message more, once it is; NotNowError for none."""
    tried = False
    for provider in circuit.available(plans.ordered()):
        if pacing.is_crowded(provider, seconds=_LONGEST_WAIT) or _is_half_used(provider):
            continue
        if not circuit.admit(provider, 1):
            continue
        tried = True
        yield provider
    if not tried:
        raise NotNowError("no provider has room for what can wait")


def _is_half_used(provider: Provider) -> bool:
    """Whether the other half of the day's number is left, which is for digests."""
    cap, left = pacing.cap_of(provider, pacing.today()), pacing.left_today(provider)
    return cap is not None and left is not None and left <= cap // 2
