"""Search by words and by meaning: papers with all the words first, then those near in meaning."""

from collections.abc import Iterator
from dataclasses import dataclass

from . import search, vectors
from .search import Order, Query

ENOUGH = 50
"""Where so many papers have all the words, nobody looks for others; so many stand in the list at most
where few do."""
LOOKED_THROUGH = 600
"""Of so many of the nearest those are taken that meet the conditions of the question."""
LEAST_WORDING, LEAST_MEANING = 0.1, 0.3
"""A paper is near by either: the share of the question's words, or the cosine. Who says something in
other words shares few, so that a stricter bound would lose more than it spares."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of what was found: papers with the words, then papers near the question."""

    found: search.Found
    """Those with the words: the ones of this page, and how many there are."""
    near: tuple[int, ...] = ()
    """The others of this page."""
    all_near: int = 0
    """How many of the others there are; they are none of those with the words."""

    @property
    def ids(self) -> tuple[int, ...]:
        """The papers of the page, in their order."""
        return self.found.ids + self.near

    @property
    def reachable(self) -> int:
        """So many papers can be paged through."""
        return self.found.reachable + self.all_near


def find(query: Query, *, start: int = 0, limit: int = 50) -> Answer:
    """The papers that match in their order, best first, from place `start` on; behind the last one,
    where there are few, those that are near in wording and meaning. Never raises.

    Others only answer a question of plain words, best first: who quotes, joins or excludes a word
    means it. They meet its conditions like all. Without an index there are none.
    """
    found = search.find(query, start=start, limit=limit)
    if not _wants_others(query) or found.total >= ENOUGH or found.is_more or limit <= 0:
        return Answer(found)
    near = _near(query, found)
    first = max(start - found.reachable, 0)
    return Answer(found, near[first : first + limit - len(found)], len(near))


def _wants_others(query: Query) -> bool:
    return query.is_plain and query.order is Order.BEST and bool(query.words)


def _near(query: Query, found: search.Found) -> tuple[int, ...]:
    """The papers that are near and do not have the words, the nearest first."""
    is_narrow = bool(query.conditions or query.since or query.before)
    near = vectors.near_text(query.words, most=LOOKED_THROUGH if is_narrow else 3 * ENOUGH)
    ids = [paper.paper_id for paper in near if _is_near(paper)]
    if not ids:
        return ()
    has_all = len(found) == found.total
    matching = found.ids if has_all else search.find(query, limit=found.total).ids
    fitting = search.among(query, ids) - set(matching)
    return tuple(_in_order(ids, fitting))[:ENOUGH]


def _is_near(paper: vectors.Near) -> bool:
    return paper.wording >= LEAST_WORDING or paper.meaning >= LEAST_MEANING


def _in_order(ids: list[int], wanted: set[int]) -> Iterator[int]:
    return (pk for pk in ids if pk in wanted)
