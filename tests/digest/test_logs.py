"""What is bound around records, and what the mask takes out of any text."""

import threading
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from digest import logs
from subscriptions import tokens
from tests.builders import make_subscriber


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 <reader@example.org>: no such user",
        "{'reader+list@mail.example.co.uk': (550, b'no')}",
        "https://api.example.org/v4/reader%40example.org?tag=x",
        '"a reader"@example.org is quoted',
        "müller@bücher.example",
        "unsub+abc@papers.example.org",
        "first.last%2Bx@example.org",
    ],
)
def test_address_is_masked_in_whatever_form_it_comes(text):
    found = logs.masked(text)
    assert "[address]" in found
    assert not any(word in found for word in ("reader", "ller@", "last", "unsub", "example.org>"))


@pytest.mark.parametrize("url", ["redis://:word@redis:6379/0", "smtp://me:word@mail:587"])
def test_login_in_a_url_is_masked(url):
    assert logs.masked(f"{url} is away").endswith(" is away")
    assert "word" not in logs.masked(url)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["unsubscribe", "preferences", "confirm", "erase", "feed", "opened"]
)
def test_token_of_each_kind_of_link_is_masked(name):
    subscriber = make_subscriber()
    held = subscriber.public_id if name == "unsubscribe" else subscriber
    token = getattr(tokens, f"make_{name}")(held)
    assert logs.masked(f"Not Found: /{name}/{token}/ at 8") == f"Not Found: /{name}/[token]/ at 8"


@pytest.mark.parametrize(
    "text",
    [
        "celery@worker-1 ready.",
        "digest_subscription_of_a_reader_who_follows_many_topics_unique",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bd22cd15d6c15b0f00a08",
        "papers stored new=12 bad=0",
        "https://papers.example.org/papers/2026-08-20/",
    ],
)
def test_what_is_no_address_and_no_token_stays(text):
    assert logs.masked(text) == text


def test_nested_values_are_masked_and_numbers_stay():
    at = datetime(2026, 8, 20, tzinfo=UTC)
    value = {
        "to": ["a@example.org", 7, None],
        "at": at,
        "id": uuid4(),
        "error": ValueError("b@c.de"),
    }
    found = logs.all_masked(value)
    assert (found["to"], found["at"], found["error"]) == (["[address]", 7, None], at, "[address]")


def test_masking_takes_longer_only_as_the_text_is_longer():
    def seconds(length):
        started = time.process_time()
        logs.masked("a" * length + "@" + "b." * (length // 10))
        return time.process_time() - started

    # Sixteen times as long, were each letter looked at again for each other one.
    assert seconds(200_000) < 10 * seconds(50_000)


def test_values_are_bound_inside_and_in_no_other_thread():
    seen = []
    with logs.bound(edition=1), logs.bound(batch=2):
        other = threading.Thread(target=lambda: seen.append(dict(logs.values())))
        other.start()
        other.join()
        assert dict(logs.values()) == {"edition": 1, "batch": 2}
    assert (dict(logs.values()), seen) == ({}, [{}])
