"""What an operator does for a reader, one button each: done by the services, told in one line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest

from subscriptions import limits, selectors, services
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from subscriptions.records import Evidence
from subscriptions.services.asking import BETWEEN_MESSAGES
from subscriptions.tasks import wake_sender

OPERATE, ERASE = "subscriptions.change_subscriber", "subscriptions.delete_subscriber"
WORD = "erase"
"""What is typed before everything about somebody is erased."""
_State = Subscriber.State
_Kind = TransactionalMessage.Kind


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it, for the page; and for the log, where something was done."""

    text: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """A button on the reader's page."""

    name: str
    label: str
    meaning: str
    """What it does, in a sentence beside it."""
    permission: str
    do: Callable[[HttpRequest, Subscriber], Said]
    is_weighty: bool = False
    """It is asked again, behind a first press."""


def _evidence(request: HttpRequest) -> Evidence:
    return Evidence(page=request.path, text=f"Operator {request.user.pk}, on the reader's behalf")


def suppress(request: HttpRequest, reader: Subscriber) -> Said:
    """Afterwards the address is never mailed."""
    services.suppress(reader, Suppression.Reason.MANUAL)
    return Said("Nothing will be mailed to this address.", "Suppressed the address")


def mail_again(request: HttpRequest, reader: Subscriber) -> Said:
    """Afterwards the address may be mailed."""
    services.unsuppress(reader)
    return Said(
        f"This address may be mailed again; the reader is {reader.state}.",
        "Let the address be mailed again",
    )


def unsubscribe(request: HttpRequest, reader: Subscriber) -> Said:
    """Afterwards they are unsubscribed, and a mail tells them."""
    if not services.unsubscribe_and_tell(reader, evidence=_evidence(request)):
        return Said("They had left before.")
    if selectors.is_suppressed(reader.email):
        told = "Unsubscribed; no mail says so, as nothing is mailed to this address."
        return Said(told, "Unsubscribed the reader")
    wake_sender()
    return Said("Unsubscribed; a mail tells them, with a way back.", "Unsubscribed the reader")


def send_link(request: HttpRequest, reader: Subscriber) -> Said:
    """A preferences link is on its way; to who is pending the confirmation mail."""
    kind = _Kind.CONFIRM if reader.state == _State.PENDING else _Kind.PREFERENCES
    what = "confirmation mail" if kind == _Kind.CONFIRM else "preferences link"
    if selectors.is_suppressed(reader.email):
        return Said("Not sent: nothing is mailed to this address.")
    if limits.seconds_until_mail(request, reader.email) or not services.request_link_for(reader):
        minutes = BETWEEN_MESSAGES // timedelta(minutes=1)
        return Said(
            f"Not sent: one went to this address within {minutes} minutes, or as many as "
            f"SIGNUP_RATE_ADDRESS ({settings.SIGNUP_RATE_ADDRESS}) allows. Try again later."
        )
    wake_sender()
    return Said(f"A {what} is on its way.", f"Had a {what} sent")


def erase(request: HttpRequest, reader: Subscriber) -> Said:
    """Afterwards nothing is held but the address's hash; what is logged has no address."""
    services.erase(reader)
    return Said(
        "Everything about this reader is erased. A hash of the address stays, so that it is never "
        "mailed again.",
        "Erased at the reader's wish",
    )


def offered(reader: Subscriber, *, is_suppressed: bool) -> list[Act]:
    """The buttons that make sense for the reader as they are."""
    acts = []
    if not is_suppressed and reader.state == _State.PENDING:
        label, meaning = "Send the confirmation mail again", "A new link goes to their address."
        acts.append(Act("link", label, meaning, OPERATE, send_link))
    elif not is_suppressed:
        meaning = "They change, pause, download or erase what is held there themselves."
        acts.append(Act("link", "Send a preferences link", meaning, OPERATE, send_link))
    if is_suppressed:
        meaning = (
            "Digests go out again if they are active. Where it bounced or complained, be sure that "
            "it works and that they want it: providers count both against you."
        )
        acts.append(Act("mail_again", "Let it be mailed again", meaning, OPERATE, mail_again, True))
    else:
        meaning = "Nothing goes to this address any more, whoever signs it up, until you undo it."
        acts.append(Act("suppress", "Never mail this address", meaning, OPERATE, suppress, True))
    if reader.state != _State.UNSUBSCRIBED:
        meaning = "No digest goes to them from now on, and a mail tells them so."
        acts.append(Act("unsubscribe", "Unsubscribe", meaning, OPERATE, unsubscribe, True))
    return acts
