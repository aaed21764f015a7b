"""What a subscriber can download: all that is held (EMAIL_STANDARDS section 7, export)."""

import json
from datetime import date

import pytest
from django.core.serializers.json import DjangoJSONEncoder

from digest.models import Event
from subscriptions import held, services
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from subscriptions.records import Evidence
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db


def downloaded(reader):
    return json.loads(json.dumps(held.data(reader), cls=DjangoJSONEncoder))


def test_download_has_every_field_of_the_subscriber():
    reader = make_subscriber("ada@example.org", hour=5, paused_until=date(2026, 9, 3))
    fields = {field.name for field in Subscriber._meta.concrete_fields} - {"id"}
    found = downloaded(reader)
    assert fields <= set(found)
    assert (found["email"], found["hour"], found["paused_until"]) == (
        "ada@example.org", 5, "2026-09-03",
    )  # fmt: skip


def test_download_has_what_is_followed_agreed_and_mailed():
    topic = make_topic("theory")
    reader = make_subscriber(
        topics=[topic], keywords=("x",), authors=("Y. Choi",), organizations=("EPFL",)
    )
    services.unsubscribe(reader, evidence=Evidence(ip_address="192.0.2.7", text="Unsubscribe"))
    TransactionalMessage.objects.create(subscriber=reader, kind="confirm")
    make_subscriber(keywords=("another reader's",))
    found = downloaded(reader)
    assert [row["topic"] for row in found["subscriptions"]] == [topic.name]
    assert found["followed_keywords"] == [{"text": "x"}]
    assert found["followed_authors"] == [{"name": "Y. Choi"}]
    assert found["followed_organizations"] == [{"name": "EPFL"}]
    assert found["consent_records"][0]["ip_address"] == "192.0.2.7"
    assert found["transactional_messages"][0]["kind"] == "confirm"


def test_download_says_whether_the_address_is_suppressed(settings):
    reader = make_subscriber()
    assert downloaded(reader)["suppressions"] == []
    services.suppress(reader, Suppression.Reason.BOUNCED)
    settings.SECRET_KEY = "another"
    assert [row["reason"] for row in downloaded(reader)["suppressions"]] == ["bounced"]


def test_download_has_the_rows_of_other_apps_and_what_is_told_about_them():
    reader = make_subscriber()
    batch = make_batch([reader], deliveries="sent")
    message = TransactionalMessage.objects.create(subscriber=reader, kind="confirm")
    Event.objects.create(delivery=batch.deliveries.get(), event_id="1", type="bounced")
    Event.objects.create(message=message, event_id="2", type="delivered")
    Event.objects.create(delivery_id=10**9, event_id="3", type="sent")
    found = downloaded(reader)
    (row,) = found["deliveries"]
    assert (row["edition"], row["state"]) == (batch.edition.name, "sent")
    assert "subscriber" not in row
    assert sorted(row["type"] for row in found["events"]) == ["bounced", "delivered"]


@pytest.mark.parametrize("count", [1, 20])
def test_download_takes_the_same_queries_for_any_number(count, django_assert_num_queries):
    reader = make_subscriber(topics=[make_topic() for _ in range(count)])
    with django_assert_num_queries(14):
        held.data(reader)
