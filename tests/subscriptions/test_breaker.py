"""The breaker of sign-ups: when it opens and closes, and what an open one lets through."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache

from digest.delivery import notices
from digest.delivery.watching import signups
from subscriptions import breaker, services, tokens
from subscriptions.models import Subscriber, TransactionalMessage
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
CONFIRM = TransactionalMessage.Kind.CONFIRM


@pytest.fixture(autouse=True)
def clock():
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def asked(number, *, confirmed=0, ago=timedelta(minutes=30), **fields):
    """So many were asked to confirm, and some of them did five minutes later."""
    at = NOW - ago
    with time_machine.travel(at, tick=False):
        readers = [make_subscriber(state="pending") for _ in range(number)]
        for reader in readers:
            TransactionalMessage.objects.create(subscriber=reader, kind=CONFIRM, **fields)
    with time_machine.travel(at + timedelta(minutes=5), tick=False):
        for reader in readers[:confirmed]:
            services.confirm(reader)


def is_open():
    return breaker.standing(NOW).is_open


@pytest.mark.parametrize(
    ("number", "confirmed", "opens"),
    [(50, 9, True), (50, 10, False), (49, 0, False), (50, 0, True), (120, 60, False)],
)
def test_it_opens_where_fewer_than_a_fifth_of_fifty_confirm(number, confirmed, opens):
    asked(number, confirmed=confirmed)
    assert is_open() is opens


def test_flood_after_a_busy_day_is_seen_in_the_newest_two_hundred():
    asked(400, confirmed=240, ago=timedelta(hours=2))
    asked(170, ago=timedelta(minutes=10))
    assert is_open()


def test_sign_ups_of_long_ago_open_nothing():
    asked(80, ago=timedelta(hours=6, minutes=1))
    assert not is_open()


def test_questions_of_an_import_open_nothing():
    asked(80, can_wait=True)
    assert not is_open()


def test_who_is_asked_again_later_has_not_answered_that_yet():
    asked(50, confirmed=10)
    for reader in Subscriber.objects.filter(state="active"):
        TransactionalMessage.objects.filter(subscriber=reader).update(created_at=NOW)
    assert is_open()


def test_readers_who_ask_again_while_mails_do_not_arrive_are_one_each():
    asked(17, ago=timedelta(minutes=50))
    for reader in Subscriber.objects.all():
        for _ in range(2):
            TransactionalMessage.objects.create(subscriber=reader, kind=CONFIRM)
    assert breaker.standing(NOW) == breaker.Standing(17, 0)


def test_sample_is_of_people_however_often_each_was_asked():
    asked(150, ago=timedelta(minutes=50))
    asked(100, ago=timedelta(minutes=40))
    for reader in Subscriber.objects.order_by("-pk")[:100]:
        TransactionalMessage.objects.create(subscriber=reader, kind=CONFIRM)
    assert breaker.standing(NOW).asked == breaker.SAMPLE


def test_who_confirms_leaves_and_comes_back_is_one(clock):
    clock.shift(timedelta(hours=-1))
    reader = make_subscriber("ada@example.org", state="pending")
    for _ in range(3):
        services.request_message(reader, CONFIRM)
        services.confirm(reader)
        services.unsubscribe(reader)
        clock.shift(timedelta(minutes=20))
    assert breaker.standing(NOW) == breaker.Standing(1, 1)


def test_forms_of_one_mailbox_are_one(clock):
    clock.shift(timedelta(hours=-1))
    for number in range(3):
        reader = make_subscriber(f"ada+{number}@example.org", state="pending")
        services.request_message(reader, CONFIRM)
        services.confirm(reader)
        clock.shift(timedelta(minutes=20))
    assert breaker.standing(NOW) == breaker.Standing(1, 1)


def test_it_is_looked_up_anew_after_some_seconds_or_sign_ups(clock):
    before = breaker.is_open(0)
    asked(50)
    kept, more = breaker.is_open(24), breaker.is_open(25)
    assert (before, kept, more) == (False, False, True)


def sign_up(client, number, address):
    email = {"email": f"new{number}@example.org"}
    return client.post("/subscribe/", email, REMOTE_ADDR=address).status_code


def test_open_breaker_lets_each_neighbourhood_sign_up_once_an_hour(client, clock):
    asked(50)
    found = [sign_up(client, n, f"192.0.2.{n}") for n in range(3)]
    other = sign_up(client, 9, "198.51.100.1")
    clock.shift(timedelta(hours=1))
    assert (found, other, sign_up(client, 10, "192.0.2.9")) == ([200, 429, 429], 200, 200)


def test_open_breaker_lets_each_neighbourhood_sign_up_four_times_a_day(client, clock):
    asked(50, ago=timedelta(0))
    found = []
    for number in range(6):
        # It stays open by the flood that goes on elsewhere.
        TransactionalMessage.objects.filter(subscriber__confirmed_at=None).update(
            created_at=NOW + timedelta(hours=number)
        )
        found.append(sign_up(client, number, "192.0.2.1"))
        clock.shift(timedelta(hours=1))
    assert found == [200, 200, 200, 200, 429, 429]


def test_what_an_open_breaker_refuses_uses_up_nothing_of_others(client, monkeypatch):
    monkeypatch.setattr("subscriptions.limits.SITE_RATE", "3/h")
    asked(50)
    flood = [sign_up(client, n, "192.0.2.1") for n in range(8)]
    honest = [sign_up(client, n, f"198.51.{n}.1") for n in range(20, 22)]
    assert (flood[1:], honest) == ([429] * 7, [200, 200])


def test_api_and_renewed_links_are_bound_by_it_too(client):
    asked(50)
    reader = make_subscriber(state="pending")
    with time_machine.travel(NOW - timedelta(days=4), tick=False):
        old = f"/confirm/{tokens.make_confirm(reader)}/"
    seen = {"REMOTE_ADDR": "192.0.2.1"}
    sign_up(client, 1, "192.0.2.1")
    body = {"email": "b@example.org"}
    ways = [
        client.post("/api/v1/subscribe", body, content_type="application/json", **seen),
        client.post(old, {"renew": ""}, **seen),
        client.post("/preferences/", body, **seen),
    ]
    assert [answer.status_code for answer in ways] == [429, 429, 429]


def test_operator_is_told_and_told_of_the_end():
    asked(60, confirmed=3)
    signups.check_sign_ups(NOW)
    (told,) = notices.open_notices().filter(kind="sign_ups")
    later = NOW + breaker.WINDOW
    signups.check_sign_ups(later)
    signups.check_sign_ups(later + notices.WELL_AFTER)
    assert told.what.startswith("Of the last 60 people who were asked to confirm a sign-up only 3")
    assert not notices.open_notices().exists()


def test_one_query_says_it(django_assert_num_queries):
    asked(60)
    with django_assert_num_queries(1):
        breaker.standing(NOW)
