"""What will go: readers of the next days, counted by slots."""

from datetime import UTC, date, datetime, time

import pytest
from django.core.cache import cache

from digest.delivery.due import expecting
from subscriptions import services
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
WEDNESDAY = datetime(2026, 8, 19, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_kept():
    cache.clear()


def reader(*topics, at, **fields):
    return make_subscriber(topics=topics, next_digest_at=at, **fields)


def utc(day, hour):
    return datetime(2026, 8, day, hour, tzinfo=UTC)


def test_readers_are_counted_by_the_hour_at_which_they_are_due():
    for _ in range(2):
        reader(at=utc(20, 7))
    reader(at=utc(19, 22), frequency="daily", hour=7, timezone="Asia/Tokyo")
    reader(at=utc(24, 7), frequency="weekly")
    today, tomorrow, after = expecting.count(WEDNESDAY).days
    assert dict(today.hours) == {22: 1}
    assert dict(tomorrow.hours) == {7: 2, 22: 1}
    assert (after.day, after.readers) == (date(2026, 8, 21), 3)


def test_who_waits_is_due_now():
    reader(at=utc(19, 7))
    assert dict(expecting.count(WEDNESDAY).days[0].hours) == {12: 1}


def test_weekend_has_no_weekday_readers():
    reader(at=utc(24, 7))
    assert [day.readers for day in expecting.count(utc(21, 12)).days] == [0, 0, 0]


def test_who_gets_no_mail_is_not_counted():
    reader(at=utc(20, 7), paused_until=date(2026, 8, 21))
    services.suppress(reader(at=utc(20, 7)), "manual")
    make_subscriber(state="unsubscribed")
    assert [day.readers for day in expecting.count(WEDNESDAY).days] == [0, 0, 1]


def test_readers_are_counted_for_each_topic_that_they_follow():
    theory, video = make_topic("theory"), make_topic("video")
    reader(theory, video, at=utc(20, 7))
    reader(theory, at=utc(20, 7))
    reader(at=utc(20, 7))
    tomorrow = expecting.count(WEDNESDAY).days[1]
    assert dict(tomorrow.topics) == {theory.name: 2, video.name: 1, "(no topic)": 1}
    assert tomorrow.rhythms == {"weekdays": 3}


def test_each_count_names_the_edition_that_is_the_newest_by_then(settings):
    settings.EDITION_CUTOFF = time(5)
    make_edition(date(2026, 8, 17), [make_paper()])
    make_listing(make_paper(), date(2026, 8, 19))
    reader(at=utc(20, 4), frequency="daily", hour=4)
    reader(at=utc(20, 7), frequency="daily", hour=7)
    reader(at=utc(20, 7), frequency="monthly", hour=7)
    reader(at=utc(20, 7), frequency="weekly", hour=7)
    tomorrow = expecting.count(WEDNESDAY).days[1]
    monday, wednesday, week = (
        ("daily", date(2026, 8, 17)),
        ("daily", date(2026, 8, 19)),
        ("weekly", date(2026, 8, 10)),
    )
    # Nothing was listed on Tuesday.
    assert tomorrow.editions == {monday: 1, wednesday: 2, week: 1}
    assert tomorrow.editions_of(hour=4) == [monday]
    assert tomorrow.editions_of(rhythm="weekly") == [week]


def test_edition_that_was_closed_by_hand_goes_at_once():
    make_edition(date(2026, 8, 19), [make_paper()])
    reader(at=utc(20, 1), frequency="daily", hour=1)
    assert set(expecting.count(WEDNESDAY).days[1].editions) == {("daily", date(2026, 8, 19))}


def test_on_monday_readers_get_friday_s_edition_and_the_week_that_just_ended():
    make_listing(make_paper(), date(2026, 8, 21))
    reader(at=utc(24, 7))
    reader(at=utc(24, 1), frequency="weekly", hour=1)
    monday = expecting.count(utc(22, 12)).days[2]
    assert set(monday.editions) == {("daily", date(2026, 8, 21)), ("weekly", date(2026, 8, 17))}


def test_numbers_are_kept_with_the_time_of_the_count_until_they_are_counted_anew():
    first = expecting.keep(WEDNESDAY)
    reader(at=utc(20, 7))
    kept = expecting.kept(utc(19, 13))
    assert kept == first
    assert (kept.is_old(WEDNESDAY), kept.is_old(utc(19, 13))) == (False, True)
    expecting.keep(utc(19, 13))
    assert expecting.kept(utc(19, 13)).days[1].readers == 1


def test_numbers_of_another_day_are_none():
    expecting.keep(WEDNESDAY)
    assert expecting.kept(utc(20, 0)) is None


def test_five_queries_however_many_readers_and_slots(django_assert_num_queries):
    for hour in range(5):
        reader(make_topic(), at=utc(20, hour), hour=hour)
    with django_assert_num_queries(5):
        expecting.count(WEDNESDAY)
