"""What somebody wrote into the search field, understood."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Literal

from django.utils.translation import gettext as _

from subscriptions.models import Topic

from . import words

MOST_LETTERS = 400
MOST_TERMS = 60
"""Of one query; what comes after them is left out."""
FIELDS = ("author", "topic", "category", "before", "after")

_QUOTES = str.maketrans(dict.fromkeys("“”„«»\uff02", '"'))
_HYPHENS = re.compile("[\u2010-\u2015\u2212]")
_PART = re.compile(
    rf"""(?P<minus>-)?(?:(?P<field>{"|".join(FIELDS)}):)?"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+)""",
    re.IGNORECASE,
)
_WORD = re.compile(
    rf"(?P<minus>-)?(?:(?P<field>{'|'.join(FIELDS)}):)?(?P<value>.*)", re.IGNORECASE | re.DOTALL
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", re.ASCII)
_CATEGORY = re.compile(r"[a-z-]{2,20}(?:\.[a-z-]{2,20})?", re.ASCII)
_SLUG = re.compile(r"[-\w]{1,60}", re.ASCII)


class Order(StrEnum):
    """What comes first; newness parts papers with as many votes, and votes those of a day."""

    BEST = "best"
    VOTES = "votes"
    NEWEST = "newest"


Term = tuple[str, ...]
"""Stems that follow one another: a word is a phrase of one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A tag that a paper must have, or must not."""

    kind: Literal["author", "category", "topic"]
    values: tuple[str, ...]
    """An author's folded names, a category, or a topic's slug."""
    is_excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """All groups must match, a group by any of its terms, and no excluded term may."""

    text: str = ""
    groups: tuple[tuple[Term, ...], ...] = ()
    excluded: tuple[Term, ...] = ()
    conditions: tuple[Condition, ...] = ()
    since: date | None = None
    """Published on that day or later."""
    before: date | None = None
    """Published before that day."""
    order: Order = Order.BEST
    notes: tuple[str, ...] = ()
    """What was not understood, a line for the reader each."""
    is_plain: bool = True
    """Whether its words are only words: nothing quoted, joined or excluded."""

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing, and so finds nothing."""
        wanted = any(not condition.is_excluded for condition in self.conditions)
        return not (self.groups or wanted or self.since or self.before)

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that may be marked in a paper."""
        return tuple(term for group in self.groups for term in group)

    @property
    def words(self) -> str:
        """The text without fields, as a keyword is written; "" where there are only fields."""
        return _WORDLESS.sub(" ", self.text).strip() if self.groups else ""


_WORDLESS = re.compile(rf'-?\b(?:{"|".join(FIELDS)}):(?:"[^"]*"?|\S*)', re.IGNORECASE)


@dataclass(slots=True)
class _Parts:
    """What was read so far."""

    groups: list[list[Term]] = field(default_factory=list)
    excluded: list[Term] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    since: list[date] = field(default_factory=list)
    before: list[date] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_plain: bool = True


def parse(text: str) -> Query:
    """The query of any text whatsoever; what can't be understood is in its notes.

    Words must all be there; `"a phrase"`, `this OR that`, `-without`, `author:name`,
    `author:"First Last"`, `topic:slug`, `category:cs.CL`, `before:2025`, `after:2025-06-30`. The
    year, month or day of `before:` is not in any more, that of `after:` is.
    """
    clean = " ".join(text.encode("utf-8", "replace").decode().replace("\0", " ").split())
    parts = _Parts()
    if len(clean) > MOST_LETTERS:
        clean = clean[:MOST_LETTERS]
        parts.notes.append(
            _("Only the first %(number)s letters were searched for.") % {"number": MOST_LETTERS}
        )
    _read(clean, parts)
    return Query(
        text=clean,
        groups=tuple(map(tuple, parts.groups)),
        excluded=tuple(parts.excluded),
        conditions=tuple(parts.conditions),
        since=max(parts.since, default=None),
        before=min(parts.before, default=None),
        notes=tuple(dict.fromkeys(parts.notes)),
        is_plain=parts.is_plain,
    )


def narrowed(query: Query, *, topic: str = "", year: int = 0, order: Order = Order.BEST) -> Query:
    """The same question about one topic, given by slug, and papers of one year, in this order."""
    conditions = query.conditions
    if topic:
        conditions = (*conditions, Condition("topic", (topic,)))
    since, before = query.since, query.before
    if year:
        since = max(since or date.min, date(year, 1, 1))
        before = min(before or date.max, date(year + 1, 1, 1))
    return replace(query, conditions=conditions, since=since, before=before, order=order)


def _read(text: str, parts: _Parts) -> None:
    joins = excludes = False
    for number, (minus, name, value, is_phrase) in enumerate(_pieces(text)):
        if number >= MOST_TERMS:
            parts.notes.append(
                _("Only the first %(number)s words were searched for.") % {"number": MOST_TERMS}
            )
            return
        if not is_phrase and not minus and not name and value in ("OR", "AND", "NOT"):
            joins, excludes = value == "OR", value == "NOT"
            parts.is_plain = False
            continue
        if name and joins:
            parts.notes.append(_("OR joins words and phrases only, so all of these must match."))
        if name:
            _read_field(name, value, parts, is_excluded=minus or excludes)
        else:
            parts.is_plain &= not (is_phrase or minus)
            _read_words(value, parts, is_excluded=minus or excludes, joins=joins)
        joins = excludes = False


def _pieces(text: str) -> Iterator[tuple[bool, str, str, bool]]:
    """Whether it is excluded, its field or "", its value, and whether that was quoted."""
    for found in _PART.finditer(_HYPHENS.sub("-", text.translate(_QUOTES))):
        if found["phrase"] is not None:
            yield bool(found["minus"]), (found["field"] or "").lower(), found["phrase"], True
            continue
        word = _WORD.fullmatch(found["word"])
        if word is not None:
            yield bool(word["minus"]), (word["field"] or "").lower(), word["value"], False


def _read_words(value: str, parts: _Parts, *, is_excluded: bool, joins: bool) -> None:
    term = tuple(words.stems(value))[:MOST_TERMS]
    if not term:
        return
    if is_excluded:
        parts.excluded.append(term)
        return
    group = [term]
    if "-" in value and " " not in value and len(term) > 1:
        # "fine-tuning" is also written in one word.
        group.append((words.stem("".join(words.words(value))[: words.MOST_LETTERS_OF_WORD]),))
    if joins and parts.groups:
        parts.groups[-1] += group
    else:
        parts.groups.append(group)


def _read_field(name: str, value: str, parts: _Parts, *, is_excluded: bool) -> None:
    value = value.strip()
    if name in ("before", "after"):
        _read_date(name, value, parts)
        return
    condition = {"author": _author, "topic": _topic, "category": _category}[name](value)
    if isinstance(condition, Condition):
        parts.conditions.append(replace(condition, is_excluded=is_excluded))
    else:
        parts.notes.append(condition)


def _read_date(name: str, value: str, parts: _Parts) -> None:
    found = _DATE.fullmatch(value)
    try:
        day = date(*(int(part or 1) for part in found.groups())) if found else None
    except ValueError:
        day = None
    if day is None:
        parts.notes.append(
            _(
                "“%(text)s” is no date and was left out. Dates are written like 2025, 2025-06 or "
                "2025-06-30."
            )
            % {"text": f"{name}:{value}"}
        )
        return
    (parts.before if name == "before" else parts.since).append(day)


def _author(value: str) -> Condition | str:
    names = tuple(words.words(value))
    if not names:
        return _("A name is missing after “author:”.")
    return Condition("author", names)


def _topic(value: str) -> Condition | str:
    slug = value.casefold()
    if _SLUG.fullmatch(slug) and Topic.objects.filter(slug=slug).exists():
        return Condition("topic", (slug,))
    return _("There is no topic “%(text)s”, so it was left out.") % {"text": value}


def _category(value: str) -> Condition | str:
    category = value.casefold()
    if _CATEGORY.fullmatch(category):
        return Condition("category", (category,))
    return _(
        "“%(text)s” is no arXiv category and was left out. Categories are written like cs.CL."
    ) % {"text": value}
