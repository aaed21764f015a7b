"""Applies what ESPs reported, as `intake.py` stored it: once, in whatever order, a page at a time.

What a provider tells of digests that never went its way has no effect: whoever can write in one
provider's name can't speak for the readers of another. Of single mails it is not on record who took
them: each provider in use is believed.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from digest.delivery import figures, settling
from digest.delivery.esp import providers
from digest.models import Batch, Delivery, Event
from subscriptions import selectors, services
from subscriptions.models import Suppression

from . import bounces

logger = logging.getLogger(__name__)

TAKEN = frozenset({"queued", "sent", "delivered", "deferred", "bounced", "complained"})
"""Types that are evidence that the provider took the delivery."""
REFUSED = frozenset({"rejected", "failed"})
ARRIVED = frozenset({"delivered", "complained"})
_KINDS = {
    "delivered": str(figures.Kind.DELIVERED),
    "deferred": str(figures.Kind.DEFERRED),
    "bounced": str(figures.Kind.DEFERRED),
    "complained": str(figures.Kind.COMPLAINED),
    **dict.fromkeys(REFUSED, str(figures.Kind.REFUSED)),
}
PAGE = 5000
"""Events that are applied in one transaction."""
SOFT_LIMIT = 5
"""Editions in a row that a mailbox may fail to take, over at least SOFT_DAYS, before it counts as
dead."""
SOFT_DAYS = 3
_OLD_PAGE = 10_000
"""Of long ago, that are looked at together."""
SOFT_WINDOW = timedelta(days=60)


class _Told(NamedTuple):
    """What of a stored event has an effect."""

    pk: int
    provider: str
    type: str
    delivery_id: int | None
    batch_id: int | None
    message_id: int | None
    reject_reason: str
    description: str

    @property
    def is_hard(self) -> bool:
        return bounces.is_hard(self.type, self.reject_reason, self.description)

    @property
    def is_soft(self) -> bool:
        return bounces.is_soft(self.type, self.reject_reason, self.description)


def apply_all(*, until: datetime) -> int:
    """Applies what is stored until nothing is left, or `until` (UTC) has passed; how many."""
    total = 0
    while timezone.now() < until:
        number = apply_pending()
        total += number
        if not number:
            break
    return total


def apply_pending(limit: int = PAGE) -> int:
    """Afterwards the effects of the next events, the oldest first, are in force; how many events.

    They are marked as applied in the same transaction, so a crash leaves them for the next call,
    and two workers never take the same ones. The number of queries does not grow with the events.
    """
    waiting = Event.objects.filter(applied_at__isnull=True).order_by("pk")
    with transaction.atomic():
        page = waiting.select_for_update(skip_locked=True)[:limit]
        told = [_Told._make(row) for row in page.values_list(*_Told._fields)]
        mine = Event.objects.filter(pk__in=[event.pk for event in told], applied_at__isnull=True)
        if mine.update(applied_at=timezone.now()) != len(told):
            # Where no rows are locked somebody else may have been first.
            transaction.set_rollback(True)
            return 0
        if told:
            _apply(told)
    return len(told)


def _apply(stored: Sequence[_Told]) -> None:
    delivery_ids = {event.delivery_id for event in stored if event.delivery_id}
    rows = Delivery.objects.filter(pk__in=delivery_ids)
    readers: dict[int, int] = {}
    unsettled: set[int] = set()
    ways: dict[int, _Way] = {}
    for pk, subscriber_id, state, edition_id, provider, of_batch in rows.values_list(
        "pk", "subscriber_id", "state", "edition_id", "provider", "batch__provider"
    ):
        ways[pk] = _Way(edition_id, provider, of_batch)
        if subscriber_id:
            readers[pk] = subscriber_id
        if state in (Delivery.State.PENDING, Delivery.State.UNCERTAIN):
            unsettled.add(pk)
    told = _of_their_own(stored, ways)
    _settle(told, unsettled)
    _judge_addresses(told, readers)
    _report_policies(told)
    figures.add(Counter((_kind(event), event.provider) for event in told if _kind(event)))


class _Way(NamedTuple):
    """Who was given a delivery."""

    edition_id: int
    provider: str
    batch_provider: str | None


def _of_their_own(stored: Sequence[_Told], ways: Mapping[int, _Way]) -> list[_Told]:
    """The events whose provider was given what they tell of; the others afterwards name nothing, so
    that they are no evidence either.

    That a provider is called is on record before it is (`outbox.begin`).
    """
    batch_ids = {event.batch_id for event in stored if event.batch_id}
    batches = Batch.objects.filter(pk__in=batch_ids) if batch_ids else Batch.objects.none()
    rows = batches.values_list("pk", "edition_id", "provider")
    batch_ways = {pk: (edition_id, provider) for pk, edition_id, provider in rows}
    told: list[_Told] = []
    foreign: list[_Told] = []
    for event in stored:
        of_batch = batch_ways.get(event.batch_id or 0)
        is_theirs = _is_given(event.provider, ways.get(event.delivery_id or 0), of_batch)
        (told if is_theirs else foreign).append(event)
    if foreign:
        mine = Event.objects.filter(pk__in=[event.pk for event in foreign])
        mine.update(delivery=None, batch_id=None, message_id=None)
        logger.warning(
            "events tell of mail that went another way",
            extra={"events": len(foreign), "provider": foreign[0].provider},
        )
    return told


def _is_given(provider: str, way: _Way | None, of_batch: tuple[int, str] | None) -> bool:
    """Whether the provider was given all that an event names, its delivery and its batch; what we know
    nothing of has no effect."""
    if of_batch is not None and of_batch[1] != provider:
        return False
    if way is None:
        return True
    if way.provider or way.batch_provider:
        return provider in (way.provider, way.batch_provider)
    # Released since: the batch that the event names is the one it was in.
    return of_batch == (way.edition_id, provider)


def _kind(event: _Told) -> str:
    """What the event counts as among the figures of the day; "" for what is not counted."""
    return str(figures.Kind.BOUNCED) if event.is_hard else _KINDS.get(event.type, "")


def _settle(told: Sequence[_Told], unsettled: set[int]) -> None:
    """The provider took what it tells of; what it says it refused will not go again either.

    Where both are told of one delivery, whichever comes first counts: neither is sent again.
    """
    batch_ids = {event.batch_id for event in told if event.batch_id and event.type in TAKEN}
    open_batches = Batch.objects.filter(pk__in=batch_ids).exclude(state=Batch.State.DONE)
    open_ids = list(open_batches.values_list("pk", flat=True)) if batch_ids else []
    taken = _deliveries(told, TAKEN) & unsettled
    if taken or open_ids:
        settling.accept(delivery_ids=taken, batch_ids=open_ids)
    if refused := _deliveries(told, REFUSED) & unsettled - taken:
        settling.refuse(refused)


def _deliveries(told: Sequence[_Told], types: Collection[str]) -> set[int]:
    return {event.delivery_id for event in told if event.delivery_id and event.type in types}


def _judge_addresses(told: Sequence[_Told], readers: Mapping[int, int]) -> None:
    in_use = {provider.name for provider in providers.configured()}
    message_ids = {
        event.message_id for event in told if event.message_id and event.provider in in_use
    }
    owners = selectors.subscribers_of_messages(message_ids) if message_ids else {}
    known = [
        (event, reader)
        for event in told
        if (reader := readers.get(event.delivery_id or 0) or owners.get(event.message_id or 0))
    ]
    complained = {reader for event, reader in known if event.type == "complained"}
    left = {reader for event, reader in known if event.type == "unsubscribed"}
    dead = {reader for event, reader in known if event.is_hard}
    if complained:
        services.suppress_all(complained, Suppression.Reason.COMPLAINED)
        services.unsubscribe_all(complained, because="Marked as spam, their provider reports")
    if left - complained:
        services.unsubscribe_all(left - complained, because="Left at their provider, it reports")
    _count_soft_bounces(known)
    if dead:
        services.suppress_all(dead, Suppression.Reason.BOUNCED)


def _count_soft_bounces(known: Sequence[tuple[_Told, int]]) -> None:
    arrived = {reader for event, reader in known if event.type in ARRIVED}
    if arrived:
        services.forget_soft_bounces(arrived)
    failed = {(event.delivery_id, reader) for event, reader in known if event.is_soft}
    counts = Counter(reader for _, reader in failed)
    if counts and (suspects := services.count_soft_bounces(counts, limit=SOFT_LIMIT)):
        worn_out = _worn_out(suspects)
        services.suppress_all(worn_out, Suppression.Reason.BOUNCED)


def _worn_out(suspects: Collection[int]) -> set[int]:
    """Who of these did not take the last SOFT_LIMIT editions, as the stored events say, in
    whatever order they came. The count by which they are suspected may be too high, as one
    edition is told of more than once.

    A provider that never tells of what arrived proves nothing by its silence about it.
    """
    recent = Event.objects.filter(received_at__gte=timezone.now() - SOFT_WINDOW)
    rows = recent.filter(
        delivery__subscriber__in=suspects, type__in=ARRIVED | {"deferred", "bounced"}
    )
    failed: dict[int, dict[date, str]] = defaultdict(dict)
    arrived: dict[int, date] = {}
    for reader, day, provider, kind, reason, description in rows.values_list(
        "delivery__subscriber_id", "delivery__edition__date",
        "provider", "type", "reject_reason", "description",
    ):  # fmt: skip
        if kind in ARRIVED:
            arrived[reader] = max(day, arrived.get(reader, day))
        elif bounces.is_soft(kind, reason, description):
            failed[reader][day] = provider
    found = {
        reader: set(editions.values())
        for reader, days in failed.items()
        if _is_enough(editions := _after(arrived.get(reader), days))
    }
    talkative = _talkative({provider for providers in found.values() for provider in providers})
    return {reader for reader, providers in found.items() if providers <= talkative}


def _after(last: date | None, days: Mapping[date, str]) -> dict[date, str]:
    return {day: provider for day, provider in days.items() if last is None or day > last}


def _is_enough(days: Collection[date]) -> bool:
    return len(days) >= SOFT_LIMIT and max(days) - min(days) >= timedelta(days=SOFT_DAYS)


def _talkative(providers: Collection[str]) -> set[str]:
    """The providers that tell of what was delivered."""
    return {
        provider
        for provider in providers
        if Event.objects.filter(provider=provider, type="delivered").exists()
    }


def _report_policies(told: Sequence[_Told]) -> None:
    refused = [event for event in told if event.type in {"bounced", "deferred", *REFUSED}]
    refused = [event for event in refused if bounces.is_policy(event.description)]
    wrong = [event for event in refused if bounces.is_unauthenticated(event.description)]
    if wrong:
        logger.error(
            "mail fails authentication: check SPF, DKIM and DMARC of the sender's domain",
            extra={"events": len(wrong), "example": wrong[0].description},
        )
    elif refused:
        logger.warning(
            "mail is refused by policy",
            extra={"events": len(refused), "example": refused[0].description},
        )


def forget(limit: datetime) -> int:
    """Afterwards what came before and was applied is gone; how many there were. A page at a time from
    the oldest on, as there are millions, and no index on their time."""
    applied = Event.objects.filter(applied_at__isnull=False).order_by("pk")
    forgotten = 0
    while True:
        page = applied.values_list("pk", "received_at")[:_OLD_PAGE]
        old = [pk for pk, received_at in page if received_at < limit]
        if not old:
            return forgotten
        forgotten += Event.objects.filter(pk__in=old).delete()[0]
