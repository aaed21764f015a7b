"""The words of a digest that depend on numbers and on its time, in the language of the moment."""

from collections.abc import Sequence
from datetime import date
from unicodedata import bidirectional

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from digest.records import WEEK, EditionContent, Period
from subscriptions import schedule

_FROM_RIGHT = frozenset({"R", "AL", "AN"})
"""Bidirectional classes of letters and numbers that run from right to left."""


def grouped(number: int) -> str:
    """`1,024`."""
    return str(number_format(number, force_grouping=True))


def papers(number: int) -> str:
    """`1 paper`, `15 papers`."""
    return ngettext("%(number)s paper", "%(number)s papers", number) % {"number": grouped(number)}


def votes(number: int) -> str:
    """`1 vote`, `92 votes`."""
    return ngettext("%(number)s vote", "%(number)s votes", number) % {"number": grouped(number)}


def authors(number: int) -> str:
    """`1 author`, `15 authors`."""
    return ngettext("%(number)s author", "%(number)s authors", number) % {"number": grouped(number)}


def comments(number: int) -> str:
    """`1 comment`, `4 comments`."""
    words = ngettext("%(number)s comment", "%(number)s comments", number)
    return words % {"number": grouped(number)}


def stars(number: int) -> str:
    """`1 star`, `152 stars`."""
    return ngettext("%(number)s star", "%(number)s stars", number) % {"number": grouped(number)}


def out_of(number: int, total: int, period: Period) -> str:
    """`6 papers for you, out of 15 today.`"""
    values = {"papers": papers(number), "total": grouped(total)}
    if isinstance(period, date):
        values["day"] = schedule.long_day(period)
        return _("%(papers)s for you, out of %(total)s since %(day)s.") % values
    if period == WEEK:
        return _("%(papers)s for you, out of %(total)s this week.") % values
    return _("%(papers)s for you, out of %(total)s today.") % values


def and_more(number: int) -> str:
    """`, and 5 more papers`, the end of a subject."""
    words = ngettext(", and %(number)s more paper", ", and %(number)s more papers", number)
    return words % {"number": grouped(number)} if number else ""


def all_label(edition: EditionContent) -> str:
    """`See all 15 papers of the day`."""
    words = {"papers": papers(edition.paper_count)}
    if edition.period == WEEK:
        return _("See all %(papers)s of the week") % words
    return _("See all %(papers)s of the day") % words


def follows(topics: int) -> str:
    """`, and follow 3 topics`, the end of the sentence that says why the mail came."""
    words = ngettext(", and follow %(number)s topic", ", and follow %(number)s topics", topics)
    return words % {"number": grouped(topics)} if topics else ""


def paragraphs(note: str) -> list[str]:
    """Those of an editor's note, each with its lines."""
    return [each.strip("\n") for each in note.split("\n\n") if each.strip()]


def byline(authors: Sequence[str], *, shown: int = 3) -> str:
    """The first authors, and how many more there are."""
    names = ", ".join(map(isolated, authors[:shown]))
    more = len(authors) - shown
    return (
        _("%(names)s and %(number)s more") % {"names": names, "number": grouped(more)}
        if more > 0
        else names
    )


def isolated(text: str) -> str:
    """The text, which turns nothing around that stands beside it: in an isolate of its own where it
    has letters that run from right to left (UAX #9). Not for what programs read."""
    if text.isascii() or not any(bidirectional(char) in _FROM_RIGHT for char in text):
        return text
    return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
