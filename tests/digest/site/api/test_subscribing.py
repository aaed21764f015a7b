"""Subscribing through the API: one answer for every address, within the limits of the form."""

import time

import pytest
from django.core.cache import cache
from django.test import Client

from subscriptions.models import ConsentRecord, Subscriber, TransactionalMessage
from subscriptions.views import common
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/subscribe"


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


def ask(client, email="ada@example.org", **rest):
    return client.post(ADDRESS, {"email": email, **rest}, content_type="application/json")


def test_address_is_asked_to_confirm(client):
    response = ask(client, topics=["theory", "agents"])
    subscriber = Subscriber.objects.get()
    assert response.status_code == 202
    assert (subscriber.email, subscriber.state) == ("ada@example.org", "pending")
    assert {topic.slug for topic in subscriber.topics.all()} == {"theory", "agents"}
    assert TransactionalMessage.objects.get().kind == "confirm"


def test_known_and_unknown_addresses_get_the_same_answer(client):
    make_subscriber("known@example.org")
    known, unknown = ask(client, "known@example.org"), ask(client, "new@example.org")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert sorted(known.headers.items()) == sorted(unknown.headers.items())


def test_answer_takes_its_time_for_every_address(client):
    started = time.monotonic()
    ask(client)
    assert time.monotonic() - started >= common.LIKE_SECONDS


def test_consent_record_says_that_it_came_through_the_api(client):
    client.post(
        ADDRESS, {"email": "ada@example.org"}, content_type="application/json",
        headers={"User-Agent": "curl/8"}, REMOTE_ADDR="192.0.2.7",
    )  # fmt: skip
    record = ConsentRecord.objects.get()
    assert (record.action, record.page) == ("signed_up", ADDRESS)
    assert (record.ip_address, record.user_agent) == ("192.0.2.7", "curl/8")
    assert "through the API" in record.text
    assert record.text_version == "api-1"


def test_zone_and_language_are_kept(client):
    client.post(
        ADDRESS, {"email": "ada@example.org", "timezone": "Europe/Berlin"},
        content_type="application/json", headers={"Accept-Language": "de"},
    )  # fmt: skip
    subscriber = Subscriber.objects.get()
    assert (subscriber.timezone, subscriber.language) == ("Europe/Berlin", "de")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "\0", "\x1b"])
def test_zone_that_is_none_is_passed_over(client, zone):
    assert ask(client, timezone=zone).status_code == 202
    assert Subscriber.objects.get().timezone == "UTC"


def test_topics_that_are_none_are_passed_over(client):
    assert ask(client, topics=["no-such-topic", "theory"]).status_code == 202
    assert [topic.slug for topic in Subscriber.objects.get().topics.all()] == ["theory"]


def test_pending_topics_are_those_asked_for_last(client):
    make_topic("theory")
    ask(client, topics=["agents"])
    ask(client, topics=["theory"])
    assert [topic.slug for topic in Subscriber.objects.get().topics.all()] == ["theory"]


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.org", "a\nb@example.org", "ada@example.org\r\nBcc: x@y.org",
     "ada@127.0.0.1", "\0@example.org", "\ud800@example.org", "ada@\ud800.org", "x" * 600],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_stored_nowhere(client, email):
    response = ask(client, email)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "#/email"
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/email"),
        ({"email": None}, "#/email"),
        ({"email": ["a@example.org"]}, "#/email"),
        ({"email": "a@example.org", "topics": "theory"}, "#/topics"),
        ({"email": "a@example.org", "topics": ["a\0b"]}, "#/topics/0"),
        ({"email": "a@example.org", "topics": ["\ud800"]}, "#/topics/0"),
        ({"email": "a@example.org", "topics": ["t"] * 101}, "#/topics"),
    ],
)
def test_body_that_is_not_as_described_is_told_where(client, body, pointer):
    response = client.post(ADDRESS, body, content_type="application/json")
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_client_shares_its_limit_with_the_form(client, settings):
    settings.SIGNUP_RATE_CLIENT = "2/h"
    client.post("/subscribe/", {"email": "a@example.org"})
    answers = [ask(client, f"{n}@example.org") for n in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert 0 < int(answers[1]["Retry-After"]) <= 3600
    assert answers[1]["Content-Type"] == "application/problem+json"


def test_no_cookie_is_asked_for_or_set():
    response = ask(Client(enforce_csrf_checks=True))
    assert response.status_code == 202
    assert not response.cookies
