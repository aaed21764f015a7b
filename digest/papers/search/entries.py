"""What is kept of a paper so that it is found: its stems by field, its tags and its merit."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations, pairwise
from typing import Any

from digest.models import Paper

from . import words
from .query import Condition

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_LONG_NAME = 4
# A tsvector holds 1,048,575 bytes, a good third of which the longest abstract takes. The papers
# with most authors that there are, some five thousand, take a half of each.
_MOST_OF_NAMES = 200_000
_MOST_OF_TAGS = 350_000
_WITH_PLACE, _WITHOUT = 8, 2
"""Bytes that a lexeme takes beside its letters."""
_FIELDS = (
    "pk", "title", "keywords", "summary", "abstract", "authors", "categories", "published_at",
    "upvotes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A paper as it goes into the index."""

    paper_id: int
    published_on: date
    upvotes: int
    merit: float
    title: list[str]
    about: list[str]
    """Of keywords and summary."""
    abstract: list[str]
    names: list[list[str]]
    """Of each author."""
    tags: list[str]


def entries(paper_ids: Sequence[int]) -> Iterator[Entry]:
    """The entries of those of the papers that there are, by id. One query."""
    # By name, so that a migration can call this whatever columns come after it.
    for row in Paper.objects.filter(pk__in=paper_ids).order_by("pk").values(*_FIELDS):
        yield _entry(row)


def _entry(row: dict[str, Any]) -> Entry:
    keywords = ". ".join(_strings(row["keywords"]))
    return Entry(
        paper_id=row["pk"],
        published_on=row["published_at"].astimezone(UTC).date(),
        upvotes=row["upvotes"],
        merit=merit(row["upvotes"], row["published_at"]),
        title=words.stems(row["title"]),
        about=words.stems(f"{keywords}. {row['summary']}"),
        abstract=words.stems(row["abstract"]),
        names=list(_names(_strings(row["authors"]))),
        tags=sorted(_within(_tags(row), _MOST_OF_TAGS)),
    )


def _names(authors: Iterable[str]) -> Iterator[list[str]]:
    """The stems of each author, as far as there is room."""
    room = _MOST_OF_NAMES
    for author in authors:
        stems = words.stems(author)
        room -= sum(len(stem.encode()) + _WITH_PLACE for stem in stems)
        if room < 0:
            return
        yield stems


def _tags(row: dict[str, Any]) -> Iterator[str]:
    for name in _strings(row["categories"]):
        yield from _category_tags(name)
    for name in _strings(row["authors"]):
        yield from _author_tags(name)


def _within(tags: Iterable[str], room: int) -> set[str]:
    """The first of the tags, each once, as far as there is room."""
    found: set[str] = set()
    for tag in tags:
        if tag in found:
            continue
        room -= len(tag.encode()) + _WITHOUT
        if room < 0:
            break
        found.add(tag)
    return found


def _strings(value: Any) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def merit(upvotes: int, published_at: datetime) -> float:
    """0 to about 2.5: ten times the votes weigh as much as seven years."""
    years = (published_at - _EPOCH).days / 365.25
    return round(math.log10(1 + upvotes) / 4 + min(max(years, 0), 40) / 30, 4)


def _author_tags(name: str) -> Iterator[str]:
    """Each of the names, and two of them in their order: "Yejin J. Choi" is found by "Yejin Choi",
    "Y. Choi" and "Choi"."""
    names = words.words(name)
    yield from (f"au:{part}" for part in names)
    pairs = combinations(names, 2) if len(names) <= _LONG_NAME else pairwise(names)
    yield from (f"au:{first}_{second}" for first, second in pairs)
    if len(names) > 1:
        yield f"au:{names[0][0]}_{names[-1]}"


def condition_tags(condition: Condition) -> list[str]:
    """The tags that a paper has which meets the condition, all of them."""
    names = condition.values
    if condition.kind == "category":
        return [f"cat:{_category(names[0])}"]
    if len(names) == 1:
        return [f"au:{names[0]}"]
    return [f"au:{first}_{second}" for first, second in pairwise(names)]


def _category_tags(category: str) -> Iterator[str]:
    """Its own and that of what it belongs to: `cs.CL` is in `cs`."""
    name = _category(category)
    if name:
        yield f"cat:{name}"
        if "." in name:
            yield f"cat:{name.partition('.')[0]}"


def _category(text: str) -> str:
    return "".join(char if char.isalnum() or char == "." else "_" for char in words.fold(text))
