"""The outbox: claims batches of deliveries, and records what became of them.

A delivery changes state by one conditional UPDATE that repeats the state it was read in, so any
of this may run twice, late, or side by side with itself.
"""

import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.utils import timezone

from digest.models import Delivery
from digest.records import Outcome, Result
from subscriptions import selectors

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries of one audience that one worker has claimed, with their subscribers."""

    batch_id: uuid.UUID
    audience_id: int
    deliveries: Sequence[Delivery]


def _offerable(now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        Q(retry_at__isnull=True) | Q(retry_at__lte=now), state=State.PENDING
    )


def pending(now: datetime) -> int:
    """How many deliveries could be claimed now."""
    return _offerable(now).count()


def claim(now: datetime, *, size: int) -> Batch | None:
    """Takes up to `size` pending deliveries of one audience; None when nothing is pending.

    Who left or was suppressed since planning is settled here, and is not in the batch. The claim
    is committed before anything is sent: a worker killed later leaves claimed rows behind, which
    `find_stale` turns uncertain, and nobody sends them blindly again.
    """
    while True:
        batch_id = uuid.uuid4()
        with transaction.atomic():
            free = _offerable(now).select_for_update(skip_locked=True)
            # One row tells whose turn it is, so that no row of another audience is locked.
            audience_ids = free.order_by("audience_id", "pk").values_list("audience_id", flat=True)
            audience_id = audience_ids.first()
            if audience_id is None:
                return None
            mine = dict(
                free.filter(audience_id=audience_id)
                .order_by("pk")
                .values_list("pk", "subscriber_id")[:size]
            )
            _settle_leavers(mine)
            Delivery.objects.filter(pk__in=mine, state=State.PENDING).update(
                state=State.CLAIMED,
                batch_id=batch_id,
                claimed_at=now,
                retry_at=None,
                attempts=F("attempts") + 1,
            )
        claimed = Delivery.objects.filter(batch_id=batch_id, state=State.CLAIMED)
        if deliveries := list(claimed.select_related("subscriber").order_by("pk")):
            return Batch(batch_id, audience_id, deliveries)


def _settle_leavers(subscriber_of: Mapping[int, int | None]) -> None:
    known = selectors.claim_states([pk for pk in subscriber_of.values() if pk is not None])
    settled: dict[str, list[int]] = defaultdict(list)
    for delivery_id, subscriber_id in subscriber_of.items():
        settled[known.get(subscriber_id or 0, "gone")].append(delivery_id)
    settled.pop("ok", None)
    for name, ids in settled.items():
        rows = Delivery.objects.filter(pk__in=ids, state=State.PENDING)
        if name == "suppressed":
            rows.update(state=State.SUPPRESSED)
        else:
            rows.update(state=State.SKIPPED, reason=Reason.UNSUBSCRIBED)


def record(batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """Writes what became of the batch's deliveries: one UPDATE for each kind of outcome.

    Only rows that are still this batch's are changed, so a late answer overrules nothing but the
    doubt that came up meanwhile (`find_stale`).
    """
    now = timezone.now()
    groups: dict[tuple[Result, str, str, float | None], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kind = (outcome.result, outcome.provider, outcome.detail, outcome.retry_after)
        groups[kind].append(outcome)
    for (result, provider, detail, seconds), members in groups.items():
        rows = Delivery.objects.filter(
            pk__in=[outcome.delivery_id for outcome in members],
            batch_id=batch.batch_id,
            state__in=[State.CLAIMED, State.UNCERTAIN],
        )
        common = {"provider": provider, "detail": detail[:200]}
        if result is Result.SENT:
            rows.update(state=State.SENT, sent_at=now, esp_message_id=_ids(members), **common)
        elif result is Result.UNCERTAIN:
            rows.update(state=State.UNCERTAIN, **common)
        elif result is Result.FAILED:
            rows.update(state=State.FAILED, reason=Reason.REFUSED, **common)
        else:
            _defer(rows, now=now, seconds=seconds, **common)
        if result is not Result.SENT:
            logger.warning(
                "deliveries not sent",
                extra={
                    "batch": batch.batch_id,
                    "result": str(result),
                    "provider": provider,
                    "detail": detail,
                    "readers": len(members),
                },
            )


def _ids(outcomes: Sequence[Outcome]) -> Case | Value:
    names = {outcome.message_id[:200] for outcome in outcomes}
    if len(names) == 1:
        return Value(names.pop())
    return Case(
        *(When(pk=o.delivery_id, then=Value(o.message_id[:200])) for o in outcomes),
        output_field=CharField(),
    )


def _defer(
    rows: QuerySet[Delivery], *, now: datetime, seconds: float | None, provider: str, detail: str
) -> None:
    rows.filter(attempts__gte=MOST_ATTEMPTS).update(
        state=State.FAILED, reason=Reason.GAVE_UP, provider=provider, detail=detail
    )
    # The wait doubles with each attempt, and differs between batches so that they don't return
    # together; the provider's own word counts where it is longer.
    for attempts in rows.order_by().values_list("attempts", flat=True).distinct():
        wait = FIRST_WAIT * 2 ** (attempts - 1) * random.uniform(0.8, 1.2)  # noqa: S311  jitter
        wait = max(wait, timedelta(seconds=seconds or 0))
        rows.filter(attempts=attempts).update(
            state=State.PENDING, retry_at=now + wait, provider=provider, detail=detail
        )


def give_back(batch: Batch, *, but: Collection[int] = ()) -> None:
    """Afterwards the batch's deliveries are pending again, but those that were offered to a
    provider: of these nobody knows."""
    rows = Delivery.objects.filter(batch_id=batch.batch_id, state=State.CLAIMED)
    rows.exclude(pk__in=but).update(state=State.PENDING, retry_at=timezone.now() + FIRST_WAIT)


def find_stale(now: datetime) -> int:
    """Claims that were never settled within UNCERTAIN_AFTER become uncertain; returns how many."""
    stale = Delivery.objects.filter(
        state=State.CLAIMED, claimed_at__lt=now - timedelta(seconds=settings.UNCERTAIN_AFTER)
    )
    number = stale.update(state=State.UNCERTAIN, detail="the worker never came back")
    if number:
        logger.error("deliveries are uncertain", extra={"deliveries": number})
    return number


def accept(*, delivery_id: int | None = None, batch_id: uuid.UUID | None = None) -> int:
    """Evidence came that the provider took this delivery, or the one call with the whole batch.

    What was in doubt is sent afterwards; so is a delivery that waits for a second try, because
    its first copy arrived.
    """
    in_doubt = Q(state__in=[State.UNCERTAIN, State.CLAIMED])
    waiting = Q(state=State.PENDING, batch_id__isnull=False)
    taken = Q(pk=delivery_id) & (in_doubt | waiting)
    if batch_id is not None:
        taken |= Q(batch_id=batch_id) & in_doubt
    return Delivery.objects.filter(taken).update(state=State.SENT, sent_at=timezone.now())


def release(deliveries: QuerySet[Delivery]) -> int:
    """An operator says: send the uncertain ones of these again, under the same Message-ID."""
    return deliveries.filter(state=State.UNCERTAIN).update(
        state=State.PENDING, retry_at=None, attempts=0
    )


def drop(deliveries: QuerySet[Delivery]) -> int:
    """An operator says: give the uncertain ones of these up."""
    return deliveries.filter(state=State.UNCERTAIN).update(
        state=State.FAILED, reason=Reason.DROPPED
    )
