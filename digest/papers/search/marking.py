"""Which words of a text a query found, as HTML and as the part of the text that is worth showing."""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from . import words
from .query import Query, Term

_TOKEN = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")
_SENTENCE_END = re.compile(r"[.?!]\s+(?=\S)")
# For private use: they are taken out of the text, and no page has others.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PRIVATE = re.compile(f"[{_OPEN}{_CLOSE}]")
# A formula is read by what stands around its signs.
_FORMULA = "^_~\\"
_LEAD = 60
"""Letters before the first word that is marked, at most, where no sentence begins there."""

Match = tuple[int, int, Term]
"""Start, end, and what was searched for."""


def spans(text: str, query: Query) -> list[tuple[int, int]]:
    """Where the words and phrases that were searched for stand, from left to right."""
    return [(start, end) for start, end, _ in _matches(text, query.terms)]


def terms_in(text: str, query: Query) -> set[Term]:
    """Those of the words and phrases that stand in the text."""
    return {term for _, _, term in _matches(text, query.terms)}


@lru_cache(maxsize=256)
def _matches(text: str, wanted: tuple[Term, ...]) -> list[Match]:
    """No two overlap; of those that begin together the longer one counts. Kept for a while: of an
    abstract it is asked several times in a row."""
    places = [
        (stem, found.start(), found.end())
        for found in _TOKEN.finditer(text)
        for stem in _stems(found[0])
    ]
    terms = sorted(set(wanted), key=lambda term: (-len(term), term))
    starts: dict[str, list[Term]] = {}
    for term in terms:
        starts.setdefault(term[0], []).append(term)
    matches, number = [], 0
    while number < len(places):
        for term in starts.get(places[number][0], ()):
            covered = places[number : number + len(term)]
            if tuple(place[0] for place in covered) == term:
                matches.append((covered[0][1], covered[-1][2], term))
                number += len(term) - 1
                break
        number += 1
    return matches


@lru_cache(maxsize=100_000)
def _stems(token: str) -> tuple[str, ...]:
    return tuple(words.stems(token))


def marked(text: str, query: Query, *, html: Callable[[str], str] = escape) -> SafeString:
    """The text as HTML, what was searched for in `<mark>`. `html` escapes, and may do more."""
    clean = _PRIVATE.sub("", text)
    parts, last = [], 0
    for start, end in spans(clean, query):
        if _is_in_formula(clean, start, end):
            continue
        parts += [clean[last:start], _OPEN, clean[start:end], _CLOSE]
        last = end
    safe = html("".join([*parts, clean[last:]]))
    return mark_safe(safe.replace(_OPEN, "<mark>").replace(_CLOSE, "</mark>"))  # noqa: S308  by `html`


def _is_in_formula(text: str, start: int, end: int) -> bool:
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return any(sign in around for sign in _FORMULA)


def excerpt(text: str, query: Query, *, length: int) -> str:
    """The part of the text, of about so many letters, with most of what was searched for; "" where
    nothing of it is there. Dots stand where something was cut."""
    matches = _matches(text, query.terms)
    if not matches:
        return ""
    sentences = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
    starts = dict.fromkeys(_beginning(text, found[0], sentences) for found in matches)
    # The first one of those that show most, and soonest.
    start = max(starts, key=lambda first: _variety(matches, first, first + length))
    end = start + length
    if end >= len(text):
        tail = text[start:].rstrip()
    else:
        tail = text[start:end].rpartition(" ")[0].rstrip(" ,;:") + "…"
    return f"… {tail}" if start else tail


def _variety(matches: Sequence[Match], start: int, end: int) -> tuple[int, int]:
    """How many terms stand between the two places, and the negative length until all of them do."""
    ends: dict[Term, int] = {}
    for first, last, term in matches:
        if start <= first and last <= end:
            ends.setdefault(term, last)
    return len(ends), start - max(ends.values(), default=start)


def _beginning(text: str, place: int, sentences: Sequence[int]) -> int:
    """Of the sentence around the place, or of a word not far before it."""
    sentence = sentences[bisect_right(sentences, place) - 1]
    if place - sentence <= 2 * _LEAD:
        return sentence
    space = text.find(" ", place - _LEAD)
    return min(space + 1, place) if space >= 0 else place
