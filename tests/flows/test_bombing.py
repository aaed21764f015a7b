"""Somebody signs strangers up, hundreds of times from a hundred addresses: through the real views, with a real
Redis and the database. As many mails go out as docs/sign-up.md says at most, and real sign-ups get through."""

from datetime import UTC, datetime

import pytest
import time_machine
from django.core.cache import caches

from subscriptions import tokens
from subscriptions.models import Subscriber, TransactionalMessage
from tests import bombing

pytestmark = [pytest.mark.flow, pytest.mark.django_db]

SIGN_UPS, BOTS = 500, 100


@pytest.fixture(autouse=True)
def _redis(settings, redis_server, monkeypatch):
    """The clock stands, so that no window of a limit ends meanwhile; and nobody waits."""
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_server.url}
    settings.CACHES = {"default": cache, "pages": settings.CACHES["pages"]}
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with time_machine.travel(datetime(2026, 8, 20, 12, 0, tzinfo=UTC), tick=False):
        yield
    caches["default"].close()


@pytest.fixture(params=[0, 1])
def _proxies(settings, request):
    settings.TRUSTED_PROXIES = request.param


@pytest.fixture
def post(client, settings, _proxies):
    """Signs up as the client of the wish, which claims to be somebody else each time."""
    proxies = settings.TRUSTED_PROXIES
    claimed = iter(range(10**9))

    def sent(wish):
        written = [f"192.0.2.{next(claimed) % 256}", wish.client, "10.0.0.1"]
        # Each proxy adds whom it sees; the last one is who connects to us.
        seen = written[:1] if proxies == 0 else written[: 1 + proxies]
        answer = client.post(
            "/subscribe/",
            {"email": wish.email},
            headers={"X-Forwarded-For": ", ".join(seen)},
            REMOTE_ADDR="10.0.0.2" if proxies else wish.client,
        )
        return answer.status_code

    return sent


@pytest.fixture
def confirm(client):
    def pressed(wish):
        reader = Subscriber.objects.get(email=wish.email)
        assert client.post(f"/confirm/{tokens.make_confirm(reader)}/").status_code == 200

    return pressed


def mails(beginning):
    confirm = TransactionalMessage.objects.filter(kind="confirm")
    return confirm.filter(subscriber__email__startswith=beginning).count()


def test_many_sign_ups_of_one_victim(post, confirm):
    outcome = bombing.play(bombing.of_one(SIGN_UPS, BOTS, honest_every=25), post, confirm)
    assert outcome.tries == SIGN_UPS
    assert mails("vic.tim") == 1
    assert (outcome.honest_refused, mails("honest")) == (0, outcome.honest)


def test_sign_ups_of_many_victims(post, confirm):
    outcome = bombing.play(bombing.of_many(SIGN_UPS, BOTS, honest_every=25), post, confirm)
    most = bombing.stated_most(networks=BOTS, confirmed=outcome.honest * 3 // 5)
    assert outcome.tries == SIGN_UPS
    assert 0 < mails("victim") <= most
    assert (outcome.honest_refused, mails("honest")) == (0, outcome.honest)
