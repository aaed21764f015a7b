"""The organisations that papers come from, with how many papers each has: suggested."""

from collections import Counter, defaultdict
from itertools import islice

from django.core.cache import cache
from django.db.models import Count

from digest.models import Paper

from .authors import LEAST_LETTERS, SUGGESTED, Suggestion
from .search import words

MOST_LETTERS = 80
"""Of a name that can be followed."""
_KEY = "organizations.known"
_KEPT_SECONDS = 600

_Known = list[tuple[str, str, int]]
"""The folded words, each behind a space; the name; how many papers it has. Tuples, as a list of
thousands is read from the cache at each letter that somebody types."""


def suggest(beginning: str) -> list[Suggestion]:
    """The organisations with a word that begins like this, in any case and without accents, and
    what follows alike; most papers first. Those of the last ten minutes may be missing."""
    wanted = " ".join(words.words(beginning))
    if len(wanted) < LEAST_LETTERS:
        return []
    found = (entry for entry in _known() if f" {wanted}" in entry[0])
    return [Suggestion(name, papers) for _, name, papers in islice(found, SUGGESTED)]


def _known() -> _Known:
    """All of them, most papers first: some thousands of names, one query in ten minutes."""
    known: _Known | None = cache.get(_KEY)
    if known is None:
        known = _counted()
        # Before the first papers are read nobody should wait ten minutes for their names.
        if known:
            cache.set(_KEY, known, _KEPT_SECONDS)
    return known


def _counted() -> _Known:
    rows = Paper.objects.exclude(organization="").order_by()
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    # Counted by what the index has, so that no paper is read.
    for name, papers in rows.values_list("organization").annotate(papers=Count("organization")):
        if len(name) <= MOST_LETTERS and (folded := words.words(name)):
            spellings[f" {' '.join(folded)}"][name] += papers
    known = [
        (folded, min(names, key=lambda name: (-names[name], name)), names.total())
        for folded, names in spellings.items()
    ]
    return sorted(known, key=lambda entry: (-entry[2], entry[1]))
