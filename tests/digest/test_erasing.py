"""What is left of a reader who was erased: a keyed hash, counts, and nothing that leads back to them."""

import json
import uuid
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connection, connections

from digest import forgetting
from digest.delivery import ledger, sending
from digest.delivery.due import planning
from digest.delivery.esp import providers
from digest.editions import opened
from digest.models import Delivery, Event, Opinion, Taste
from subscriptions import addresses, logbook, services, tokens
from subscriptions.models import ConsentRecord, Subscriber, Suppression, TransactionalMessage
from subscriptions.records import Evidence
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper
from tests.servers import LocalServer

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
ADDRESS = "erika.mustermann@example.org"


@pytest.fixture
def edition(db):
    return make_edition(DAY, [make_paper(upvotes=3, authors=["Ada Mustermann"]), make_paper()])


@pytest.fixture
def reader(edition):
    """Somebody of whom every table holds something."""
    made = make_subscriber(
        ADDRESS, keywords=("mustermann's law",), authors=("Ada Mustermann",), next_digest_at=NOW,
        organizations=("Mustermann Institute",), learns=True, new_email="neu@example.net",
    )  # fmt: skip
    planning.plan(NOW)
    Delivery.objects.update(state="sent", provider="mailgun", esp_message_id="<abc@mailgun>",
                            detail="taken", sent_at=NOW)  # fmt: skip
    message = TransactionalMessage.objects.create(subscriber=made, kind="confirm", address=ADDRESS)
    for number, about in enumerate([{"delivery": Delivery.objects.get()}, {"message": message}]):
        Event.objects.create(
            provider="mailgun", event_id=str(number), type="delivered", applied_at=NOW,
            description="to Erika, the Mustermanns' mailbox", **about,
        )  # fmt: skip
    first, second = (place.paper for place in edition.places.all())
    opened.record(tokens.read_opened(tokens.make_opened(made)), first.arxiv_id)
    Opinion.objects.create(subscriber=made, paper=second, verdict="more")
    Taste.objects.create(subscriber=made, mark="a-mark", weights=b"laundry", opinions=1)
    evidence = Evidence(ip_address="192.0.2.77", user_agent="Erikas Browser", text="[Save]")
    services.pause(made, DAY, evidence=evidence)
    logbook.note(made, f"Wrote to {ADDRESS}")
    return Subscriber.objects.get(pk=made.pk)


def everything_stored():
    """Each value of each column of each table, in one text."""
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  a name
            rows += [bytes(v).decode(errors="replace") if isinstance(v, memoryview) else str(v)
                     for row in cursor.fetchall() for v in row]  # fmt: skip
    return "\n".join(rows)


def traces(reader):
    return [
        ADDRESS, "mustermann's law", "Mustermann Institute", "neu@example.net", reader.public_id.hex,
        "192.0.2.77", "Erikas Browser", "abc@mailgun", "a-mark", "the Mustermanns' mailbox",
    ]  # fmt: skip


def test_reader_is_all_over_the_tables_before(reader):
    text = everything_stored().replace("-", "")
    assert [each for each in traces(reader) if each.replace("-", "") not in text] == []


def test_no_table_has_anything_of_who_was_erased(reader):
    services.erase(reader)
    forgetting.forget(NOW)
    text = everything_stored().replace("-", "").lower()
    assert [each for each in traces(reader) if each.replace("-", "").lower() in text] == []
    assert Suppression.objects.get().address_hash == addresses.hash_of(ADDRESS)
    assert Suppression.objects.get().reason == "erased"


def test_counts_stay_and_lead_to_nobody(reader, edition):
    before = ledger.of_edition(edition)
    services.erase(reader)
    assert ledger.of_edition(edition) == before
    left = Delivery.objects.get()
    assert (left.subscriber_id, left.esp_message_id, left.detail) == (None, "", "")
    assert LogEntry.objects.get().object_repr == f"subscriber {reader.pk}"


def test_words_of_other_readers_mail_servers_stay(reader, edition):
    """Of a digest, of a single mail, and of nothing that is known."""
    other = make_subscriber("other@example.org")
    message = TransactionalMessage.objects.create(
        subscriber=other, kind="confirm", address="o@x.org"
    )
    for about in ({"message": message}, {}):
        Event.objects.create(
            provider="brevo", event_id=str(about), type="bounced", description="full", **about
        )
    services.erase(reader)
    assert list(Event.objects.order_by("pk").values_list("description", flat=True)) == [
        "",
        "",
        "full",
        "full",
    ]


def test_number_of_queries_of_an_erasure_does_not_grow_with_events(
    reader, django_assert_max_num_queries
):
    delivery = Delivery.objects.get()
    Event.objects.bulk_create(
        Event(
            provider="mailgun",
            event_id=f"more-{number}",
            type="bounced",
            delivery=delivery,
            description="full",
        )
        for number in range(50)
    )
    with django_assert_max_num_queries(40):
        services.erase(reader)
    assert not Event.objects.exclude(description="").exists()


def test_hash_is_keyed(reader, settings):
    services.erase(reader)
    settings.SECRET_KEY = "another"
    assert addresses.hash_of(ADDRESS) != Suppression.objects.get().address_hash


def test_erased_twice_is_erased_once(reader):
    services.erase(reader)
    services.erase(reader)
    assert Suppression.objects.count() == 1
    assert not Subscriber.objects.exists()


def test_address_that_signs_up_again_after_its_erasure_is_not_stored(reader):
    services.erase(reader)
    services.subscribe(ADDRESS, evidence=Evidence(ip_address="192.0.2.77"))
    assert not Subscriber.objects.exists()
    assert not ConsentRecord.objects.exists()
    assert not TransactionalMessage.objects.exists()


def test_address_that_an_operator_lets_in_again_begins_anew(reader):
    services.erase(reader)
    Suppression.objects.all().delete()
    services.subscribe(ADDRESS, evidence=Evidence())
    back = Subscriber.objects.get()
    assert back.public_id != reader.public_id
    assert not back.deliveries.exists()
    assert [record.action for record in back.consent_records.all()] == ["signed_up"]


class _Eraser(LocalServer):
    """Postmark, at which the reader is erased while it is told of their digest."""

    def __init__(self, reader):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_): ...

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                services.erase(reader)
                connections.close_all()
                said = {"ErrorCode": 0, "Message": "OK", "MessageID": uuid.UUID(int=7).hex,
                        "SubmittedAt": "2026-08-21T08:00:00Z", "To": ADDRESS}  # fmt: skip
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

        super().__init__(Handler)


@pytest.mark.django_db(transaction=True)
def test_reader_who_is_erased_while_their_digest_is_sent_leaves_a_count(settings):
    edition = make_edition(DAY, [make_paper(), make_paper()])
    reader = make_subscriber(ADDRESS, next_digest_at=NOW)
    planning.plan(NOW)
    providers.connection.cache_clear()
    with _Eraser(reader) as postmark:
        settings.EMAIL_PROVIDERS = ["postmark"]
        settings.ANYMAIL = settings.ANYMAIL | {
            "POSTMARK_SERVER_TOKEN": "token", "POSTMARK_API_URL": f"{postmark.url}/",
        }  # fmt: skip
        assert sending.send_pending() == 1
    left = Delivery.objects.get()
    assert (left.state, left.subscriber_id, left.esp_message_id) == ("sent", None, "")
    assert ledger.of_edition(edition).is_balanced
    assert ADDRESS not in everything_stored()


def test_every_column_for_an_address_goes_with_its_reader():
    """A new one must be thought of here."""
    named = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_app_config("subscriptions").get_models()
        for field in model._meta.concrete_fields
        if any(word in field.name for word in ("email", "address"))
    }
    assert named == {
        "subscriptions.Subscriber.email", "subscriptions.Subscriber.new_email",
        "subscriptions.Subscriber.address_hash", "subscriptions.Suppression.address_hash",
        "subscriptions.TransactionalMessage.address", "subscriptions.ConsentRecord.ip_address",
    }  # fmt: skip
