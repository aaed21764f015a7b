"""Leaving: unsubscribing and its undo, suppression, erasure."""

from django.db import transaction
from django.utils import timezone

from subscriptions import addresses, selectors
from subscriptions.models import (
    ConsentRecord,
    Subscriber,
    Suppression,
    TransactionalMessage,
)
from subscriptions.records import Evidence

from . import asking, consent, rows, slots

_State = Subscriber.State
_Kind = TransactionalMessage.Kind
_Action = ConsentRecord.Action


def unsubscribe(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards no digest goes to the subscriber, pending or active; False if that was so before,
    as it is for one who is gone."""
    with transaction.atomic():
        changed = (
            Subscriber.objects.filter(pk=subscriber.pk)
            .exclude(state=_State.UNSUBSCRIBED)
            .update(state=_State.UNSUBSCRIBED, unsubscribed_at=timezone.now(), slot=None)
        )
        if changed:
            consent.record(subscriber, _Action.UNSUBSCRIBED, evidence)
            subscriber.refresh_from_db()
    return bool(changed)


def unsubscribe_and_tell(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """As `unsubscribe`, by an operator on the reader's behalf: the goodbye mail says it is done.

    Readers who leave by themselves see it on the page, and are promised that no mail comes.
    """
    with transaction.atomic():
        changed = unsubscribe(subscriber, evidence=evidence)
        if changed:
            asking.request_unless_suppressed(subscriber, _Kind.GOODBYE)
    return changed


def undo_unsubscribe(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards all is as before the subscriber left; False for one who had not.

    TokenError for one who is gone. Who never confirmed is pending again: an undo proves no address.
    """
    left = Subscriber.objects.filter(pk=subscriber.pk, state=_State.UNSUBSCRIBED)
    with transaction.atomic():
        slot = slots.ensure(selectors.rhythm_of(subscriber), timezone.now())
        changed = left.filter(confirmed_at__isnull=False).update(
            state=_State.ACTIVE, unsubscribed_at=None, slot=slot
        ) or left.update(state=_State.PENDING, unsubscribed_at=None)
        if changed:
            consent.record(subscriber, _Action.RESUBSCRIBED, evidence)
        rows.refresh(subscriber)
    return bool(changed)


def suppress(subscriber: Subscriber, reason: Suppression.Reason) -> None:
    """Afterwards the subscriber's address is never mailed.

    The first reason stays, but an erasure is the last word.
    """
    # The hash that digests are checked by may be of an older key, which goes some day.
    hashes = {subscriber.address_hash, addresses.hash_of(subscriber.email)}
    Suppression.objects.bulk_create(
        [Suppression(address_hash=each, reason=reason) for each in sorted(hashes)],
        ignore_conflicts=True,
    )
    if reason == Suppression.Reason.ERASED:
        Suppression.objects.filter(address_hash__in=hashes).update(reason=reason)


def unsuppress(subscriber: Subscriber) -> None:
    """Afterwards the subscriber's address may be mailed again."""
    selectors.suppressions_of(subscriber).delete()


def erase(subscriber: Subscriber) -> None:
    """Afterwards nothing about the subscriber is held but the address's hash, never to be mailed."""
    with transaction.atomic():
        suppress(subscriber, Suppression.Reason.ERASED)
        Subscriber.objects.filter(pk=subscriber.pk).delete()
