"""The calendar of editions, and the days, weeks and months before and after."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

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


def month_of(day: date, *, opened: date | None, today: date) -> Month:
    """The month that holds `day`; `opened` is the day whose page it stands on."""
    weeks = calendar.Calendar().monthdatescalendar(day.year, day.month)
    shown = days_with_papers(weeks[0][0], weeks[-1][-1])
    rows = [[_day(entry, day.month, shown, opened) for entry in week] for week in weeks]
    this_week = Link(week_name(day), week_url(day) if day <= today else "")
    return Month(
        schedule.month_name(day), month_url(day), rows, list(months_around(day, today=today)),
        this_week,
    )  # fmt: skip


def _day(day: date, month: int, shown: set[date], opened: date | None) -> Day:
    if day.month != month:
        return Day()
    url = day_url(day) if day in shown or day == opened else ""
    return Day(day.day, schedule.long_day(day), url, is_open=day == opened)


def days_around(day: date, *, today: date) -> tuple[Link, Link]:
    """The calendar days before and after; the later one without address while it is not out."""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    return (
        Link(schedule.short_day(before), day_url(before), _weekday(before)),
        Link(schedule.short_day(after), day_url(after) if after <= today else "", _weekday(after)),
    )


def _weekday(day: date) -> str:
    """`Thu`."""
    return str(WEEKDAYS_ABBR[day.weekday()])


def months_around(day: date, *, today: date) -> tuple[Link, Link]:
    """The months before and after."""
    first = day.replace(day=1)
    before = first - timedelta(days=1)
    after = (first + timedelta(days=31)).replace(day=1)
    return (
        Link(str(MONTHS[before.month]), month_url(before)),
        Link(str(MONTHS[after.month]), month_url(after) if after <= today else ""),
    )


def weeks_around(monday: date, *, today: date) -> tuple[Link, Link]:
    """The ISO weeks before and after."""
    before, after = monday - timedelta(days=7), monday + timedelta(days=7)
    return (
        Link(week_name(before), week_url(before)),
        Link(week_name(after), week_url(after) if after <= today else ""),
    )
