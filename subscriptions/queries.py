"""The small language of followed keywords: words, phrases, AND, OR, NOT and parentheses.

Words side by side are a phrase, quoted or not: who follows speculative decoding wants just that.
AND binds before OR; a NOT after a term needs no AND.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from django.utils.translation import gettext as _

from .errors import ChoiceError

MOST_DEPTH = 10
"""Parentheses within one another."""
_HYPHENS = re.compile("[-\u2010-\u2015]")
_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"|(?P<mark>[()"])|(?P<word>[^\s()"]+)')
_OPERATORS = ("AND", "OR", "NOT")


Found = Callable[[str], int]
"""Which papers have a phrase, given as it was written: a bit each."""


class Query(Protocol):
    """What a keyword asks of papers."""

    def among(self, papers: int, found: Found) -> int:
        """Those of the papers, a bit each, that match."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    text: str

    def among(self, papers: int, found: Found) -> int:
        return papers & found(self.text)


@dataclass(frozen=True, slots=True)
class _Not:
    query: Query

    def among(self, papers: int, found: Found) -> int:
        return papers & ~self.query.among(papers, found)


@dataclass(frozen=True, slots=True)
class _All:
    queries: tuple[Query, ...]

    def among(self, papers: int, found: Found) -> int:
        for query in self.queries:
            papers = query.among(papers, found)
        return papers


@dataclass(frozen=True, slots=True)
class _Any:
    queries: tuple[Query, ...]

    def among(self, papers: int, found: Found) -> int:
        matching = 0
        for query in self.queries:
            matching |= query.among(papers, found)
        return matching


def fold(text: str) -> str:
    """Lower case without diacritics, hyphens as spaces, for comparing names and phrases."""
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return " ".join(_HYPHENS.sub(" ", plain.casefold()).split())


def parse(text: str) -> Query:
    """What the keyword asks for; ChoiceError, with a line for the reader, where it can't be read."""
    reading = _Reading(_tokens(text))
    query = reading.alternatives(depth=0)
    if reading.next_kind is not None:
        raise ChoiceError(_("A parenthesis is closed that was never opened."))
    if query.among(1, _nowhere):
        raise ChoiceError(_("A keyword needs something to look for beside its NOT."))
    return query


@lru_cache(maxsize=50_000)
def read(text: str) -> Query:
    """As `parse`, and never an error: what was stored before there were queries is a phrase."""
    try:
        return parse(text)
    except ChoiceError:
        return _Phrase(text)


def _nowhere(_phrase: str) -> int:
    return 0


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text: an operator, a parenthesis, or a phrase."""
    tokens: list[tuple[str, str]] = []
    for found in _TOKEN.finditer(text):
        if found["quoted"] is not None:
            tokens.append(("quoted", found["quoted"]))
        elif found["mark"] == '"':
            raise ChoiceError(_("A quotation mark is missing."))
        elif found["mark"] or found["word"] in _OPERATORS:
            tokens.append((found[0], found[0]))
        elif tokens and tokens[-1][0] == "words":
            tokens[-1] = ("words", f"{tokens[-1][1]} {found[0]}")
        else:
            tokens.append(("words", found[0]))
    return tokens


class _Reading:
    """Tokens, and how far they are read."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    @property
    def next_kind(self) -> str | None:
        """The kind of the next one; None at the end."""
        return self.tokens[self.place][0] if self.place < len(self.tokens) else None

    def alternatives(self, *, depth: int) -> Query:
        queries = [self._conjunction(depth)]
        while self.next_kind == "OR":
            self.place += 1
            queries.append(self._conjunction(depth))
        return queries[0] if len(queries) == 1 else _Any(tuple(queries))

    def _conjunction(self, depth: int) -> Query:
        queries = [self._term(depth)]
        while self.next_kind not in {None, "OR", ")"}:
            self.place += self.next_kind == "AND"
            queries.append(self._term(depth))
        return queries[0] if len(queries) == 1 else _All(tuple(queries))

    def _term(self, depth: int) -> Query:
        kind = self.next_kind
        if kind in {None, "AND", "OR", ")"}:
            raise ChoiceError(_("AND, OR and NOT stand between words to look for."))
        text = self.tokens[self.place][1]
        self.place += 1
        if kind == "NOT":
            if depth > MOST_DEPTH:
                raise ChoiceError(_("That is nested too deeply."))
            return _Not(self._term(depth + 1))
        if kind == "(":
            return self._group(depth + 1)
        return _phrase(text)

    def _group(self, depth: int) -> Query:
        if depth > MOST_DEPTH:
            raise ChoiceError(_("That is nested too deeply."))
        query = self.alternatives(depth=depth)
        if self.next_kind != ")":
            raise ChoiceError(_("A parenthesis is not closed."))
        self.place += 1
        return query


def _phrase(text: str) -> _Phrase:
    if not re.search(r"\w", text):
        raise ChoiceError(_("A keyword needs a letter or a digit."))
    return _Phrase(text)
