"""The calendar of editions, and the days, weeks and months before and after."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.dates import MONTHS, WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from digest.models import Edition, Listing
from subscriptions import schedule

from .presenting import Link


@dataclass(frozen=True, slots=True)
class Day:
    number: int = 0
    """0: not of this month."""
    label: str = ""
    url: str = ""
    """Neither where there is nothing to see."""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """A month as a table, Monday first; with its own page, and that of the week it was opened in."""

    title: str
    url: str
    weeks: list[list[Day]]
    months: list[Link]
    """The one before and the one after."""
    week: Link

    @property
    def weekdays(self) -> list[tuple[str, str]]:
        """Two letters and the whole name, in the language of the moment."""
        return [(str(name)[:2], str(name)) for name in WEEKDAYS.values()]


@dataclass(frozen=True, slots=True)
class Span:
    """The days of the archive: nothing leads out of it, or a crawler would walk to the year 1."""

    first: date
    """The first day with papers."""
    today: date

    def url(self, url: str, first: date, last: date | None = None) -> str:
        """The address of these days, the last included; "" where none of them is in it."""
        return url if first <= self.today and (last or first) >= self.first else ""


def span(today: date) -> Span:
    """The days from the first that has papers to today; today alone before there are any."""
    editions = Edition.objects.filter(frequency=Edition.Frequency.DAILY).order_by("date")
    listed = Listing.objects.exclude(source=Listing.SAMPLE).order_by("listed_on")
    firsts = (
        editions.values_list("date", flat=True).first(),
        listed.values_list("listed_on", flat=True).first(),
    )
    return Span(min((day for day in firsts if day), default=today), today)


@lru_cache(maxsize=5_000)
def day_url(day: date) -> str:
    """The page of a day."""
    return reverse("site:day", args=[day.isoformat()])


def week_url(day: date) -> str:
    """The page of the ISO week that holds the day."""
    return reverse("site:week", args=[f"{day:%G-W%V}"])


def month_url(day: date) -> str:
    """The page of the month that holds the day."""
    return reverse("site:month", args=[f"{day:%Y-%m}"])


def week_name(day: date) -> str:
    """`Week 34`, of the ISO week that holds the day."""
    return _("Week %(number)s") % {"number": f"{day:%V}"}


def days_with_papers(first: date, last: date) -> set[date]:
    """The days between that have something to show."""
    editions = Edition.objects.filter(
        frequency=Edition.Frequency.DAILY, date__range=(first, last), paper_count__gt=0
    )
    return {*editions.values_list("date", flat=True), *_listed(first, last)}


def _listed(first: date, last: date) -> QuerySet[Listing, date]:
    rows = Listing.objects.filter(listed_on__range=(first, last)).exclude(source=Listing.SAMPLE)
    return rows.values_list("listed_on", flat=True).distinct()


def month_of(day: date, span: Span, *, opened: date | None = None) -> Month:
    """The month that holds `day`; `opened` is the day whose page it stands on."""
    weeks = calendar.Calendar().monthdatescalendar(day.year, day.month)
    shown = days_with_papers(weeks[0][0], weeks[-1][-1])
    rows = [[_day(entry, day.month, shown, opened) for entry in week] for week in weeks]
    monday = day - timedelta(days=day.weekday())
    this_week = Link(week_name(day), span.url(week_url(day), monday, monday + timedelta(days=6)))
    title, months = schedule.month_name(day), list(months_around(day, span))
    return Month(title, month_url(day), rows, months, this_week)


def _day(day: date, month: int, shown: set[date], opened: date | None) -> Day:
    if day.month != month:
        return Day()
    if day not in shown and day != opened:
        return Day(day.day)
    return Day(day.day, schedule.long_day(day), day_url(day), is_open=day == opened)


def days_around(day: date, span: Span) -> tuple[Link, Link]:
    """The calendar days before and after; without address where the archive ends."""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    return (
        Link(schedule.short_day(before), span.url(day_url(before), before), _weekday(before)),
        Link(schedule.short_day(after), span.url(day_url(after), after), _weekday(after)),
    )


def _weekday(day: date) -> str:
    """`Thu`."""
    return str(WEEKDAYS_ABBR[day.weekday()])


def months_around(day: date, span: Span) -> tuple[Link, Link]:
    """The months before and after."""
    before = day.replace(day=1) - timedelta(days=1)
    after = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    last = (after + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return (
        Link(str(MONTHS[before.month]), span.url(month_url(before), before.replace(day=1), before)),
        Link(str(MONTHS[after.month]), span.url(month_url(after), after, last)),
    )


def weeks_around(monday: date, span: Span) -> tuple[Link, Link]:
    """The ISO weeks before and after."""
    before, after = monday - timedelta(days=7), monday + timedelta(days=7)
    return (
        Link(week_name(before), span.url(week_url(before), before, monday - timedelta(days=1))),
        Link(week_name(after), span.url(week_url(after), after, after + timedelta(days=6))),
    )
