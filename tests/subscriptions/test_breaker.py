"""The breaker of sign-ups: when it opens and closes, and what an open one lets through."""

import math
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

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


def ask(client, number, address):
    email = {"email": f"new{number}@example.org"}
    return client.post("/subscribe/", email, REMOTE_ADDR=address)


def sign_up(client, number, address):
    return ask(client, number, address).status_code


def goes_on():
    """The flood, elsewhere: it keeps the breaker open."""
    flood = TransactionalMessage.objects.filter(subscriber__confirmed_at=None)
    flood.update(created_at=timezone.now())


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
        goes_on()
        found.append(sign_up(client, number, "192.0.2.1"))
        clock.shift(timedelta(hours=1))
    assert found == [200, 200, 200, 200, 429, 429]


def test_what_an_open_breaker_refuses_uses_up_nothing_of_others(client, monkeypatch):
    monkeypatch.setattr("subscriptions.limits.SITE_RATE", "3/h")
    asked(50)
    flood = [sign_up(client, n, "192.0.2.1") for n in range(8)]
    honest = [sign_up(client, n, f"198.51.{n}.1") for n in range(20, 22)]
    assert (flood[1:], honest) == ([429] * 7, [200, 200])


@pytest.mark.parametrize("before", [1, 4])
def test_who_comes_back_when_they_were_told_to_gets_through(client, clock, before):
    asked(50)
    for number in range(before):
        assert sign_up(client, number, "192.0.2.1") == 200
        clock.shift(timedelta(hours=number < before - 1))
        goes_on()
    told = ask(client, 8, "192.0.2.1")
    clock.shift(timedelta(seconds=int(told["Retry-After"]) - 1))
    goes_on()
    early = sign_up(client, 8, "192.0.2.1")
    clock.shift(timedelta(seconds=1))
    goes_on()
    assert (told.status_code, early, sign_up(client, 8, "192.0.2.1")) == (429, 429, 200)


def test_tries_that_an_open_breaker_refuses_use_up_no_day(client, clock):
    asked(50)
    found = [sign_up(client, number, "192.0.2.1") for number in range(6)]
    clock.shift(timedelta(hours=1))
    goes_on()
    assert (found, sign_up(client, 9, "192.0.2.1")) == ([200] + [429] * 5, 200)


def test_page_says_how_many_hours_an_open_breaker_lasts(client, clock):
    asked(50)
    for number in range(4):
        sign_up(client, number, "192.0.2.1")
        clock.shift(timedelta(hours=1))
        goes_on()
    told = ask(client, 8, "192.0.2.1")
    hours = math.ceil(int(told["Retry-After"]) / 3600)
    assert f"Please try again in {hours} hours." in told.content.decode()


def test_sign_ups_through_the_api_are_bound_by_it_too(client):
    asked(50)
    sign_up(client, 1, "192.0.2.1")
    told = client.post(
        "/api/v1/subscribe", {"email": "b@example.org"}, content_type="application/json",
        REMOTE_ADDR="192.0.2.1",
    )  # fmt: skip
    assert (told.status_code, 0 < int(told["Retry-After"]) <= 3600) == (429, True)


def test_readers_are_not_bound_by_it(client):
    asked(50)
    reader = make_subscriber("ada@example.org")
    with time_machine.travel(NOW - timedelta(days=8), tick=False):
        old = f"/preferences/{tokens.make_preferences(reader)}/"
    change = reverse("subscriptions:ask_address", args=[tokens.make_preferences(reader)])
    sign_up(client, 1, "192.0.2.1")
    seen = {"REMOTE_ADDR": "192.0.2.1"}
    ways = [
        client.post("/preferences/", {"email": "ada@example.org"}, **seen),
        client.post(old, {"renew": ""}, **seen),
        client.post(change, {"email": "new@example.org"}, **seen),
    ]
    assert [answer.status_code for answer in ways] == [200, 200, 200]
    kinds = TransactionalMessage.objects.filter(subscriber=reader).values_list("kind", flat=True)
    assert set(kinds) == {"preferences", "change_address"}


def test_open_breaker_asks_no_stranger_again_who_is_named_for_a_link(client):
    asked(50)
    make_subscriber("stranger@example.org", state="pending")
    answer = client.post("/preferences/", {"email": "stranger@example.org"})
    other = client.post("/preferences/", {"email": "nobody@example.org"})
    assert (answer.status_code, answer.content) == (200, other.content)
    assert TransactionalMessage.objects.count() == 50


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
