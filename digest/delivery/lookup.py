"""Finds rows of the big tables for the desk, a page at a time, newest first, by indexes that are there.

A page begins below a key, so that the thousandth costs what the first does, and nothing is counted.
What no index is for, as a state, is looked for among WINDOW rows at a time, for BUDGET seconds at
most; the page then says where to go on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from digest.models import Batch, Delivery, Edition, Event

from . import batches

PAGE = 50
WINDOW = 20_000
BUDGET = 1.0
_MOST_BATCHES = 1000
"""In a window."""
Key = tuple[int, ...]
Order = tuple[str, ...]

BY_BATCH: Order = ("batch_id", "pk")
BY_EDITION: Order = ("edition_id",)
BY_KEY: Order = ("pk",)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the key below which the next ones are."""

    rows: Sequence[Any]
    next: Key | None
    """None: there are no more."""
    is_cut_short: bool = False
    """The time was over before the page was full."""


def walk(
    rows: QuerySet[Any],
    *,
    order: Order = BY_KEY,
    below: Key | None = None,
    matching: Q | None = None,
    among: QuerySet[Batch] | None = None,
) -> Page:
    """A page of the rows that match, the highest keys first. An index is by the `order`; for what
    must match there is none. BY_BATCH, `among` are the batches that the rows are in: then their
    sizes say how far a window goes, and no row is read for that.
    """
    down = rows.order_by(*(f"-{name}" for name in order))
    if matching is None:
        return _page(list(_below(down, order, below)[: PAGE + 1]), order)
    found: list[Any] = []
    ends_at = time.monotonic() + BUDGET
    while True:
        window = _below(down, order, below)
        if among is None:
            end = window.values_list(*order)[WINDOW - 1 : WINDOW].first()
        else:
            end = _end_among(among, below)
        part = window if end is None else window.filter(_at_or_above(order, end))
        found += part.filter(matching)[: PAGE + 1 - len(found)]
        if len(found) > PAGE or end is None:
            return _page(found, order)
        below = end
        if time.monotonic() > ends_at:
            return Page(found, end, is_cut_short=True)


def _end_among(among: QuerySet[Batch], below: Key | None) -> Key | None:
    """The lowest batch of the next window, with all that is in it; None where that is the last."""
    rows = among
    if below is not None:
        # Of a batch that a window ended with, nothing is left.
        rows = among.filter(pk__lte=below[0]) if below[1] else among.filter(pk__lt=below[0])
    number = 0
    sizes = list(rows.order_by("-pk").values_list("pk", "size")[:_MOST_BATCHES])
    for batch_id, size in sizes:
        number += size
        if number >= WINDOW:
            return batch_id, 0
    return (sizes[-1][0], 0) if len(sizes) == _MOST_BATCHES else None


def _page(found: list[Any], order: Order) -> Page:
    if len(found) <= PAGE:
        return Page(found, None)
    last = found[PAGE - 1]
    return Page(found[:PAGE], tuple(getattr(last, name) for name in order))


def _below(rows: QuerySet[Any], order: Order, key: Key | None) -> QuerySet[Any]:
    if key is None:
        return rows
    first = order[0]
    if len(order) == 1:
        return rows.filter(**{f"{first}__lt": key[0]})
    # The first half by itself is what the index is asked for.
    lower = Q(**{f"{first}__lt": key[0]}) | Q(**{f"{order[1]}__lt": key[1]})
    return rows.filter(lower, **{f"{first}__lte": key[0]})


def _at_or_above(order: Order, key: Key) -> Q:
    first = order[0]
    if len(order) == 1:
        return Q(**{f"{first}__gte": key[0]})
    higher = Q(**{f"{first}__gt": key[0]}) | Q(**{f"{order[1]}__gte": key[1]})
    return Q(**{f"{first}__gte": key[0]}) & higher


def deliveries_of(edition: Edition, *, is_planned: bool) -> QuerySet[Delivery]:
    """Those in the edition's batches, to be walked BY_BATCH; or those that were in none, as their
    readers were skipped when it was planned, BY_KEY."""
    if not is_planned:
        return Delivery.objects.filter(edition=edition, batch__isnull=True)
    first, last = batches.ids_of(edition)
    return Delivery.objects.filter(batch_id__gte=first, batch_id__lte=last)


def batches_of(edition: Edition) -> QuerySet[Batch]:
    """The edition's batches, by their ids."""
    first, last = batches.ids_of(edition)
    return Batch.objects.filter(pk__gte=first, pk__lte=last)


def events_of_reader(subscriber_id: int) -> QuerySet[Event]:
    """The events about a reader's digests."""
    theirs = Delivery.objects.filter(subscriber_id=subscriber_id)
    # Numbers, not a query: only then the index of events is used.
    return Event.objects.filter(delivery__in=list(theirs.values_list("pk", flat=True)))
