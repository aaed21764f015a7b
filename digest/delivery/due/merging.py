"""Digests that are too late to go by themselves go together with the next one: nobody finds a pile
of old mail in the inbox after an outage, and nobody misses its papers.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache, partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Min, OuterRef

from digest.delivery import batches
from digest.editions import candidates
from digest.editions.candidates import Candidates
from digest.models import Audience, Batch, Delivery, Edition

from . import apart

logger = logging.getLogger(__name__)

State = Delivery.State


def merge(edition: Edition, *, now: datetime) -> int:
    """Afterwards whoever waits for a digest of an older edition that was planned MERGE_AFTER ago,
    and for this one, waits for one digest with the papers of both; returns how many readers.

    Who is being sent to at this moment is left alone, and so is an edition that is held: its papers
    are not to go out.
    """
    limit = now - timedelta(seconds=settings.MERGE_AFTER)
    older = Batch.objects.filter(
        state=Batch.State.OPEN,
        edition__frequency=edition.frequency,
        edition__date__lt=edition.date,
        edition__held_at__isnull=True,
    )
    mine = Delivery.objects.filter(
        edition=edition, state=State.PENDING, subscriber=OuterRef("subscriber")
    )
    both = Delivery.objects.filter(Exists(mine), batch=OuterRef("pk"), state=State.PENDING)
    older = older.filter(Exists(both))
    planned = older.annotate(planned_at=Min("deliveries__created_at"))
    ids = planned.filter(planned_at__lt=limit).order_by("pk").values_list("pk", flat=True)
    papers = lru_cache(maxsize=4)(partial(candidates.of, edition))
    merged = sum(_merge_batch(batch_id, edition, papers) for batch_id in list(ids))
    if merged:
        logger.warning("late digests merged", extra={"edition": edition.pk, "readers": merged})
    return merged


def _merge_batch(
    batch_id: int, edition: Edition, papers: Callable[[date | None], Candidates]
) -> int:
    """Batches are locked, so that no worker claims what is moved."""
    with transaction.atomic():
        open_batches = Batch.objects.select_for_update(skip_locked=True).filter(
            state=Batch.State.OPEN
        )
        batch = open_batches.filter(pk=batch_id).select_related(None).first()
        if batch is None:
            return 0
        late = Delivery.objects.filter(batch=batch, state=State.PENDING)
        own = Edition.objects.values_list("date", flat=True).get(pk=batch.edition_id)
        # What was merged into the late one goes on with it.
        since = Audience.objects.values_list("since", flat=True).get(pk=batch.audience_id) or own
        new = Delivery.objects.filter(
            edition=edition,
            state=State.PENDING,
            subscriber__in=late.values("subscriber"),
        )
        free = open_batches.filter(pk__in=set(new.values_list("batch", flat=True)))
        found = {
            row.subscriber: row
            for row in new.filter(batch__in=list(free)).select_related("subscriber", "audience")
            if row.subscriber
        }
        firsts = {reader: _first(row, since) for reader, row in found.items()}
        both = apart.audiences_of(edition, firsts, papers, but=[batch.edition_id])
        groups: dict[tuple[int, Audience], list[int]] = defaultdict(list)
        # Who was erased meanwhile has none, and choices that changed may leave nothing.
        found = {
            reader: row
            for reader, row in found.items()
            if reader.pk in both and both[reader.pk].paper_count
        }
        for reader, row in found.items():
            groups[row.batch_id or 0, both[reader.pk]].append(row.pk)
        for (new_batch_id, audience), ids in groups.items():
            _move(new_batch_id, ids, audience)
        late.filter(subscriber__in=list(found)).update(
            state=State.SKIPPED, reason=Delivery.Reason.MERGED
        )
        if not late.exists():
            Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE)
        return len(found)


def _first(row: Delivery, since: date) -> date:
    """The first day of what the later delivery brings, with the earlier one's papers."""
    own = row.audience.since if row.audience else None
    return min(since, own or since)


def _move(batch_id: int, ids: list[int], audience: Audience) -> None:
    """Into a batch of the audience."""
    batch = Batch.objects.get(pk=batch_id)
    batch.audience_id = audience.pk
    batches.move(batch, ids, attempts=batch.attempts, retry_at=batch.retry_at)
    Delivery.objects.filter(pk__in=ids).update(audience=audience)
    if not Delivery.objects.filter(batch_id=batch_id, state=State.PENDING).exists():
        Batch.objects.filter(pk=batch_id).update(state=Batch.State.DONE)
