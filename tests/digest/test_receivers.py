"""Webhooks: Mailgun's signed events in, once, in any order."""

import hashlib
import hmac
import json
import time
from datetime import UTC, date, datetime

import pytest

from digest.delivery import outbox, planning
from digest.editions import building
from digest.models import Delivery, Event
from subscriptions.models import Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
URL = "/webhooks/mailgun/tracking/"
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
AUTH = {"HTTP_AUTHORIZATION": "Basic dXNlcjp3b3Jk"}


@pytest.fixture
def batch(settings):
    """A claimed batch of two readers."""
    settings.ANYMAIL = settings.ANYMAIL | {
        "MAILGUN_WEBHOOK_SIGNING_KEY": "signing-key",
        "WEBHOOK_SECRET": ["user:word"],
    }
    make_listing(make_paper(), date(2026, 8, 20))
    building.build(date(2026, 8, 20))
    make_subscriber(next_digest_at=NOW)
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    return outbox.claim(NOW, size=10)


def payload(batch, *, name="delivered", event_id="e1", key="signing-key", **fields):
    stamp, token = str(int(time.time())), "t" * 50
    signature = hmac.new(key.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    delivery = batch.deliveries[0]
    return {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {
            "event": name,
            "id": event_id,
            "timestamp": time.time(),
            "recipient": delivery.subscriber.email,
            "user-variables": {"delivery": str(delivery.pk), "batch": str(batch.batch_id)},
            "message": {"headers": {"message-id": "1@mailgun"}},
        }
        | fields,
    }


def post(client, data, **extra):
    return client.post(URL, json.dumps(data), content_type="application/json", **AUTH | extra)


def states():
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_delivered_event_settles_the_one_call_with_the_whole_batch(client, batch):
    assert post(client, payload(batch)).status_code == 200
    assert states() == ["sent", "sent"]


def test_delivered_event_of_a_call_with_one_reader_settles_only_that_one(client, batch):
    own = {"delivery": str(batch.deliveries[0].pk)}
    post(client, payload(batch, **{"user-variables": own}))
    assert states() == ["sent", "claimed"]


def test_late_proof_of_the_first_copy_keeps_a_released_delivery_from_going_again(client, batch):
    Delivery.objects.update(state=Delivery.State.UNCERTAIN)
    outbox.release(Delivery.objects.all())
    own = {"delivery": str(batch.deliveries[0].pk)}
    post(client, payload(batch, **{"user-variables": own}))
    assert states() == ["sent", "pending"]


def test_repeated_event_is_recorded_once(client, batch):
    for _ in range(3):
        assert post(client, payload(batch)).status_code == 200
    assert Event.objects.count() == 1


def test_permanent_failure_suppresses_the_address(client, batch):
    post(client, payload(batch, name="failed", severity="permanent", reason="bounce"))
    assert Suppression.objects.get().reason == "bounced"


def test_temporary_failure_does_not(client, batch):
    post(client, payload(batch, name="failed", severity="temporary", reason="generic"))
    assert not Suppression.objects.exists()


def test_address_in_the_providers_words_is_not_kept(client, batch):
    """Events outlive the erasure of their reader."""
    status = {"description": "550 5.1.1 <ada@example.org>: unknown", "code": 550}
    fields = {"severity": "permanent", "reason": "bounce", "delivery-status": status}
    post(client, payload(batch, name="failed", **fields))
    assert Event.objects.get().description == "550 5.1.1 <an address>: unknown"


def test_webhook_of_a_provider_that_is_not_set_up_is_not_found(client, settings):
    settings.ANYMAIL = {}
    assert client.post(URL, "{}", content_type="application/json").status_code == 404


def test_bad_signature_changes_nothing(client, batch):
    """EMAIL_STANDARDS 9: refused calls get 400."""
    assert post(client, payload(batch, key="another")).status_code == 400
    assert not Event.objects.exists()


def test_missing_secret_changes_nothing(client, batch):
    answer = post(client, payload(batch), HTTP_AUTHORIZATION="Basic eDp5")
    assert answer.status_code == 400
    assert not Event.objects.exists()
