"""Readers whom a digest is made for apart from the others of their slot: who comes back from a pause
gets the best of what it held back, who may have had some of the papers gets the others, and who goes
by how fast votes come gets what trends of some days.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from django.db import transaction

from digest.delivery import batches
from digest.editions import audiences, building, candidates, history
from digest.editions.candidates import Candidates
from digest.models import Audience, Batch, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Slot, Subscriber

State = Delivery.State
LONGEST_PAUSE = timedelta(days=31)
"""Papers that were listed longer ago are no news any more."""
PAGE = 200
OVERLAP = timedelta(days=7)
"""A week's edition goes by its Monday, and may have the papers of a later day."""


def plan(
    slot: Slot, edition: Edition, *, since: date | None, now: datetime, batch_size: int
) -> Iterator[list[Delivery]]:
    """Once it is gone through, these readers of the slot have a delivery of the edition, and where it
    is to be sent a batch with up to so many who get the same. The new ones come page by page, each a
    transaction; a second call adds none."""
    last = 0
    # Most readers look back as far as another one.
    papers = lru_cache(maxsize=4)(partial(candidates.of, edition))
    while readers := list(
        selectors.readers_apart(slot, now, papers_since=since or edition.date, after=last)[:PAGE]
    ):
        yield _plan_page(readers, edition, since, papers, batch_size)
        last = readers[-1].pk


def _plan_page(
    readers: Sequence[Any],
    edition: Edition,
    since: date | None,
    papers: Callable[[date | None], Candidates],
    batch_size: int,
) -> list[Delivery]:
    """Papers are picked before the edition is locked, as they may be many."""
    mine = Delivery.objects.filter(edition=edition, subscriber__in=readers)
    planned = set(mine.values_list("subscriber_id", flat=True))
    new = [reader for reader in readers if reader.pk not in planned]
    firsts = {reader: looks_back_to(reader, edition, since) for reader in new}
    found = audiences_of(edition, firsts, papers)
    with transaction.atomic():
        locked = Edition.objects.select_for_update().get(pk=edition.pk)
        planned = set(mine.values_list("subscriber_id", flat=True))
        new = [reader for reader in new if reader.pk in found and reader.pk not in planned]
        rows = [_row(edition, reader, found[reader.pk]) for reader in new]
        _number(rows, locked, batch_size)
        services.note_served(new)
    return rows


def looks_back_to(reader: Subscriber, edition: Edition, since: date | None) -> date | None:
    """The day from which on the reader's digest picks papers; None: the edition's alone. As the
    slot's, since the pause, or of as many days as papers trend."""
    if reader.trending:
        since = candidates.trending_since(edition, since)
    if reader.unserved_since is None:
        return since
    earliest = max(reader.unserved_since, edition.date - LONGEST_PAUSE)
    # The digest of the day before the pause may not have come any more.
    first = building.first_day(earliest - timedelta(days=1), edition.frequency)
    return min(first, since or edition.date)


def audiences_of(
    edition: Edition,
    readers: Mapping[Subscriber, date | None],
    papers: Callable[[date | None], Candidates],
    *,
    but: Collection[int] = (),
) -> dict[int, Audience]:
    """The audience of each reader, by id, as picked for them alone: the best of the papers since the
    day beside them that they were not sent, in digests of other editions than this one and `but`."""
    ids = [reader.pk for reader in readers]
    earliest = min((first or edition.date for first in readers.values()), default=edition.date)
    sent = history.sent_to(ids, since=earliest - OVERLAP, but={edition.pk, *but})
    selections = selectors.selections_of(ids)
    return audiences.made(
        edition,
        {
            reader.pk: audiences.Asked(
                selections[reader.pk], papers(first), first, sent.get(reader.pk, ())
            )
            for reader, first in readers.items()
            if reader.pk in selections
        },
    )


def audience_of(edition: Edition, reader: Subscriber, first: date | None) -> Audience:
    """That of one reader, as `audiences_of`."""
    return audiences_of(edition, {reader: first}, partial(candidates.of, edition))[reader.pk]


def _row(edition: Edition, reader: Any, audience: Audience) -> Delivery:
    row = Delivery(edition=edition, subscriber=reader, audience=audience)
    if reader.is_suppressed:
        row.state = State.SUPPRESSED
    elif not audience.paper_count:
        row.state, row.reason = State.SKIPPED, Delivery.Reason.NOTHING_NEW
    return row


def _number(rows: Sequence[Delivery], edition: Edition, batch_size: int) -> None:
    """Stores the rows, and batches of those that wait; the edition's row is locked."""
    first = batches.first_id(edition)
    by_audience: dict[int, list[Delivery]] = defaultdict(list)
    for row in rows:
        if row.state == State.PENDING:
            by_audience[row.audience_id or 0].append(row)
    new: list[Batch] = []
    for audience_id, waiting in by_audience.items():
        for start in range(0, len(waiting), batch_size):
            together = waiting[start : start + batch_size]
            batch = Batch(
                pk=first + len(new), edition=edition, audience_id=audience_id, size=len(together)
            )
            for row in together:
                row.batch_id = batch.pk
            new.append(batch)
    Batch.objects.bulk_create(new)
    Delivery.objects.bulk_create(rows)
    batches.count_up(edition, deliveries=len(rows), batches=len(new))
