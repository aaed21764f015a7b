"""Leaving: unsubscribing and its undo, suppression, erasure."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from subscriptions import addresses, selectors
from subscriptions.models import (
    ConsentRecord,
    LeaveReason,
    Subscriber,
    Suppression,
    TransactionalMessage,
)
from subscriptions.records import Evidence

from . import asking, consent, rows, slots

_State = Subscriber.State
_Kind = TransactionalMessage.Kind
_Action = ConsentRecord.Action
_MOST_COUNTED = 1000
"""Soft bounces, which fit the column."""


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


def unsubscribe_all(ids: Collection[int], *, because: str = "") -> int:
    """As `unsubscribe`, for many at once, by the word of their provider; how many were changed.
    Their records say `because`, as nobody pressed a button of ours.

    The number of queries does not grow with the subscribers.
    """
    staying = Subscriber.objects.filter(pk__in=ids).exclude(state=_State.UNSUBSCRIBED)
    with transaction.atomic():
        # Locked, so that each is recorded as leaving by whoever changes it.
        leaving = _locked(staying)
        staying.filter(pk__in=leaving).update(
            state=_State.UNSUBSCRIBED, unsubscribed_at=timezone.now(), slot=None
        )
        ConsentRecord.objects.bulk_create(
            ConsentRecord(subscriber_id=pk, action=_Action.UNSUBSCRIBED, text=because)
            for pk in leaving
        )
    return len(leaving)


def unsubscribe_and_tell(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """As `unsubscribe`, by an operator on the reader's behalf: the goodbye mail says it is done.

    Readers who leave by themselves see it on the page, and are promised that no mail comes.
    """
    with transaction.atomic():
        changed = unsubscribe(subscriber, evidence=evidence)
        if changed:
            asking.request_unless_suppressed(subscriber, _Kind.GOODBYE)
    return changed


def tell_reason(reason: LeaveReason.Reason) -> None:
    """Somebody who left said why, this month; nothing tells who it was."""
    LeaveReason.objects.create(reason=reason, said_on=timezone.now().date().replace(day=1))


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
    hashes = _hashes(subscriber)
    _suppress(hashes, reason)
    if reason == Suppression.Reason.ERASED:
        Suppression.objects.filter(address_hash__in=hashes).update(reason=reason)


def suppress_address(address: str, reason: Suppression.Reason) -> None:
    """Afterwards the address, which may be no subscriber's, is never mailed."""
    _suppress({addresses.hash_of(address)}, reason)


def suppress_all(ids: Collection[int], reason: Suppression.Reason) -> None:
    """As `suppress`, for many at once; the number of queries does not grow with them."""
    known = Subscriber.objects.filter(pk__in=ids).only("email", "address_hash")
    _suppress({each for subscriber in known for each in _hashes(subscriber)}, reason)


def _hashes(subscriber: Subscriber) -> set[str]:
    # The hash that digests are checked by may be of an older key, which goes some day.
    return {subscriber.address_hash, addresses.hash_of(subscriber.email)}


def _suppress(hashes: Collection[str], reason: Suppression.Reason) -> None:
    Suppression.objects.bulk_create(
        [Suppression(address_hash=each, reason=reason) for each in sorted(hashes)],
        ignore_conflicts=True,
    )


def forget_soft_bounces(ids: Collection[int]) -> None:
    """Afterwards nothing is held against these subscribers: a digest arrived."""
    with transaction.atomic():
        rows = Subscriber.objects.filter(pk__in=ids, soft_bounces__gt=0)
        if found := _locked(rows):
            Subscriber.objects.filter(pk__in=found).update(soft_bounces=0)


def count_soft_bounces(counts: Mapping[int, int], *, limit: int) -> set[int]:
    """Adds so many soft bounces to each subscriber; returns who is at the limit, or past it."""
    by_number: dict[int, list[int]] = defaultdict(list)
    for pk, number in counts.items():
        by_number[number].append(pk)
    mine = Subscriber.objects.filter(pk__in=counts)
    with transaction.atomic():
        _locked(mine)
        for number, ids in by_number.items():
            countable = Subscriber.objects.filter(pk__in=ids, soft_bounces__lt=_MOST_COUNTED)
            countable.update(soft_bounces=F("soft_bounces") + number)
        return set(mine.filter(soft_bounces__gte=limit).values_list("pk", flat=True))


def _locked(rows: QuerySet[Subscriber]) -> list[int]:
    """Ids of these rows, which stay as they are until the transaction ends. All who lock many
    take them in this order, so that nobody waits for one who waits for them."""
    return list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))


def unsuppress(subscriber: Subscriber) -> None:
    """Afterwards the subscriber's address may be mailed again."""
    selectors.suppressions_of(subscriber).delete()


def erase(subscriber: Subscriber) -> None:
    """Afterwards nothing about the subscriber is held but the address's hash, never to be mailed."""
    with transaction.atomic():
        suppress(subscriber, Suppression.Reason.ERASED)
        Subscriber.objects.filter(pk=subscriber.pk).delete()
