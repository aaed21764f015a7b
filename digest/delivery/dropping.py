"""Calls an edition off: what waits of it is given up, and whoever is due for it later gets none."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from digest.models import Batch, Circuit, Delivery, Edition

from . import batches, notices

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Batches that are given up while somebody waits; the others follow each minute."""
A_SWEEP = timedelta(seconds=15)
"""How long a sweep gives up what waits, on two busy cores some 400,000 deliveries in batches of 1,000, or
30,000 in batches of 50. The next one goes on."""
_MOST = 10_000
"""Batches of an edition that a sweep looks at."""
State = Delivery.State


def held(edition: Edition, seen: datetime | None = None) -> QuerySet[Edition]:
    """The edition while it is held; with the time at which a hold began, while it is that one."""
    rows = Edition.objects.filter(pk=edition.pk, held_at__isnull=False)
    return rows if seen is None else rows.filter(held_at=seen)


def drop(
    edition: Edition, now: datetime, *, seen: datetime | None = None, most: int | None = None
) -> bool:
    """Afterwards nothing more of the held edition is sent to anybody, and it is not held any more;
    False where it was not held, or not by the hold that was seen. What a worker has in its hands
    still goes.

    The first `most` batches are given up at once (None: all), the others by `sweep`.
    """
    with transaction.atomic():
        if not held(edition, seen).update(held_at=None, held_because="", dropped_at=now):
            return False
        Circuit.objects.filter(name=f"edition {edition.pk}").delete()
        notices.end(notices.HELD, edition.pk, now=now)
    give_up(edition, most=most)
    return True


def give_up(edition: Edition, *, most: int | None = None, until: datetime | None = None) -> int:
    """Afterwards what waits in the first open batches of an edition that was called off has failed;
    how many. Called again, it goes on with the next ones. Each batch is a transaction of its own."""
    waiting = Batch.objects.filter(edition=edition, state=Batch.State.OPEN)
    number = 0
    for batch_id in list(waiting.order_by("pk").values_list("pk", flat=True)[:most]):
        if until is not None and timezone.now() >= until:
            break
        with transaction.atomic():
            if waiting.filter(pk=batch_id).update(state=Batch.State.DONE):
                rows = batches.deliveries_in([batch_id]).filter(state=State.PENDING)
                number += rows.update(state=State.FAILED, reason=Delivery.Reason.DROPPED)
    if number:
        logger.info("deliveries given up", extra={"edition": edition.pk, "deliveries": number})
    return number


def sweep() -> None:
    """Gives up what came to wait of editions that were called off: planned since, or put back by a
    worker. One query where there is nothing."""
    waiting = Batch.objects.filter(state=Batch.State.OPEN, edition__dropped_at__isnull=False)
    editions = list(waiting.order_by().values_list("edition", flat=True).distinct())
    until = timezone.now() + A_SWEEP
    for edition in Edition.objects.filter(pk__in=editions):
        give_up(edition, most=_MOST, until=until)
