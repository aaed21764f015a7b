"""When the next digest is due: from a rhythm to a moment, across changes of the clock; and the
words for its day."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.utils.dateformat import format as date_format
from django.utils.translation import pgettext

from .records import Rhythm

_WEEKDAYS = {"daily": range(7), "weekdays": range(5), "weekly": range(1)} | {
    f"weekly-{number}": (number - 1,) for number in range(2, 8)
}
_MOST_DAYS_AHEAD = 63
"""Two months hold a first, and two weeks a Monday, even where a zone leaves one out."""


def long_day(day: date) -> str:
    """`Friday, August 21`, in the language of the moment."""
    return date_format(day, pgettext("format of a day with its weekday", "l, F j"))


def short_day(day: date) -> str:
    """`Aug 20`."""
    return date_format(day, pgettext("format of a short day", "M j"))


def long_date(day: date) -> str:
    """`August 20, 2026`."""
    return date_format(day, pgettext("format of a date", "F j, Y"))


def month_name(day: date) -> str:
    """`August 2026`."""
    return date_format(day, pgettext("format of a month", "F Y"))


def week_name(monday: date) -> str:
    """`Week 34, 2026`, the ISO week that begins on this day."""
    year, week, _ = monday.isocalendar()
    return pgettext("an ISO week", "Week %(week)s, %(year)s") % {"week": week, "year": year}


def weekday_name(day: date) -> str:
    """`Friday`."""
    return date_format(day, "l")


@cache
def zones() -> frozenset[str]:
    """The names of all time zones. Kept, as the system's files are walked to find them."""
    return frozenset(available_timezones())


def next_slot(after: datetime, rhythm: Rhythm) -> datetime:
    """The first moment of the rhythm that is later than `after`, in UTC.

    Every local day that the frequency allows has exactly one: the full hour; its first occurrence
    where the clock goes back; the first moment after the gap where it goes forward over it.
    """
    zone = ZoneInfo(rhythm.timezone)
    today = after.astimezone(zone).date()
    for ahead in range(_MOST_DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        if not _is_day_of(day, rhythm.frequency):
            continue
        slot = _slot_on(day, rhythm.hour, zone)
        if slot is not None and slot > after:
            return slot
    raise ValueError(f"no slot for {rhythm}")


def _is_day_of(day: date, frequency: str) -> bool:
    if frequency == "monthly":
        return day.day == 1
    return day.weekday() in _WEEKDAYS[frequency]


def start_of_day(day: date, timezone: str) -> datetime:
    """The first moment of a local day, in UTC; of the day after where the zone leaves it out."""
    zone = ZoneInfo(timezone)
    return _slot_on(day, 0, zone) or start_of_day(day + timedelta(days=1), timezone)


def _slot_on(day: date, hour: int, zone: ZoneInfo) -> datetime | None:
    """None for a day that the zone left out, such as 2011-12-30 in Apia."""
    for full_hour in range(hour, -1, -1):
        wall = datetime.combine(day, time(full_hour), zone)
        moment = wall.astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
            moment = _end_of_gap(wall, zone)
        # A gap that ends on the next day (Nuuk, 23:00 to 00:00) would give that day two slots.
        if moment.astimezone(zone).date() == day:
            return moment
    return None


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    # PEP 495: inside a gap, fold=1 reads the clock as it goes after the change and so lands
    # before the change, fold=0 the other way round. The change is between the two.
    before = wall.replace(fold=1).astimezone(UTC)
    after = wall.replace(fold=0).astimezone(UTC)
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after
