"""Settles what a worker left behind, and what is in doubt: by evidence, or by an operator's word."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from digest.models import Batch, Delivery, Edition
from subscriptions import selectors

from . import batches

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
_MARKS = re.compile(r"[^a-z0-9_.+-]\.*|^\.+")
"""What is seldom in an address, and often in front of one."""
_MOST_READINGS = 6
_PAGE = 1000
"""Addresses that are looked up in one query."""


def find_stale(now: datetime) -> int:
    """Settles claims that were never settled within UNCERTAIN_AFTER, because their worker is gone.

    What was not offered yet is open again. What may have been is uncertain: returns how many.
    """
    limit = now - timedelta(seconds=settings.UNCERTAIN_AFTER)
    stale = Batch.objects.filter(state=Batch.State.CLAIMED, claimed_at__lt=limit)
    stale.filter(offered_at__isnull=True).update(state=Batch.State.OPEN)
    number = 0
    for batch_id in list(stale.values_list("pk", flat=True)):
        with transaction.atomic():
            if stale.filter(pk=batch_id).update(state=Batch.State.UNCERTAIN):
                rows = Delivery.objects.filter(batch_id=batch_id, state=State.PENDING)
                number += rows.update(state=State.UNCERTAIN, detail="the worker never came back")
                batches.close([batch_id])
    if number:
        logger.error("deliveries are uncertain", extra={"deliveries": number})
    return number


def accept(*, delivery_ids: Collection[int] = (), batch_ids: Collection[int] = ()) -> int:
    """Evidence came that the provider took these deliveries, or the one call with all of a batch.

    What was in doubt is sent afterwards; so is a delivery that waits for a second try, because
    its first copy arrived. Returns how many were settled by it.
    """
    taken = Q(pk__in=delivery_ids, state=State.UNCERTAIN)
    taken |= Q(pk__in=delivery_ids, state=State.PENDING)
    if batch_ids:
        taken |= Q(batch_id__in=batch_ids, state=State.UNCERTAIN)
        taken |= Q(batch_id__in=batch_ids, state=State.PENDING, batch__attempts__gt=0)
    with transaction.atomic():
        found = dict(Delivery.objects.filter(taken).values_list("pk", "batch_id"))
        if not found:
            return 0
        rows = Delivery.objects.filter(pk__in=found, state__in=[State.UNCERTAIN, State.PENDING])
        number = rows.update(state=State.SENT, sent_at=timezone.now())
        batches.close(set(found.values()) - {None})
    return number


def _doubtful(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    # By their batches, which are few and have an index.
    return deliveries.filter(state=State.UNCERTAIN, batch__state=Batch.State.UNCERTAIN)


def release(
    deliveries: QuerySet[Delivery], *, retry_at: datetime | None = None, to: str = ""
) -> int:
    """Sends the uncertain ones of these again, under the same Message-ID; returns how many.

    By an operator's word, or because it is evident that the provider did not take them; or by
    asking the provider `to`, and no other, once more under the same idempotency key. A batch that
    is released as a whole stays one, so that late evidence of its first offer still finds it.
    """
    doubtful = _doubtful(deliveries).order_by()
    batch_ids = doubtful.values_list("batch_id", flat=True)
    number = 0
    for batch in Batch.objects.filter(pk__in=list(batch_ids.distinct())).order_by("pk"):
        with transaction.atomic():
            Edition.objects.select_for_update().get(pk=batch.edition_id)
            mine = deliveries.filter(batch=batch, state=State.UNCERTAIN)
            ids = _reopen_deliveries(batch, list(mine.values_list("pk", flat=True)))
            if ids and not _reopen(batch, retry_at=retry_at, to=to):
                batch.only_provider, batch.released_at = to, timezone.now()
                batches.move(batch, ids, attempts=1, retry_at=retry_at)
            batches.close([batch.pk])
            number += len(ids)
    return number


def _reopen_deliveries(batch: Batch, ids: list[int]) -> list[int]:
    """Those of them that wait from now on: an event may just have settled the others."""
    rows = Delivery.objects.filter(pk__in=ids, batch=batch, edition=batch.edition_id)
    rows.filter(state=State.UNCERTAIN).update(state=State.PENDING)
    return list(rows.filter(state=State.PENDING).values_list("pk", flat=True))


def _reopen(batch: Batch, *, retry_at: datetime | None, to: str) -> bool:
    """Opens a batch of which nothing is in doubt any more; False where something is, or where a
    worker has it."""
    in_doubt = Delivery.objects.filter(batch=OuterRef("pk"), state=State.UNCERTAIN)
    mine = Batch.objects.filter(~Exists(in_doubt), pk=batch.pk, state=Batch.State.UNCERTAIN)
    return bool(
        mine.update(
            state=Batch.State.OPEN,
            retry_at=retry_at,
            attempts=1,
            only_provider=to,
            released_at=timezone.now(),
        )
    )


def drop(deliveries: QuerySet[Delivery]) -> int:
    """An operator says: give the uncertain ones of these up. Returns how many."""
    doubtful = _doubtful(deliveries)
    batch_ids = list(doubtful.order_by().values_list("batch_id", flat=True).distinct())
    with transaction.atomic():
        # The state is said again outside of the subquery: only there PostgreSQL looks at it anew
        # where the UPDATE had to wait for an event that settled the row.
        rows = Delivery.objects.filter(pk__in=doubtful.values("pk"), state=State.UNCERTAIN)
        number = rows.update(state=State.FAILED, reason=Reason.DROPPED)
        batches.close(batch_ids)
    return number


def accept_to(addresses: Iterable[str], deliveries: QuerySet[Delivery]) -> int:
    """An operator saw that the provider took the uncertain ones of these to these addresses, in
    whatever spelling. Returns how many are sent now; addresses of nobody are passed over.

    An address may have marks of a log in front: `to='ada@example.org` is Ada's, if nobody has the
    whole as an address. `o'brien@example.ie` is no brien's where there is an O'Brien.
    """
    number = 0
    for page in _pages(addresses):
        ways = [_readings(address) for address in page]
        known = selectors.ids_of_addresses({reading for each in ways for reading in each})
        found = {next((known[way] for way in each if way in known), None) for each in ways}
        ids = _doubtful(deliveries).filter(subscriber__in=found - {None})
        number += accept(delivery_ids=list(ids.values_list("pk", flat=True)))
    return number


def _readings(address: str) -> list[str]:
    """The address in small letters, and without what may be no part of it, the longest first."""
    whole = address.lower()
    local, _, domain = whole.rpartition("@")
    starts = [mark.end() for mark in _MARKS.finditer(local) if mark.end() < len(local)]
    return [whole, *(f"{local[start:]}@{domain}" for start in starts[-_MOST_READINGS:])]


def _pages(addresses: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(addresses)
    while page := list(islice(rest, _PAGE)):
        yield page


def refuse(delivery_ids: Collection[int]) -> int:
    """The provider says that it refused these: the uncertain ones have failed; how many."""
    with transaction.atomic():
        doubtful = Delivery.objects.filter(pk__in=delivery_ids, state=State.UNCERTAIN)
        found = dict(doubtful.values_list("pk", "batch_id"))
        if not found:
            return 0
        rows = Delivery.objects.filter(pk__in=found, state=State.UNCERTAIN)
        number = rows.update(state=State.FAILED, reason=Reason.REFUSED, detail="by its event")
        batches.close(set(found.values()) - {None})
    return number
