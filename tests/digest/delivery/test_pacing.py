"""Rates and warm-up: all workers together stay under what a provider may get."""

import itertools
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from digest.delivery.esp import pacing, providers
from digest.models import DayCount, Lease

pytestmark = pytest.mark.django_db
MAILGUN = providers.PROVIDERS["mailgun"]
SMTP = providers.PROVIDERS["smtp"]
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_uncounted():
    pacing._uncounted.clear()
    yield
    pacing._uncounted.clear()


@pytest.fixture
def pauses(monkeypatch):
    taken = []
    monkeypatch.setattr(pacing.time, "sleep", taken.append)
    return taken


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def test_messages_wait_for_those_booked_before(settings, pauses, clock):
    settings.SEND_RATE = 10
    for _ in range(3):
        pacing.wait(MAILGUN, 50)
    assert pauses == [0, 5, 10]


def test_no_rate_means_no_waiting_and_no_query(settings, pauses, django_assert_num_queries):
    settings.SEND_RATE = 0
    assert pacing.rate_of(MAILGUN) == 0
    with django_assert_num_queries(0):
        assert pacing.book(MAILGUN, 1000)
    assert pauses == []


def test_provider_has_a_rate_of_its_own(settings, pauses, clock):
    settings.SEND_RATE, settings.SEND_RATES = 10, {"smtp": 100.0}
    for provider in (MAILGUN, MAILGUN, SMTP, SMTP):
        pacing.wait(provider, 50)
    assert pauses == [0, 5, 0, 0.5]


def test_idle_time_is_not_saved_up_for_a_burst(settings, pauses, clock):
    settings.SEND_RATE = 10
    pacing.wait(MAILGUN, 50)
    clock.shift(3600)
    pacing.wait(MAILGUN, 50)
    pacing.wait(MAILGUN, 50)
    assert pauses == [0, 0, 5]


def test_turn_of_a_killed_worker_is_only_lost_time(settings, pauses, clock):
    settings.SEND_RATE = 10
    pacing._take_turn(MAILGUN, 50)
    pacing.wait(MAILGUN, 10)
    clock.shift(60)
    pacing.wait(MAILGUN, 10)
    assert pauses == [5, 0]


def test_turn_costs_one_short_transaction(settings, pauses, clock, django_assert_max_num_queries):
    settings.SEND_RATE, settings.WARM_UP = 10, {"mailgun": (NOW.date(), 500, 2.0)}
    pacing.book(MAILGUN, 1)
    with django_assert_max_num_queries(7):
        pacing.book(MAILGUN, 1)


def test_claims_are_small_enough_to_be_offered_soon(settings):
    settings.SEND_RATE = 2
    assert (pacing.claim_size(MAILGUN), pacing.call_size(MAILGUN)) == (60, 60)


def test_calls_never_hold_more_than_the_provider_takes(settings):
    settings.SEND_RATES = {"mailgun": 1000.0, "smtp": 1000.0}
    assert (pacing.call_size(MAILGUN), pacing.call_size(SMTP)) == (1000, 200)


def test_queue_of_more_than_a_minute_is_crowded(settings, pauses, clock):
    settings.SEND_RATE = 10
    pacing.wait(MAILGUN, 600)
    before = pacing.is_crowded(MAILGUN)
    pacing.wait(MAILGUN, 10)
    assert (before, pacing.is_crowded(MAILGUN), pacing.is_crowded(SMTP)) == (False, True, False)


@pytest.mark.parametrize(
    ("day", "cap"),
    [
        (date(2026, 10, 1), 500),
        (date(2026, 11, 1), 500),
        (date(2026, 11, 2), 750),
        (date(2026, 11, 4), 1687),
        (date(2099, 1, 1), 2_000_000_000),
    ],
)
def test_number_of_a_day_grows_with_the_days(settings, day, cap):
    settings.WARM_UP = {"mailgun": (date(2026, 11, 1), 500, 1.5)}
    assert pacing.cap_of(MAILGUN, day) == cap
    assert pacing.cap_of(SMTP, day) is None


def test_used_up_day_takes_no_more_until_the_next(settings, clock):
    settings.WARM_UP = {"mailgun": (NOW.date(), 100, 2.0)}
    today = [pacing.book(MAILGUN, n) for n in (60, 60, 40, 1)]
    clock.shift(timedelta(hours=12))
    assert (today, pacing.book(MAILGUN, 200)) == ([True, False, True, False], True)


def test_claims_shrink_to_what_is_left_of_the_day(settings, clock):
    settings.WARM_UP = {"mailgun": (NOW.date(), 1030, 2.0)}
    pacing.book(MAILGUN, 1000)
    assert (pacing.room(MAILGUN), pacing.left_today(MAILGUN)) == (30, 30)
    assert pacing.claim_size(MAILGUN) == 1000


def test_single_messages_count_but_are_never_refused(settings, clock):
    settings.WARM_UP = {"mailgun": (NOW.date(), 10, 2.0)}
    pacing.count(MAILGUN, 12)
    assert (pacing.left_today(MAILGUN), pacing.book(MAILGUN, 1)) == (0, False)
    assert DayCount.objects.get().messages == 12


def test_what_was_not_taken_may_be_used_again(settings, clock):
    settings.WARM_UP = {"mailgun": (NOW.date(), 10, 2.0)}
    pacing.book(MAILGUN, 10)
    pacing.count(MAILGUN, -10)
    assert pacing.left_today(MAILGUN) == 10


def test_messages_without_a_warm_up_are_counted_together(clock, django_assert_max_num_queries):
    for _ in range(25):
        pacing.book(SMTP, 1)
    with django_assert_max_num_queries(6):
        pacing.write_counts()
    pacing.write_counts()
    row = DayCount.objects.get()
    assert (row.provider, row.day, row.messages) == ("smtp", NOW.date(), 25)


def in_threads(number, work):
    def run():
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_many_workers_together_never_pass_the_number_of_the_day(settings):
    settings.WARM_UP = {"mailgun": (pacing.today(), 100, 1.0)}
    taken = []
    in_threads(8, lambda: taken.extend(pacing.book(MAILGUN, 3) for _ in range(6)))
    assert taken.count(True) == 33
    assert DayCount.objects.get().messages == 99


@pytest.mark.django_db(transaction=True)
def test_many_workers_together_keep_to_the_rate(settings):
    settings.SEND_RATE = 100
    begun = []
    in_threads(8, lambda: begun.append(pacing._take_turn(MAILGUN, 50)))
    begun.sort()
    gaps = [later - sooner for sooner, later in itertools.pairwise(begun)]
    assert min(gaps) >= timedelta(seconds=0.5)
    assert Lease.objects.get().free_at - begun[-1] == timedelta(seconds=0.5)
