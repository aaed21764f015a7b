"""Asking for one of the few mails that are not digests: a row for a worker, within limits."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from subscriptions import addresses, rates, selectors
from subscriptions.models import (
    Subscriber,
    TransactionalMessage,
)

from . import rows

BETWEEN_MESSAGES = timedelta(minutes=15)

_State = Subscriber.State
_Kind = TransactionalMessage.Kind


def request_message(
    subscriber: Subscriber, kind: TransactionalMessage.Kind, *, address: str = ""
) -> bool:
    """Leaves a row for a worker to send, to the subscriber or to `address`; False, and no row,
    where the address has had enough or the subscriber is gone.

    Where the question of an import still waits, that is it, and waits no more.
    Enough is SIGNUP_RATE_ADDRESS, and one in 15 minutes, counted for sign-up mails, for
    preference links and for goodbyes each by themselves; for the reader, and for all whose address
    ends in the same mailbox.
    """
    most, period = rates.parsed(settings.SIGNUP_RATE_ADDRESS)
    mailbox, *older = addresses.mailbox_hashes_of(address or subscriber.email)
    sign_up = {_Kind.CONFIRM, _Kind.ALREADY_SUBSCRIBED}
    family = sign_up if kind in sign_up else {kind}
    with transaction.atomic():
        # Two requests at once wait here for each other, or both would count too few.
        if rows.locked(subscriber) is None:
            return False
        rows.hold(mailbox)
        now = timezone.now()
        mine = TransactionalMessage.objects.filter(subscriber=subscriber, kind=kind)
        waiting = mine.filter(can_wait=True, state=TransactionalMessage.State.PENDING)
        if waiting.update(can_wait=False, retry_at=None, created_at=now, mailbox=mailbox):
            return True
        recent = list(
            TransactionalMessage.objects.filter(
                Q(subscriber=subscriber) | Q(mailbox__in=[mailbox, *older]),
                kind__in=family,
                created_at__gt=now - max(period, BETWEEN_MESSAGES),
            )
            .exclude(state=TransactionalMessage.State.FAILED)
            .values_list("created_at", flat=True)
        )
        in_period = sum(at > now - period for at in recent)
        if in_period >= most or any(at > now - BETWEEN_MESSAGES for at in recent):
            return False
        TransactionalMessage.objects.create(
            subscriber=subscriber, kind=kind, address=address, mailbox=mailbox
        )
    return True


def request_link(address: str, *, asks_pending: bool = True) -> None:
    """Someone asked for the preferences link of this address; its owner gets it by mail.

    Who never confirmed is asked to, unless told otherwise. The caller learns nothing about the
    address.
    """
    subscriber = selectors.subscriber_at(addresses.canonical(address))
    if subscriber is not None and (asks_pending or subscriber.state != _State.PENDING):
        request_link_for(subscriber)


def request_link_for(subscriber: Subscriber) -> bool:
    """A preferences link goes to the subscriber; who is pending is asked to confirm instead. False
    where none goes: the address is never mailed, or has had enough."""
    is_pending = subscriber.state == _State.PENDING
    return request_unless_suppressed(subscriber, _Kind.CONFIRM if is_pending else _Kind.PREFERENCES)


def request_new_confirm(subscriber: Subscriber) -> None:
    """The owner of an expired confirm link asked for another one.

    Who is active has nothing to confirm, and gets a preferences link.
    """
    is_active = subscriber.state == _State.ACTIVE
    request_unless_suppressed(subscriber, _Kind.PREFERENCES if is_active else _Kind.CONFIRM)


def request_unless_suppressed(subscriber: Subscriber, kind: TransactionalMessage.Kind) -> bool:
    return not selectors.is_suppressed(subscriber.email) and request_message(subscriber, kind)
