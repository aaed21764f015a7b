"""Why a paper is in a digest, in the reader's words, and where in the preferences that is tuned."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from digest.records import WEEK, Period
from subscriptions import schedule
from subscriptions.catalogue import translated


@dataclass(frozen=True, slots=True)
class Reason:
    """A line beside a paper, and the anchor in the preference centre that it links to."""

    text: str
    anchor: str = ""
    word: str = ""
    """A keyword or a name in the text that the reader wrote."""


def author(name: str) -> Reason:
    return Reason(_("By %(name)s, whom you follow") % {"name": name}, "authors", name)


def keyword(text: str) -> Reason:
    return Reason(_("Your keyword: %(text)s") % {"text": text}, "keywords", text)


def organization(name: str) -> Reason:
    return Reason(_("From %(name)s, which you follow") % {"name": name}, "organizations", name)


def topic(slug: str, name: str) -> Reason:
    return _topic(slug, name, get_language())


@lru_cache(maxsize=1024)
def _topic(slug: str, name: str, _language: str | None) -> Reason:
    return Reason(_("You follow %(name)s") % {"name": translated(name)}, f"topic-{slug}")


def category(name: str) -> Reason:
    return Reason(_("You follow %(name)s") % {"name": name}, f"category-{name}")


def liked() -> Reason:
    """For a paper like those that the reader wanted more of."""
    return Reason(_("Close to what you liked"), "taste")


def picked() -> Reason:
    """For a paper that an editor pinned, whatever the reader follows."""
    return Reason(_("Editor’s pick"))


def different() -> Reason:
    """For the one paper outside of what the reader follows."""
    return Reason(_("A little different"), "dial")


def rising() -> Reason:
    """For a paper that is there for the votes that it gained in a day."""
    return Reason(_("Rising fast"), "dial")


def voted(place: int, votes: int, period: Period) -> Reason:
    """For a paper that is there for its votes; `place` from 0 among all of the time."""
    if not votes:
        return Reason(_new(period), "dial")
    lines = (_most_voted, _second, _third)
    return Reason((lines[place] if place < len(lines) else _popular)(period), "dial")


def _most_voted(period: Period) -> str:
    if isinstance(period, date):
        return _("Most votes since %(day)s") % {"day": schedule.long_day(period)}
    return _("Most votes this week") if period == WEEK else _("Most votes today")


def _second(period: Period) -> str:
    if isinstance(period, date):
        return _("Second most votes since %(day)s") % {"day": schedule.long_day(period)}
    return _("Second most votes this week") if period == WEEK else _("Second most votes today")


def _third(period: Period) -> str:
    if isinstance(period, date):
        return _("Third most votes since %(day)s") % {"day": schedule.long_day(period)}
    return _("Third most votes this week") if period == WEEK else _("Third most votes today")


def _popular(period: Period) -> str:
    if isinstance(period, date):
        return _("Popular since %(day)s") % {"day": schedule.long_day(period)}
    return _("Popular this week") if period == WEEK else _("Popular today")


def _new(period: Period) -> str:
    if isinstance(period, date):
        return _("New since %(day)s") % {"day": schedule.long_day(period)}
    return _("New this week") if period == WEEK else _("New today")


def forgotten() -> Reason:
    """For a card whose reader's wish is forgotten."""
    return Reason(_("Picked for you"))
