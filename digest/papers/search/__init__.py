"""Search over all papers: `parse` understands what was typed, `find` finds the papers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from django.db import connection, transaction

from digest.models import Paper

from . import entries, postgres, sqlite
from .marking import excerpt, marked, terms_in
from .query import MOST_LETTERS, Order, Query, narrowed, parse

__all__ = [
    "MOST_LETTERS", "Found", "Order", "Query", "among", "excerpt", "find", "index", "index_all", "index_missing",
    "marked", "narrowed", "parse", "sharing", "terms_in",
]  # fmt: skip

CHUNK = 200
"""Papers that are indexed at once."""


@dataclass(frozen=True, slots=True)
class Found(Sequence[int]):
    """The ids of the papers of one page, best first, and how many there are."""

    ids: tuple[int, ...] = ()
    total: int = 0
    reachable: int = 0
    """So many of them can be paged through."""
    is_more: bool = False
    """Whether there are more than `total`, which is where counting stopped."""

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        return self.ids[index]

    def __len__(self) -> int:
        return len(self.ids)


def find(query: Query, *, start: int = 0, limit: int = 50) -> Found:
    """The papers that match, in the order of the query, from place `start` on; never raises.

    Best first: a word in the title counts for more than one in keywords or summary, and that for
    more than one in the abstract; votes and newness part what is alike. On PostgreSQL only the most
    voted and newest of very many matches are ranked, all of those with the words in the title
    before the others; and a phrase is looked for in so many (see `postgres.py`). By votes or by
    date, as many of the first are listed there.
    """
    if query.is_empty or limit <= 0:
        return Found()
    find_page = _backend().find
    ids, total, reachable, is_more = find_page(query, start=max(start, 0), limit=limit)
    if not ids and start > 0:
        # Behind the last one; how many there are is said nevertheless.
        _, total, reachable, is_more = find_page(query, start=0, limit=1)
    return Found(tuple(ids), total, reachable, is_more)


def among(query: Query, paper_ids: Iterable[int]) -> set[int]:
    """Those of the papers, a few thousand at most, that meet the conditions of the query, whatever
    words they have."""
    ids = list(paper_ids)
    return set(_backend().among(query, ids)) if ids else set()


def index(paper_ids: Iterable[int]) -> None:
    """Afterwards search finds these papers by what they say now; calling it again changes nothing.

    In the transaction of whoever changed them.
    """
    ids = sorted(set(paper_ids))
    for first in range(0, len(ids), CHUNK):
        _backend().write(entries.entries(ids[first : first + CHUNK]))


def index_all(*, watch: Callable[[int], None] = lambda _done: None) -> int:
    """Afterwards search finds all papers and nothing else; returns how many. Chunk by chunk, each
    a transaction; `watch` is told how many were done each time."""
    done = last = 0
    papers = Paper.objects.order_by("pk").values_list("pk", flat=True)
    while ids := list(papers.filter(pk__gt=last)[:CHUNK]):
        _index_as_they_are(ids)
        last = ids[-1]
        done += len(ids)
        watch(len(ids))
    if connection.vendor == "sqlite":
        sqlite.clear_up()
    return done


def index_missing(*, most: int = 20_000) -> int:
    """Afterwards up to so many papers more can be found that could not; returns how many. There are
    some after an upgrade that came with a new index."""
    missing = Paper.objects.filter(search_entry=None).order_by("-pk")
    ids = list(missing.values_list("pk", flat=True)[:most])
    for first in range(0, len(ids), CHUNK):
        _index_as_they_are(ids[first : first + CHUNK])
    return len(ids)


def _index_as_they_are(ids: Sequence[int]) -> None:
    with transaction.atomic():
        # Held, or an ingest that commits in between would be overwritten with older words.
        list(Paper.objects.select_for_update().filter(pk__in=ids).order_by("pk").only("pk"))
        index(ids)


def sharing(stems: Sequence[str], *, most: int) -> dict[int, float]:
    """The papers with most of the stems in their titles: for each the share that it has, from 0 to
    1, of what all of them weigh; a rare one weighs more."""
    return dict(_backend().sharing(stems, most=most)) if stems else {}


def _backend() -> Any:
    return postgres if connection.vendor == "postgresql" else sqlite
