"""The calendar of editions, and the days, weeks and months before and after."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import QuerySet
from django.urls import reverse

from digest.models import Edition, Listing

from .presenting import Link, short_day

_WEEKDAYS = [(name[:2], name) for name in calendar.day_name]


@dataclass(frozen=True, slots=True)
class Day:
    number: int = 0
    """0: not of this month."""
    label: str = ""
    url: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """A month as a table, Monday first."""

    title: str
    weeks: list[list[Day]]
    months: list[Link]
    weekdays = _WEEKDAYS


def day_url(day: date) -> str:
    """The page of a day."""
    return reverse("site:day", args=[day.isoformat()])


def month_url(day: date) -> str:
    """The page of the month that holds the day."""
    return reverse("site:month", args=[f"{day:%Y-%m}"])


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
    return Month(f"{day:%B %Y}", rows, _neighbours(day, today))


def _day(day: date, month: int, shown: set[date], opened: date | None) -> Day:
    if day.month != month:
        return Day()
    url = day_url(day) if day in shown or day == opened else ""
    return Day(day.day, f"{day:%B} {day.day}", url, is_open=day == opened)


def _neighbours(day: date, today: date) -> list[Link]:
    first = day.replace(day=1)
    before = first - timedelta(days=1)
    after = (first + timedelta(days=31)).replace(day=1)
    return [
        Link(f"{before:%B}", month_url(before)),
        Link(f"{after:%B}", month_url(after) if after <= today else ""),
    ]


def days_around(day: date, *, today: date) -> tuple[Link, Link]:
    """The calendar days before and after; the later one without address while it is not out."""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    return (
        Link(short_day(before), day_url(before), f"{before:%a}"),
        Link(short_day(after), day_url(after) if after <= today else "", f"{after:%a}"),
    )


def months_around(day: date, *, today: date) -> tuple[Link, Link]:
    """The months before and after."""
    before, after = _neighbours(day, today)
    return before, after


def weeks_around(monday: date, *, today: date) -> tuple[Link, Link]:
    """The ISO weeks before and after."""
    before, after = monday - timedelta(days=7), monday + timedelta(days=7)
    return (
        Link(f"Week {before:%V}", reverse("site:week", args=[f"{before:%G-W%V}"])),
        Link(
            f"Week {after:%V}",
            reverse("site:week", args=[f"{after:%G-W%V}"]) if after <= today else "",
        ),
    )
