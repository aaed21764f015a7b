"""The names that papers carry, with how many papers each has: kept by ingest, and suggested."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import Q

from digest.models import Author
from subscriptions.queries import fold

LEAST_LETTERS = 2
"""Of a beginning that suggestions are made for."""
SUGGESTED = 8
_MOST_LETTERS = 120
_PAGE = 500
_LAST = "\U0010ffff"
"""Sorts behind every letter: what begins with `ch` is between `ch` and this behind it."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An author whom the archive knows."""

    name: str
    papers: int


def count(names: Iterable[str], *, no_more: Iterable[str] = ()) -> None:
    """Adds a paper to each name, and takes one from each of `no_more`; in a transaction, as the
    papers themselves."""
    named = {key: " ".join(name.split())[:_MOST_LETTERS] for name in names if (key := _key(name))}
    changes = Counter(_key(name) for name in names)
    changes.subtract(_key(name) for name in no_more)
    changes = Counter({key: number for key, number in changes.items() if key and number})
    Author.objects.bulk_create(
        [
            Author(name=named[key], folded=key, turned=_turned(key))
            for key in sorted(changes)
            if key in named
        ],
        ignore_conflicts=True,
        batch_size=_PAGE,
    )
    # Locked in one order, as two fetches may count at once.
    keys = sorted(changes)
    for start in range(0, len(keys), _PAGE):
        page = Author.objects.filter(folded__in=keys[start : start + _PAGE]).order_by("folded")
        found = list(page.select_for_update())
        for author in found:
            author.papers = max(author.papers + changes[author.folded], 0)
        Author.objects.bulk_update(found, ["papers"], batch_size=_PAGE)


def suggest(beginning: str) -> list[Suggestion]:
    """The authors whose name, or last name, begins like this, in any case and without accents; most
    papers first. Two walks of an index, however many papers there are."""
    text = fold(beginning)[:_MOST_LETTERS]
    if len(text) < LEAST_LETTERS or not text.isprintable():
        return []
    alike = _begins("folded", text) | _begins("turned", text)
    found = Author.objects.filter(alike, papers__gt=0).order_by("-papers", "name")
    return [Suggestion(author.name, author.papers) for author in found[:SUGGESTED]]


def _begins(field: str, text: str) -> Q:
    if connection.vendor == "sqlite":
        # Its LIKE takes no index of a column that tells capitals from others.
        return Q(**{f"{field}__gte": text, f"{field}__lt": text + _LAST})
    return Q(**{f"{field}__startswith": text})


def _key(name: str) -> str:
    folded = fold(name)
    return folded if len(folded) <= _MOST_LETTERS else ""


def _turned(folded: str) -> str:
    first, _, last = folded.rpartition(" ")
    return f"{last} {first}".strip()
