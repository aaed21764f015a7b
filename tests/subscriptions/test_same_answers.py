"""Nothing in an answer tells whether an address is known here: not its status, a header, a cookie or a
byte of its body, whichever way it was asked. How long answers take is in tests/bench/timing.py."""

from datetime import UTC, datetime

import pytest
import time_machine
from django.core.cache import cache

from subscriptions import services
from subscriptions.models import Suppression
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db

STATES = ("new", "pending", "active", "paused", "left", "bounced", "complained", "erased", "bombed")
WAYS = {
    "form": lambda client, email: client.post("/subscribe/", {"email": email, "website": ""}),
    "frame": lambda client, email: client.post(
        "/subscribe/",
        {"email": email, "topics": "theory", "headline": "Papers for us"},
        headers={"Referer": "https://lab.example.org/", "Origin": "https://lab.example.org"},
    ),
    "api": lambda client, email: client.post(
        "/api/v1/subscribe", {"email": email}, content_type="application/json"
    ),
    "preferences": lambda client, email: client.post("/preferences/", {"email": email}),
}


@pytest.fixture(autouse=True)
def _fresh(settings):
    cache.clear()
    settings.SIGNUP_RATE_CLIENT = "1000/h"
    with time_machine.travel(datetime(2026, 8, 20, 12, 0, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def _known(client):
    make_subscriber("pending@example.org", state="pending")
    make_subscriber("active@example.org")
    services.pause(
        make_subscriber("paused@example.org"), until=datetime(2026, 9, 1, tzinfo=UTC).date()
    )
    make_subscriber("left@example.org", state="unsubscribed")
    services.suppress(make_subscriber("bounced@example.org"), Suppression.Reason.BOUNCED)
    services.suppress(make_subscriber("complained@example.org"), Suppression.Reason.COMPLAINED)
    services.erase(make_subscriber("erased@example.org"))
    for _ in range(15):
        client.post("/subscribe/", {"email": "bombed@example.org"})


def told(answer):
    """All of an answer but the value of a cookie, of which its length."""
    cookies = {
        name: (len(morsel.value), {**morsel, "expires": ""})
        for name, morsel in answer.cookies.items()
    }
    return answer.status_code, sorted(answer.headers.items()), cookies, answer.content


@pytest.mark.usefixtures("_known")
@pytest.mark.parametrize("way", WAYS)
def test_answer_is_the_same_for_every_address(client, way):
    # Two rounds: what was asked for a moment ago is answered no differently.
    answers = {
        (state, turn): told(WAYS[way](client, f"{state}@example.org"))
        for turn in range(2)
        for state in STATES
    }
    first = answers["new", 0]
    assert first[0] in (200, 202)
    assert {name: found for name, found in answers.items() if found != first} == {}


@pytest.mark.parametrize("way", WAYS)
def test_limit_is_reached_alike_for_every_address(client, settings, way):
    settings.SIGNUP_RATE_CLIENT = "1/h"
    make_subscriber("active@example.org")
    found = []
    for state in ("active", "new"):
        cache.clear()
        codes = [WAYS[way](client, f"{state}@example.org").status_code for _ in range(3)]
        found.append(codes)
    assert found[0] == found[1]
    assert found[0][1:] == [429, 429]
