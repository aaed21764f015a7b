"""Forgets who was sent which digest, KEEP_DELIVERIES_DAYS after its edition: its deliveries are counted
for good first, and then go in small steps, with their events, batches and audiences. The edition, its
papers and its counts stay.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from digest.delivery import batches, figures, partitions
from digest.delivery.partitions import Partition
from digest.editions import building
from digest.models import Audience, Batch, Circuit, Delivery, Edition

logger = logging.getLogger(__name__)

State = Delivery.State
STEP = 5000
"""Rows of a table that go in one transaction, or about so: some tenths of a second."""
_MOST_BATCHES = 1000
"""In a step."""
_A_WEEK = timedelta(days=6)
"""From the day that a week's edition goes by to its last one."""


def purge(now: datetime, *, until: datetime) -> dict[str, int]:
    """Afterwards nobody's deliveries of editions that are older than KEEP_DELIVERIES_DAYS are known,
    or `until` (UTC) has passed and the next call goes on; how many rows went, by what they are.

    What is still unsettled by then is given up, but for what a worker has in its hands. A kill leaves
    whole steps; any number of these may run side by side. Of each frequency the newest edition stays
    however old it is: it is sent to whoever has no delivery of it. Where the outbox is partitioned, a
    month's editions go together once all of them may, and their rows with the partition.
    """
    gone: Counter[str] = Counter()
    editions = list(due(now))
    months, over = _over(editions)
    for edition in editions:
        in_month = any(month.has(edition.pk) for month in months)
        if in_month and not any(month.has(edition.pk) for month in over):
            continue
        if edition.forgetting_at is None and not _begin(edition, now):
            continue
        _forget(edition, now, until, gone, has_rows=not in_month)
        if timezone.now() >= until:
            break
    for partition in over:
        if not _with_rows().filter(pk__range=_ids(partition)).exists() and partitions.drop(
            partition
        ):
            gone["partitions"] += 1
    if any(gone.values()):
        logger.info("deliveries forgotten", extra=dict(gone))
    return dict(gone)


def _with_rows() -> QuerySet[Edition]:
    has_rows = Q(due_count__gt=0) | Q(Exists(Audience.objects.filter(edition=OuterRef("pk"))))
    return Edition.objects.filter(has_rows, forgotten_at__isnull=True)


def _ids(partition: Partition) -> tuple[int, int]:
    return partition.first or 0, (partition.after or 0) - 1


def _over(editions: Sequence[Edition]) -> tuple[list[Partition], list[Partition]]:
    """The partitions of single months; and those of which no other edition than these has rows, or
    can come to have any."""
    ranges = partitions.all_ranges()
    if not ranges:
        return [], []
    due_ids = {edition.pk for edition in editions}
    others = [pk for pk in _with_rows().values_list("pk", flat=True) if pk not in due_ids]
    newest = partitions.newest_edition_id()
    over = [
        each for each in ranges if (each.after or 0) <= newest and not any(map(each.has, others))
    ]
    return [each for each in ranges if each.first is not None], over


def _limit(now: datetime) -> datetime:
    return now - timedelta(days=settings.KEEP_DELIVERIES_DAYS)


def due(now: datetime) -> QuerySet[Edition]:
    """The editions whose deliveries are to be forgotten, and are not yet; the oldest first."""
    limit = _limit(now)
    day = limit.date()
    is_old = Q(frequency=Edition.Frequency.DAILY, date__lt=day) | Q(date__lt=day - _A_WEEK)
    # An old edition may have been sent of late, by an operator.
    recent = Batch.objects.filter(edition=OuterRef("pk"), claimed_at__gte=limit)
    newest = [building.newest(frequency) for frequency in Edition.Frequency.values]
    editions = _with_rows().filter(is_old, ~Exists(recent))
    return editions.exclude(pk__in=[edition.pk for edition in newest if edition]).order_by("pk")


def _begin(edition: Edition, now: datetime) -> bool:
    """Counts the edition's deliveries for good; False where some are in a worker's hands."""
    _give_up(edition, _limit(now))
    with transaction.atomic():
        locked = Edition.objects.select_for_update().get(pk=edition.pk)
        if locked.forgetting_at is not None:
            return True
        unsettled = Batch.objects.filter(edition=edition).exclude(state=Batch.State.DONE)
        if unsettled.exists():
            logger.warning("old edition is not settled", extra={"edition": edition.pk})
            return False
        counted = figures.count_last(locked, now)
    if not counted.is_balanced:
        logger.error("ledger of an old edition does not add up", extra={"edition": edition.pk})
    return True


def _give_up(edition: Edition, limit: datetime) -> None:
    """Afterwards nothing of the edition that was planned before the limit waits or is in doubt: the
    operator was told of it every day (`alarms.py`), and its papers are no news any more."""
    states = [Batch.State.OPEN, Batch.State.UNCERTAIN]
    unsettled = Batch.objects.filter(edition=edition, state__in=states)
    for batch_id in list(unsettled.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            # Locked, so that no worker claims it meanwhile.
            if not unsettled.select_for_update(skip_locked=True).filter(pk=batch_id).exists():
                continue
            mine = batches.deliveries_in([batch_id])
            left = mine.filter(
                state__in=[State.PENDING, State.UNCERTAIN], created_at__lt=limit
            ).update(state=State.FAILED, reason=Delivery.Reason.DROPPED)
            if not mine.filter(state__in=[State.PENDING, State.UNCERTAIN]).exists():
                Batch.objects.filter(pk=batch_id).update(state=Batch.State.DONE)
        if left:
            logger.warning("old deliveries given up", extra={"batch": batch_id, "readers": left})


def _forget(
    edition: Edition, now: datetime, until: datetime, gone: Counter[str], *, has_rows: bool
) -> None:
    """Step by step; `has_rows` is False where the deliveries themselves go with their partition."""
    while timezone.now() < until:
        with transaction.atomic():
            # Whoever is at it already goes on.
            mine = Edition.objects.select_for_update(skip_locked=True)
            mine = mine.filter(pk=edition.pk, forgotten_at__isnull=True)
            if not mine.exists():
                return
            went = _step(edition, has_rows=has_rows)
            if not went:
                Edition.objects.filter(pk=edition.pk).update(forgotten_at=now)
                Circuit.objects.filter(name=f"edition {edition.pk}").delete()
                gone["editions"] += 1
                return
        gone.update(went)


def _step(edition: Edition, *, has_rows: bool) -> dict[str, int]:
    """The next rows of the edition are gone afterwards; how many, and nothing where none were left."""
    if page := _next_batches(edition):
        went = {"events": _delete(_EVENTS, [edition.pk, *page])}
        if has_rows:
            went["deliveries"] = _delete(_IN_BATCHES, [edition.pk, *page])
        return went | {"batches": _delete(_BATCHES, page)}
    if has_rows and (number := _delete(_IN_NONE, [edition.pk, edition.pk, STEP])):
        return {"deliveries": number}
    for name in ("audienceselection", "audience"):
        if number := _delete(_OF_EDITION.format(name), [edition.pk, STEP]):
            return {f"{name}s": number}
    return {}


_EVENTS = """
DELETE FROM digest_event WHERE delivery_id IN (
    SELECT id FROM digest_delivery WHERE edition_id = %s AND batch_id BETWEEN %s AND %s
)
"""
_IN_BATCHES = "DELETE FROM digest_delivery WHERE edition_id = %s AND batch_id BETWEEN %s AND %s"
_BATCHES = "DELETE FROM digest_batch WHERE id BETWEEN %s AND %s"
_IN_NONE = """
DELETE FROM digest_delivery WHERE edition_id = %s AND batch_id IS NULL AND id IN (
    SELECT id FROM digest_delivery WHERE edition_id = %s AND batch_id IS NULL ORDER BY id LIMIT %s
)
"""
"""These were never offered to a provider, so no event tells of them."""
_OF_EDITION = """
DELETE FROM digest_{0} WHERE id IN (SELECT id FROM digest_{0} WHERE edition_id = %s LIMIT %s)
"""


def _next_batches(edition: Edition) -> tuple[int, int] | None:
    """The first and the last of the next batches that have STEP deliveries together, or one batch."""
    mine = Batch.objects.filter(pk__range=batches.ids_of(edition)).order_by("pk")
    page = list(mine.values_list("pk", "size")[:_MOST_BATCHES])
    if not page:
        return None
    first, total = page[0][0], 0
    last = first
    for batch_id, size in page:
        total += size
        if total > STEP and batch_id != first:
            break
        last = batch_id
    return first, last


def _delete(statement: str, values: Collection[int]) -> int:
    # Django would read the rows, to look for what hangs on them; we know that.
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return int(cursor.rowcount)
