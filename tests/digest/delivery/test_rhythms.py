"""Weeks on any day and months: which papers such a digest picks from, and none of them twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from digest.delivery.due import planning, requested
from digest.delivery.mails import content
from digest.editions import building
from digest.models import Audience, Batch, Delivery, EditionPaper
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
THURSDAY = datetime(2026, 8, 20, 7, tzinfo=UTC)


def close_days(first, last):
    """Each day's edition, with one paper, closed at five the next morning."""
    day = first
    while day <= last:
        make_listing(make_paper(arxiv_id=f"{day:%y%m}.0{day:%d}00"), day)
        with time_machine.travel(datetime(day.year, day.month, day.day, 5, 1, tzinfo=UTC)
                                 + timedelta(days=1), tick=False):  # fmt: skip
            building.build(day)
        day += timedelta(days=1)


def days_of(delivery):
    ids = [card[0] for card in delivery.audience.cards]
    places = EditionPaper.objects.filter(paper__in=ids, frequency="daily")
    return sorted(places.values_list("edition__date", flat=True))


def planned(moment, reader):
    with time_machine.travel(moment + timedelta(minutes=1), tick=False):
        planning.plan(moment + timedelta(minutes=1))
    found = Delivery.objects.filter(subscriber=reader).order_by("pk").last()
    # As sent, or the next digest would take its papers along.
    Batch.objects.update(state=Batch.State.DONE)
    Delivery.objects.update(state=Delivery.State.SENT)
    return found


def test_week_that_ends_on_a_thursday_has_seven_days():
    close_days(date(2026, 8, 6), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    delivery = planned(THURSDAY, reader)
    assert delivery.audience.since == date(2026, 8, 13)
    assert days_of(delivery) == [date(2026, 8, 13) + timedelta(days=n) for n in range(7)]


def test_weeks_follow_one_another_without_a_gap_or_a_repeat():
    close_days(date(2026, 8, 6), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    first = days_of(planned(THURSDAY, reader))
    close_days(date(2026, 8, 20), date(2026, 8, 26))
    second = days_of(planned(THURSDAY + timedelta(days=7), reader))
    assert not set(first) & set(second)
    assert second[0] - first[-1] == timedelta(days=1)


def test_reader_before_the_cutoff_misses_no_day():
    early = THURSDAY.replace(hour=3)  # Wednesday's edition is still open
    close_days(date(2026, 8, 5), date(2026, 8, 18))
    reader = make_subscriber(frequency="weekly-4", hour=3, next_digest_at=early)
    first = days_of(planned(early, reader))
    close_days(date(2026, 8, 19), date(2026, 8, 25))
    second = days_of(planned(early + timedelta(days=7), reader))
    assert second[0] - first[-1] == timedelta(days=1)
    assert not set(first) & set(second)


def test_month_has_the_papers_since_the_month_before():
    close_days(date(2026, 6, 28), date(2026, 7, 31))
    first_of_august = datetime(2026, 8, 1, 7, tzinfo=UTC)
    reader = make_subscriber(frequency="monthly", length=40, next_digest_at=first_of_august)
    delivery = planned(first_of_august, reader)
    assert days_of(delivery) == [date(2026, 7, 1) + timedelta(days=n) for n in range(31)]


def test_first_digest_of_a_young_installation_looks_back_as_far():
    close_days(date(2026, 8, 17), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    assert len(days_of(planned(THURSDAY, reader))) == 3


def test_next_digest_comes_a_week_later():
    close_days(date(2026, 8, 17), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    planned(THURSDAY, reader)
    reader.slot.refresh_from_db()
    assert reader.slot.next_digest_at == THURSDAY + timedelta(days=7)


def test_daily_readers_of_the_same_edition_get_its_papers_alone():
    close_days(date(2026, 8, 17), date(2026, 8, 19))
    make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    daily = make_subscriber(frequency="daily", next_digest_at=THURSDAY)
    assert days_of(planned(THURSDAY, daily)) == [date(2026, 8, 19)]
    assert Audience.objects.count() == 2


def test_reader_of_a_week_who_asks_now_gets_the_week_so_far():
    close_days(date(2026, 8, 10), date(2026, 8, 18))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    delivery = requested.plan(reader)
    assert days_of(delivery)[0] == date(2026, 8, 13)


def test_digest_of_a_week_says_since_when():
    close_days(date(2026, 8, 6), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", next_digest_at=THURSDAY)
    body = content.body_of(planned(THURSDAY, reader).audience)
    assert "out of 7 since Thursday, August 13." in "".join(body.text_parts)


def test_cards_of_a_long_time_are_made_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(content, "CARDS", 2)
    close_days(date(2026, 8, 6), date(2026, 8, 19))
    reader = make_subscriber(frequency="weekly-4", length=3, next_digest_at=THURSDAY)
    body = content.body_of(planned(THURSDAY, reader).audience)
    assert body.paper_count == 3
