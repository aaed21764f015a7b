"""What did not happen by its time is told: fetches, papers, editions. Each is made to fail."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from digest.delivery import notices
from digest.delivery.watching import deadman
from digest.editions import building
from digest.models import Fetch, Notice
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 11, 3)
CLOSED = datetime(2026, 11, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(settings):
    settings.PAPER_SOURCES = ["arxiv"]
    with time_machine.travel(CLOSED, tick=False) as clock:
        yield clock


def fetch(day, at, *, source="arxiv", listed=0, **fields):
    """A fetch of the day's list, which has so many papers."""
    for _ in range(listed):
        make_listing(make_paper(), day, source=source)
    return Fetch.objects.create(
        source=source, day=day, started_at=at, finished_at=at, new=listed, **fields
    )


def check(at):
    with time_machine.travel(at, tick=False):
        deadman.check_fetches(at)
        deadman.check_papers(at)
        deadman.check_editions(at)
    return sorted(notices.open_notices().values_list("kind", flat=True))


def midnight(day, *, minutes=15):
    """Quarter past midnight after the day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, minutes=minutes)


def what():
    return Notice.objects.get().what


def test_normal_day_tells_nothing():
    fetch(TUESDAY - timedelta(days=1), midnight(TUESDAY) - timedelta(days=2), listed=3)
    building.build(TUESDAY - timedelta(days=1))
    fetch(TUESDAY, midnight(TUESDAY), listed=3)
    building.build(TUESDAY)
    assert check(CLOSED - timedelta(hours=2)) == []


def test_new_installation_tells_nothing():
    assert check(CLOSED) == []


def test_fetches_that_stop_are_told_and_well_again():
    fetch(TUESDAY, midnight(TUESDAY), listed=1)
    late = midnight(TUESDAY) + timedelta(hours=3)
    before = check(late)
    after = check(late + timedelta(minutes=1))
    told = what()
    fetch(TUESDAY, late + timedelta(minutes=1))
    check(late + timedelta(minutes=2))
    assert (before, after) == ([], ["no_fetch"])
    assert told == "No papers were fetched since 2026-11-04 00:15 UTC."
    assert check(late + timedelta(minutes=6)) == []


def test_source_that_fails_all_day_is_told_two_hours_before_the_cutoff():
    fetch(TUESDAY, midnight(TUESDAY), error="arXiv: HTTP 503")
    fetch(TUESDAY, CLOSED - timedelta(hours=2, minutes=10), error="arXiv: HTTP 503")
    before = check(CLOSED - timedelta(hours=2, minutes=1))
    after = check(CLOSED - timedelta(hours=2))
    assert (before, after) == ([], ["no_papers"])
    assert what() == "arxiv brought no papers of Tuesday, 2026-11-03: arXiv: HTTP 503."
    assert Notice.objects.get().mend.endswith("fetch_papers --date 2026-11-03 --source arxiv")


def test_entries_that_are_all_bad_are_told():
    fetch(TUESDAY, midnight(TUESDAY), bad=40)
    fetch(TUESDAY, CLOSED - timedelta(hours=3), bad=40)
    assert check(CLOSED - timedelta(hours=2)) == ["no_papers"]
    assert what().endswith("40 bad entries.")


def test_day_that_nobody_fetched_is_told():
    fetch(TUESDAY - timedelta(days=1), midnight(TUESDAY - timedelta(days=1)), listed=1)
    fetch(TUESDAY + timedelta(days=1), CLOSED - timedelta(hours=3))
    building.build(TUESDAY - timedelta(days=1))
    assert check(CLOSED - timedelta(hours=2)) == ["no_papers"]
    assert what().endswith("nobody asked for them.")


def test_holiday_on_which_the_source_lists_nothing_is_none():
    fetch(TUESDAY - timedelta(days=1), midnight(TUESDAY - timedelta(days=1)), listed=1)
    building.build(TUESDAY - timedelta(days=1))
    fetch(TUESDAY, midnight(TUESDAY))
    fetch(TUESDAY, CLOSED - timedelta(hours=3))
    assert check(CLOSED - timedelta(hours=2)) == []


def test_source_that_lists_nothing_for_days_has_changed():
    first = TUESDAY - timedelta(days=6)
    fetch(first, midnight(first), listed=1)
    building.build(first)
    for day in (TUESDAY - timedelta(days=1), TUESDAY):
        fetch(day, midnight(day))
    fetch(TUESDAY, CLOSED - timedelta(hours=3))
    found = check(CLOSED - timedelta(hours=2))
    assert "no_papers" in found
    told = Notice.objects.filter(kind="no_papers", key="arxiv 2026-11-03").get()
    assert told.what.endswith("as on the working days before.")


def test_weekend_needs_no_papers():
    saturday = date(2026, 11, 7)
    fetch(saturday, midnight(saturday), error="arXiv: HTTP 503")
    fetch(saturday, midnight(saturday) + timedelta(hours=3), error="arXiv: HTTP 503")
    assert check(midnight(saturday) + timedelta(hours=4)) == []


def test_papers_that_came_late_are_well_again():
    fetch(TUESDAY, CLOSED - timedelta(hours=3), error="arXiv: HTTP 503")
    check(CLOSED - timedelta(hours=2))
    fetch(TUESDAY, CLOSED - timedelta(hours=1), listed=1)
    assert check(CLOSED - timedelta(hours=1)) == []
    assert Notice.objects.get().end_mailed_at is None


def test_papers_that_never_came_are_given_up_without_a_word():
    fetch(TUESDAY, CLOSED - timedelta(hours=3), error="arXiv: HTTP 503")
    check(CLOSED - timedelta(hours=2))
    fetch(TUESDAY + timedelta(days=2), CLOSED + timedelta(days=2), listed=1)
    friday = datetime(2026, 11, 6, tzinfo=UTC)
    check(friday - timedelta(minutes=1))
    open_until = Notice.objects.get(key="arxiv 2026-11-03").ended_at
    # Their day is no longer looked at, which does not make it well.
    for minute in range(5):
        check(friday + timedelta(minutes=minute))
    given_up = Notice.objects.get(key="arxiv 2026-11-03")
    assert (open_until, given_up.ended_at, given_up.end_mailed_at) == (None, friday, friday)


def test_edition_that_is_not_closed_by_its_time_is_told_and_well_again():
    fetch(TUESDAY, midnight(TUESDAY), listed=1)
    fetch(TUESDAY, CLOSED)
    before = check(CLOSED + timedelta(minutes=29))
    after = check(CLOSED + timedelta(minutes=30))
    told = what()
    building.build(TUESDAY)
    assert (before, after) == ([], ["no_edition"])
    assert told == "The daily edition 2026-11-03 is not closed, and nobody gets it."
    assert Notice.objects.get().mend.endswith("manage.py build_edition --date 2026-11-03")
    assert check(CLOSED + timedelta(minutes=34)) == []


def test_week_that_is_not_closed_by_its_time_is_told():
    monday, sunday = date(2026, 11, 2), date(2026, 11, 8)
    fetch(TUESDAY, datetime(2026, 11, 3, 9, tzinfo=UTC), listed=1)
    for number in range(6):
        building.build(monday + timedelta(days=number))
    fetch(sunday, midnight(sunday))
    building.build(sunday)
    fetch(sunday, midnight(sunday, minutes=300))
    assert check(midnight(sunday, minutes=329)) == []
    assert check(midnight(sunday, minutes=330)) == ["no_edition"]


def test_empty_weekend_day_is_no_edition_that_is_missed():
    friday, saturday = date(2026, 11, 6), date(2026, 11, 7)
    fetch(friday, midnight(friday), listed=1)
    building.build(friday)
    building.build(TUESDAY)
    fetch(saturday, midnight(saturday, minutes=300))
    assert check(midnight(saturday, minutes=331)) == []
