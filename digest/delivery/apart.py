"""Readers whom a digest is made for apart from the others of their slot: who comes back from a pause
gets the best of what it held back, and who may have had some of the papers gets the others.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from django.db import transaction

from digest.editions import audiences, building, candidates, history
from digest.editions.candidates import Candidates
from digest.models import Audience, Batch, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Slot, Subscriber
from subscriptions.records import Selection

from . import batches

State = Delivery.State
LONGEST_PAUSE = timedelta(days=31)
"""Papers that were listed longer ago are no news any more."""
PAGE = 200
_OVERLAP = timedelta(days=7)
"""A week's edition goes by its Monday, and may have the papers of a later day."""


def plan(slot: Slot, edition: Edition, *, since: date | None, now: datetime) -> list[Delivery]:
    """Afterwards these readers of the slot have a delivery of the edition, a batch each where it is
    to be sent; returns the new ones. A second call adds none. Page by page, each a transaction."""
    made: list[Delivery] = []
    last = 0
    # Most readers look back as far as another one.
    papers = lru_cache(maxsize=4)(partial(candidates.of, edition))
    while readers := list(
        selectors.readers_apart(slot, now, papers_since=since or edition.date, after=last)[:PAGE]
    ):
        made += _plan_page(readers, edition, since, papers)
        last = readers[-1].pk
    return made


def _plan_page(
    readers: Sequence[Any],
    edition: Edition,
    since: date | None,
    papers: Callable[[date | None], Candidates],
) -> list[Delivery]:
    ids = [reader.pk for reader in readers]
    selections = selectors.selections_of(ids)
    with transaction.atomic():
        locked = Edition.objects.select_for_update().get(pk=edition.pk)
        planned = set(
            Delivery.objects.filter(edition=edition, subscriber__in=ids).values_list(
                "subscriber_id", flat=True
            )
        )
        new = [reader for reader in readers if reader.pk not in planned]
        rows = [
            _row(
                edition,
                reader,
                audience_of(edition, reader, first, selections[reader.pk], papers=papers(first)),
            )
            for reader in new
            if reader.pk in selections
            for first in [looks_back_to(reader, edition, since)]
        ]
        _number(rows, locked)
        services.note_served([reader.pk for reader in new])
    return rows


def looks_back_to(reader: Subscriber, edition: Edition, since: date | None) -> date | None:
    """The day from which on the reader's digest picks papers; None: the edition's alone. As the
    slot's, or since the pause."""
    if reader.unserved_since is None:
        return since
    earliest = max(reader.unserved_since, edition.date - LONGEST_PAUSE)
    # The digest of the day before the pause may not have come any more.
    first = building.first_day(earliest - timedelta(days=1), edition.frequency)
    return min(first, since or edition.date)


def audience_of(
    edition: Edition,
    reader: Subscriber,
    first: date | None,
    selection: Selection,
    *,
    papers: Candidates | None = None,
    but: Collection[int] = (),
) -> Audience:
    """The reader's own: the best papers since that day that they were not sent, in digests of other
    editions than this one and `but`."""
    sent = history.sent_to(
        [reader.pk], since=(first or edition.date) - _OVERLAP, but={edition.pk, *but}
    )
    return audiences.own(
        edition,
        reader.pk,
        selection,
        candidates.of(edition, first) if papers is None else papers,
        sent=sent.get(reader.pk, ()),
        since=first,
    )


def _row(edition: Edition, reader: Any, audience: Audience) -> Delivery:
    row = Delivery(edition=edition, subscriber=reader, audience=audience)
    if reader.is_suppressed:
        row.state = State.SUPPRESSED
    elif not audience.paper_count:
        row.state, row.reason = State.SKIPPED, Delivery.Reason.NOTHING_NEW
    return row


def _number(rows: Sequence[Delivery], edition: Edition) -> None:
    """Stores the rows, and a batch for each that waits; the edition's row is locked."""
    waiting = [row for row in rows if row.state == State.PENDING]
    first = batches.first_id(edition)
    for number, row in enumerate(waiting):
        row.batch_id = first + number
    Batch.objects.bulk_create(
        [
            Batch(pk=row.batch_id, edition=edition, audience_id=row.audience_id or 0, size=1)
            for row in waiting
        ]
    )
    Delivery.objects.bulk_create(rows)
    batches.count_up(edition, deliveries=len(rows), batches=len(waiting))
