"""Slots across changes of the clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from subscriptions import schedule
from subscriptions.records import Rhythm

SAMPLE = sorted(available_timezones())[::23]


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def slots_of_year(rhythm, year):
    """All slots whose local day is in the year."""
    zone = ZoneInfo(rhythm.timezone)
    slots = []
    slot = schedule.next_slot(utc(year - 1, 12, 29), rhythm)
    while slot.astimezone(zone).year <= year:
        slots.append(slot)
        slot = schedule.next_slot(slot, rhythm)
    return [slot for slot in slots if slot.astimezone(zone).year == year]


def days_of_year(rhythm, year, weekdays):
    """The local days of the year that exist in the zone, of these weekdays."""
    zone = ZoneInfo(rhythm.timezone)
    first = utc(year - 1, 12, 30)
    quarters = (first + timedelta(minutes=15 * n) for n in range(4 * 24 * 369))
    days = {moment.astimezone(zone).date() for moment in quarters}
    return sorted(day for day in days if day.year == year and day.weekday() in weekdays)


@pytest.mark.parametrize(
    ("after", "rhythm", "expected"),
    [
        (utc(2026, 8, 20, 6, 59), Rhythm("daily", 7, "UTC"), utc(2026, 8, 20, 7)),
        (utc(2026, 8, 20, 7), Rhythm("daily", 7, "UTC"), utc(2026, 8, 21, 7)),
        (utc(2026, 8, 21, 7), Rhythm("weekdays", 7, "UTC"), utc(2026, 8, 24, 7)),
        (utc(2026, 8, 20, 7), Rhythm("weekly", 7, "UTC"), utc(2026, 8, 24, 7)),
        (utc(2026, 8, 24, 7), Rhythm("weekly", 7, "UTC"), utc(2026, 8, 31, 7)),
        (utc(2026, 8, 20, 0), Rhythm("daily", 7, "Asia/Kathmandu"), utc(2026, 8, 20, 1, 15)),
        # Friday evening in UTC is Saturday morning in Auckland.
        (utc(2026, 8, 21, 18), Rhythm("weekdays", 7, "Pacific/Auckland"), utc(2026, 8, 23, 19)),
    ],
)
def test_slot_is_the_first_one_after(after, rhythm, expected):
    assert schedule.next_slot(after, rhythm) == expected


@pytest.mark.parametrize(
    ("zone", "hour", "day", "expected"),
    [
        # The clock goes from 02:00 to 03:00: 02:00 is not there, its slot is when the gap ends.
        ("Europe/Berlin", 2, date(2026, 3, 29), utc(2026, 3, 29, 1)),
        ("Europe/Berlin", 3, date(2026, 3, 29), utc(2026, 3, 29, 1)),
        ("America/New_York", 2, date(2026, 3, 8), utc(2026, 3, 8, 7)),
        # The clock goes back from 03:00 to 02:00: the first 02:00 counts.
        ("Europe/Berlin", 2, date(2026, 10, 25), utc(2026, 10, 25, 0)),
        ("America/New_York", 1, date(2026, 11, 1), utc(2026, 11, 1, 5)),
        # Lord Howe moves by half an hour, from 02:00 to 02:30 and back to 01:30.
        ("Australia/Lord_Howe", 2, date(2026, 10, 4), utc(2026, 10, 3, 15, 30)),
        ("Australia/Lord_Howe", 2, date(2026, 4, 5), utc(2026, 4, 4, 15, 30)),
        # Midnight itself is missing in Cairo.
        ("Africa/Cairo", 0, date(2026, 4, 24), utc(2026, 4, 23, 22)),
        # The gap of Nuuk ends on the next day, which has a slot of its own.
        ("America/Nuuk", 23, date(2026, 3, 28), utc(2026, 3, 29, 0)),
    ],
)
def test_day_on_which_the_clock_changes_has_one_slot(zone, hour, day, expected):
    rhythm = Rhythm("daily", hour, zone)
    before = schedule.start_of_day(day, zone) - timedelta(seconds=1)
    assert schedule.next_slot(before, rhythm) == expected
    after = schedule.next_slot(expected, rhythm)
    assert after.astimezone(ZoneInfo(zone)).date() == day + timedelta(days=1)


def test_day_that_a_zone_left_out_has_no_slot():
    rhythm = Rhythm("daily", 7, "Pacific/Apia")
    first = schedule.next_slot(utc(2011, 12, 29, 0), rhythm)
    second = schedule.next_slot(first, rhythm)
    local = [slot.astimezone(ZoneInfo("Pacific/Apia")).date() for slot in (first, second)]
    assert local == [date(2011, 12, 29), date(2011, 12, 31)]


def test_start_of_a_day_that_was_left_out_is_that_of_the_next():
    assert schedule.start_of_day(date(2011, 12, 30), "Pacific/Apia") == utc(2011, 12, 30, 10)


@pytest.mark.parametrize("zone", [*SAMPLE, "America/Nuuk", "Africa/Casablanca", "Asia/Gaza"])
@pytest.mark.parametrize("hour", [0, 2, 7, 23])
def test_every_local_day_of_a_year_has_exactly_one_slot(zone, hour):
    rhythm = Rhythm("daily", hour, zone)
    slots = slots_of_year(rhythm, 2026)
    local = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots]
    assert local == [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert all(earlier < later for earlier, later in pairwise(slots))


@pytest.mark.parametrize(
    ("frequency", "weekdays"), [("weekdays", range(5)), ("weekly", range(1)), ("daily", range(7))]
)
@pytest.mark.parametrize("zone", ["Pacific/Apia", "Pacific/Kwajalein", "Europe/Berlin"])
def test_every_allowed_day_of_a_year_has_exactly_one_slot(frequency, weekdays, zone):
    rhythm = Rhythm(frequency, 7, zone)
    slots = slots_of_year(rhythm, 2011)
    local = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots]
    assert local == days_of_year(rhythm, 2011, weekdays)


def test_unlisted_weekday_rhythm_never_falls_on_a_weekend():
    slots = slots_of_year(Rhythm("weekdays", 23, "Pacific/Kiritimati"), 2026)
    zone = ZoneInfo("Pacific/Kiritimati")
    assert {slot.astimezone(zone).weekday() for slot in slots} == set(range(5))
