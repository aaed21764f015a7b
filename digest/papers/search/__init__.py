"""Search over all papers: `parse` understands what was typed, `find` finds the papers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from digest.models import Paper

from .query import MOST_LETTERS, Query, narrowed, parse

__all__ = ["MOST_LETTERS", "Found", "Query", "find", "narrowed", "parse"]


@dataclass(frozen=True, slots=True)
class Found(Sequence[int]):
    """The ids of the papers of one page, best first, and how many there are."""

    ids: tuple[int, ...] = ()
    total: int = 0
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
    """The papers that match, best first, from place `start` on."""
    if query.is_empty:
        return Found()
    papers = Paper.objects.order_by("-upvotes", "-pk")
    for group in query.groups:
        papers = papers.filter(title__icontains=group[0][0])
    return Found(tuple(papers.values_list("pk", flat=True)[start : start + limit]), papers.count())
