"""An inverted index over some papers, as those of an edition: which of them have a phrase, are by
somebody, or come from somewhere.

Answers are bit sets (the first paper is bit 0), so that a reader's wishes are a few operations on
numbers: a hundred thousand readers ask the same index, and no reader is a query to the database.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from subscriptions import queries

from . import text
from .search import words

MOST_KEPT = 200_000
"""Answers about phrases, names and organisations that an index keeps, each."""

_WORD = re.compile(r"[^\W_]+[+#]*")
_PIECE = re.compile(r"[^\W_]+[+#]*(?:[-\u2010-\u2015][^\W_]+[+#]*)*")
_HYPHEN = re.compile(r"[-\u2010-\u2015]")
_PLURAL_OF_LETTERS = re.compile(r"[b-df-hj-np-tv-xz]+[b-df-hj-np-rtv-xz]s")
_BARRED = str.maketrans(
    {
        "ł": "l",
        "Ł": "L",
        "ø": "o",
        "Ø": "O",
        "đ": "d",
        "Đ": "D",
        "ı": "i",
        "æ": "ae",
        "Æ": "Ae",
        "œ": "oe",
    }
)
"""Letters of names that have no diacritic that could be left out, but are written without."""


@dataclass(frozen=True, slots=True)
class Matchable:
    """A paper, as far as matching needs it."""

    texts: tuple[str, ...]
    """Title, abstract and keywords: no phrase reaches from one into the next."""
    authors: tuple[str, ...] = ()
    organization: str = ""


class MatchIndex:
    """The papers, indexed. What was asked once is answered from memory."""

    def __init__(self, papers: Iterable[Matchable]) -> None:
        self._runs: list[str] = []
        self._stems: dict[str, int] = defaultdict(int)
        self._names: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        self._organizations: dict[str, int] = defaultdict(int)
        self._kept: tuple[dict[str, int], ...] = ({}, {}, {}, {})
        for number, paper in enumerate(papers):
            self._add(paper, 1 << number)
        self.everything = (1 << len(self._runs)) - 1

    def _add(self, paper: Matchable, bit: int) -> None:
        runs = []
        for part in paper.texts:
            apart = stems(part)
            together = [stem for piece in _pieces(part) for stem in _joined(piece)]
            runs += [apart] if apart == together else [apart, together]
        for stem in {stem for run in runs for stem in run}:
            self._stems[stem] |= bit
        self._runs.append(" | ".join(" ".join(run) for run in runs).join((" ", " ")))
        for name in {_name(author) for author in paper.authors}:
            for part in {name[0], name[-1]} if name else ():
                self._names[part].append((name, bit))
        if organization := " ".join(words.words(paper.organization)):
            self._organizations[organization] |= bit

    def matching(self, keyword: str) -> int:
        """The papers that a followed keyword asks for (`subscriptions.queries`)."""
        return self._answer(0, keyword, self._matching)

    def _matching(self, keyword: str) -> int:
        return queries.read(keyword).among(self.everything, self.with_phrase)

    def with_phrase(self, phrase: str) -> int:
        """The papers with these words in this order, whatever their case, endings, diacritics and
        hyphens; formulas are read as in the papers."""
        return self._answer(1, phrase, self._with_phrase)

    def _with_phrase(self, phrase: str) -> int:
        found = 0
        for run in _spellings(phrase):
            having = self.everything & ~found
            for stem in run:
                having &= self._stems.get(stem, 0)
                if not having:
                    break
            else:
                found |= having if len(run) == 1 else self._in_a_row(run, having)
        return found

    def _in_a_row(self, run: Sequence[str], papers: int) -> int:
        wanted = f" {' '.join(run)} "
        return sum(1 << n for n in bits(papers) if wanted in self._runs[n])

    def by(self, name: str) -> int:
        """The papers by somebody of this name: "T. Dao", "Dao, Tri" and "Tri Dao" are alike; of a
        single word all of it must be."""
        return self._answer(2, name, self._by)

    def _by(self, name: str) -> int:
        wanted = _name(name)
        candidates = [
            entry for part in {wanted[0], wanted[-1]} for entry in self._names.get(part, ())
        ] if wanted else []  # fmt: skip
        found = 0
        for other, bit in candidates:
            if not found & bit and are_alike(wanted, other):
                found |= bit
        return found

    def from_(self, organization: str) -> int:
        """The papers from an organisation that has this in its name: "Google" is in "Google
        DeepMind"."""
        return self._answer(3, organization, self._from)

    def _from(self, organization: str) -> int:
        wanted = f" {' '.join(words.words(organization))} "
        if not wanted.strip():
            return 0
        found = 0
        for name, papers in self._organizations.items():
            if wanted in f" {name} ":
                found |= papers
        return found

    def _answer(self, kind: int, asked: str, answer: Callable[[str], int]) -> int:
        kept = self._kept[kind]
        if (found := kept.get(asked)) is None:
            if len(kept) >= MOST_KEPT:
                kept.clear()
            found = kept[asked] = answer(asked)
        return found


def bits(papers: int) -> Iterator[int]:
    """The places of the papers in a bit set, lowest first."""
    while papers:
        lowest = papers & -papers
        yield lowest.bit_length() - 1
        papers ^= lowest


def are_alike(wanted: Sequence[str], name: Sequence[str]) -> bool:
    """Whether two names can be one person's: the same words in any order; or the same last name,
    and first names of which one may be an initial, while middle names may be missing."""
    if sorted(wanted) == sorted(name):
        return True
    # A last name alone is anybody's.
    is_full = min(len(wanted), len(name)) > 1 and len(wanted[-1]) > 1
    return is_full and _same_person(wanted, name)


def _same_person(mine: Sequence[str], yours: Sequence[str]) -> bool:
    if mine[-1] != yours[-1] or not _compatible(mine[0], yours[0]):
        return False
    shorter, longer = sorted((mine[1:-1], yours[1:-1]), key=len)
    rest = iter(longer)
    return all(any(_compatible(middle, other) for other in rest) for middle in shorter)


def _compatible(first: str, other: str) -> bool:
    return first == other or (1 in (len(first), len(other)) and first[0] == other[0])


@lru_cache(maxsize=100_000)
def _name(name: str) -> tuple[str, ...]:
    """The words of a name, the last name last: "Dao, Tri" and "Dao T" are "Tri Dao" and "T Dao"."""
    name = name.translate(_BARRED)
    last, _, first = name.partition(",")
    parts = tuple(words.words(f"{first} {last}" if first.strip() else name))
    if len(parts) > 1 and len(parts[-1]) == 1 < len(parts[0]):
        return (*parts[1:], parts[0])
    return parts


def stems(part: str) -> list[str]:
    """The stems of a text; "C++" and "C#" keep their signs."""
    return [_stem(word) for word in _WORD.findall(words.fold(part))]


def _pieces(part: str) -> list[str]:
    return _PIECE.findall(words.fold(part))


def _joined(piece: str) -> list[str]:
    """A word with hyphens as one word, as others write it; a longer chain stays apart."""
    parts = _HYPHEN.split(piece)
    return [_stem("".join(parts))] if len(parts) == 2 else [_stem(word) for word in parts]  # noqa: PLR2004


def _stem(word: str) -> str:
    """The stem; of letters without a vowel the singular, too, which English stemmers leave: "LLMs"."""
    if _PLURAL_OF_LETTERS.fullmatch(word):
        return word[:-1]
    return words.stem(word) if word.isalnum() else word


@lru_cache(maxsize=100_000)
def _spellings(phrase: str) -> tuple[tuple[str, ...], ...]:
    """The phrase as stems; with two neighbours written as one word, or one word written as two."""
    found = _WORD.findall(words.fold(text.readable(phrase)))
    spelled = [found] if found else []
    spelled += [
        [*found[:place], found[place] + found[place + 1], *found[place + 2 :]]
        for place in range(len(found) - 1)
    ]
    if len(found) == 1:
        word = found[0]
        spelled += [[word[:end], word[end:]] for end in range(2, len(word) - 2)]
    return tuple(dict.fromkeys(tuple(map(_stem, run)) for run in spelled))
