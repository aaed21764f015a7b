"""The outbox: claims batches of deliveries, and records what became of them.

A batch or a delivery changes state by a conditional UPDATE that repeats the state it was read in, or
while its batch's row is locked, so any of this may run twice, late, or side by side with itself.
"""

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import (
    Case,
    CharField,
    F,
    Min,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.utils import timezone

from digest.models import Batch, Delivery
from digest.records import Outcome, Result
from subscriptions import selectors
from subscriptions.records import Addressee, Standing

from . import batches

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(minutes=1)
MOST_READERS = 1000
"""In a batch that is put together anew."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that one worker has claimed, and who of its readers may still be sent to."""

    batch_id: int
    edition_id: int
    audience_id: int
    attempts: int
    claimed_at: datetime
    readers: Mapping[int, Addressee]
    """By the id of their delivery."""
    only_provider: str = ""
    """The one that may be offered it, where it may have taken it before."""


def _offerable(now: datetime) -> QuerySet[Batch]:
    is_time = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
    return Batch.objects.filter(
        is_time,
        state=Batch.State.OPEN,
        edition__held_at__isnull=True,
        edition__dropped_at__isnull=True,
    )


def pending(now: datetime) -> int:
    """How many deliveries could be claimed now."""
    return _offerable(now).aggregate(total=Sum("size"))["total"] or 0


def claim(now: datetime, *, size: int, most_batches: int = 1) -> list[Claim]:
    """Takes the first open batch, of at most `size` readers, and, where batches are small, some
    more, up to `size` readers in all. Empty where nothing is open.

    Who left or was suppressed since planning is settled here, and is not in the claim. It is
    committed before anything is sent: of a worker that is killed later `find_stale` finds the
    batches, and nobody sends them again blindly.
    """
    while True:
        with transaction.atomic():
            locked = _lock_open(now, size=size, most=most_batches)
            if not locked:
                return []
            ids = [batch.pk for batch in locked]
            mine = Batch.objects.filter(pk__in=ids, state=Batch.State.OPEN)
            changed = mine.update(
                state=Batch.State.CLAIMED,
                claimed_at=now,
                offered_at=None,
                retry_at=None,
                attempts=F("attempts") + 1,
            )
            # Where no rows are locked (SQLite) somebody else may have been first.
            if changed != len(ids):
                transaction.set_rollback(True)
                continue
            readers = _readers(ids)
            if empty := [pk for pk in ids if pk not in readers]:
                Batch.objects.filter(pk__in=empty).update(state=Batch.State.DONE)
        if readers:
            return [
                Claim(
                    batch.pk,
                    batch.edition_id,
                    batch.audience_id,
                    batch.attempts + 1,
                    now,
                    readers[batch.pk],
                    batch.only_provider,
                )
                for batch in locked
                if batch.pk in readers
            ]


def _lock_open(now: datetime, *, size: int, most: int) -> list[Batch]:
    """The first open batches, locked: at least one, and no more than `size` readers in all."""
    free = _offerable(now).select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    first = free.first()
    if first is None:
        return []
    if first.size > size:
        _split(first, size)
    found, total = [first], first.size
    if most > 1 and 2 * first.size <= size:
        for batch in free.filter(pk__gt=first.pk)[: most - 1]:
            total += batch.size
            if total > size:
                break
            found.append(batch)
    return found


def _split(batch: Batch, size: int) -> None:
    """Leaves the first `size` deliveries in the batch and puts the others into one of their own."""
    waiting = batch.deliveries.filter(state=State.PENDING).order_by("pk")
    if others := list(waiting.values_list("pk", flat=True))[size:]:
        batches.move(batch, others, attempts=batch.attempts)


def _readers(batch_ids: Collection[int]) -> dict[int, dict[int, Addressee]]:
    """By batch and delivery, whom to send to; who may not be mailed any more is settled."""
    waiting = batches.deliveries_in(batch_ids).filter(state=State.PENDING).order_by("pk")
    rows = list(waiting.values_list("pk", "subscriber_id", "batch_id"))
    known = selectors.addressees(waiting.order_by().values("subscriber_id"))
    found: dict[int, dict[int, Addressee]] = defaultdict(dict)
    gone: dict[Standing, list[int]] = defaultdict(list)
    for delivery_id, subscriber_id, batch_id in rows:
        addressee = known.get(subscriber_id or 0)
        if addressee is not None and addressee.standing == Standing.OK:
            found[batch_id][delivery_id] = addressee
        else:
            gone[addressee.standing if addressee else Standing.LEFT].append(delivery_id)
    for standing, ids in gone.items():
        pending_rows = batches.deliveries_in(batch_ids).filter(pk__in=ids, state=State.PENDING)
        if standing == Standing.SUPPRESSED:
            pending_rows.update(state=State.SUPPRESSED)
        else:
            pending_rows.update(state=State.SKIPPED, reason=Reason.UNSUBSCRIBED)
    return found


def planned_at(claim: Claim) -> datetime:
    """When the claim's deliveries were planned: the same on every try."""
    rows = batches.deliveries_in([claim.batch_id]).filter(pk__in=claim.readers)
    found: datetime | None = rows.aggregate(first=Min("created_at"))["first"]
    return found or claim.claimed_at


def begin(claims: Sequence[Claim], provider: str) -> set[int]:
    """Afterwards it is on record that the provider is being called for these batches.

    Returns the ids of those that are still this worker's. The others took too long, and somebody
    else looks after them: nothing of them may be sent.
    """
    mine = Batch.objects.filter(
        pk__in=[claim.batch_id for claim in claims],
        state=Batch.State.CLAIMED,
        claimed_at__in={claim.claimed_at for claim in claims},
    )
    changed = mine.update(offered_at=timezone.now(), provider=provider)
    if changed == len(claims):
        return {claim.batch_id for claim in claims}
    return set(mine.values_list("pk", flat=True))


class _Kind(NamedTuple):
    result: Result
    provider: str
    detail: str
    retry_after: float | None
    is_provider_down: bool


def record(claims: Mapping[int, Claim], outcomes: Sequence[Outcome]) -> None:
    """Writes what became of deliveries of these claims, by batch id: one UPDATE for all that were
    sent, and for each other kind of outcome of a batch. Writing it again changes nothing.

    Only rows that are still their batch's are changed, so a late answer overrules nothing but the
    doubt that came up meanwhile (`find_stale`).
    """
    sent: dict[str, list[Outcome]] = defaultdict(list)
    other: dict[tuple[int, _Kind], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.result is Result.SENT:
            sent[outcome.provider].append(outcome)
        else:
            detail = outcome.detail[:200]
            kind = _Kind(
                outcome.result,
                outcome.provider,
                detail,
                outcome.retry_after,
                outcome.is_provider_down,
            )
            other[outcome.batch_id, kind].append(outcome)
    with transaction.atomic():
        mine = _still_held(claims, numbers := {outcome.batch_id for outcome in outcomes})
        for provider, members in sent.items():
            _record_sent(claims, members, provider)
        for (batch_id, kind), members in other.items():
            if batch_id in mine:
                _record_other(claims[batch_id], members, kind)
        _close_claims(claims, outcomes, is_all_sent=not other and mine == numbers)


def _still_held(claims: Mapping[int, Claim], batch_ids: Collection[int]) -> set[int]:
    """Batches, locked, that nobody has opened or claimed since: of the others it can only be said
    what was sent."""
    rows = Batch.objects.select_for_update().filter(pk__in=batch_ids).order_by("pk")
    held = rows.exclude(state=Batch.State.OPEN).values_list("pk", "claimed_at")
    return {pk for pk, claimed_at in held if claimed_at == claims[pk].claimed_at}


def _rows(claims: Mapping[int, Claim], outcomes: Sequence[Outcome]) -> QuerySet[Delivery]:
    """The unsettled deliveries that the outcomes are of."""
    batch_ids = {outcome.batch_id for outcome in outcomes}
    rows = batches.deliveries_in(batch_ids).filter(state__in=[State.PENDING, State.UNCERTAIN])
    if len(outcomes) < sum(len(claims[batch_id].readers) for batch_id in batch_ids):
        rows = rows.filter(pk__in=[outcome.delivery_id for outcome in outcomes])
    return rows


def _record_sent(claims: Mapping[int, Claim], members: Sequence[Outcome], provider: str) -> None:
    # Who was erased meanwhile is not to be found by the provider's records either.
    is_erased = When(subscriber__isnull=True, then=Value(""))
    _rows(claims, members).update(
        state=State.SENT,
        sent_at=timezone.now(),
        provider=provider,
        esp_message_id=Case(is_erased, default=_ids(members)),
    )


def _record_other(claim: Claim, members: Sequence[Outcome], kind: _Kind) -> None:
    rows = _rows({claim.batch_id: claim}, members)
    common = {"provider": kind.provider, "detail": kind.detail}
    if kind.result is Result.UNCERTAIN:
        rows.update(state=State.UNCERTAIN, **common)
    elif kind.result is Result.FAILED:
        rows.update(state=State.FAILED, reason=Reason.REFUSED, **common)
    else:
        # A provider that is down takes nobody: that says nothing of these readers.
        attempts = claim.attempts - kind.is_provider_down
        _defer(claim, rows, attempts=attempts, seconds=kind.retry_after, **common)
    logger.warning(
        "deliveries not sent",
        extra={
            "batch": claim.batch_id,
            "result": str(kind.result),
            "provider": kind.provider,
            "detail": kind.detail,
            "readers": len(members),
        },
    )


def _close_claims(
    claims: Mapping[int, Claim], outcomes: Sequence[Outcome], *, is_all_sent: bool
) -> None:
    numbers = Counter(outcome.batch_id for outcome in outcomes)
    whole = [pk for pk, number in numbers.items() if number == len(claims[pk].readers)]
    if is_all_sent and len(whole) == len(numbers):
        Batch.objects.filter(pk__in=whole).update(state=Batch.State.DONE)
    else:
        batches.close(numbers)


def _ids(outcomes: Sequence[Outcome]) -> Case | Value:
    names = {outcome.message_id[:200] for outcome in outcomes}
    if len(names) == 1:
        return Value(names.pop())
    return Case(
        *(When(pk=o.delivery_id, then=Value(o.message_id[:200])) for o in outcomes),
        output_field=CharField(),
    )


def _defer(
    claim: Claim,
    rows: QuerySet[Delivery],
    *,
    attempts: int,
    seconds: float | None,
    provider: str,
    detail: str,
) -> None:
    """Surely not taken: offered again after a wait that doubles with each attempt, and differs
    between batches so that they don't return together; the provider's own word counts where it says
    one. After MOST_ATTEMPTS it is given up.
    """
    if attempts >= MOST_ATTEMPTS:
        rows.update(state=State.FAILED, reason=Reason.GAVE_UP, provider=provider, detail=detail)
        return
    jitter = random.uniform(0.8, 1.2)  # noqa: S311  no secret
    wait = FIRST_WAIT * 2 ** max(attempts - 1, 0) * jitter
    if seconds is not None:
        # With some seconds between batches, so that they don't return together.
        wait = timedelta(seconds=seconds + 5 * jitter)
    retry_at = timezone.now() + wait
    ids = list(rows.values_list("pk", flat=True))
    rows.filter(pk__in=ids, state=State.UNCERTAIN).update(state=State.PENDING)
    batch = Batch.objects.get(pk=claim.batch_id)
    if len(ids) == len(claim.readers):
        # All of it: the batch itself waits.
        waiting = Batch.objects.filter(pk=batch.pk)
        waiting.update(state=Batch.State.OPEN, attempts=attempts, retry_at=retry_at)
    elif ids:
        batches.move(batch, ids, attempts=attempts, retry_at=retry_at)


def give_back(claim: Claim, *, but: Collection[int] = ()) -> None:
    """Afterwards the batch's unsettled deliveries are pending again, but those that were offered
    to a provider: of these nobody knows, and they are uncertain."""
    with transaction.atomic():
        if not _still_held({claim.batch_id: claim}, [claim.batch_id]):
            return
        rows = batches.deliveries_in([claim.batch_id]).filter(state=State.PENDING)
        rows.filter(pk__in=but).update(state=State.UNCERTAIN)
        detail = "an error of our own"
        _defer(claim, rows, attempts=claim.attempts, seconds=None, provider="", detail=detail)
        batches.close([claim.batch_id])
