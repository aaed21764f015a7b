"""What a subscriber can download: all that is held (EMAIL_STANDARDS section 7, export)."""

import json
from datetime import date, datetime

import pytest
from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder

from digest.models import Event
from subscriptions import held, logbook, services
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from subscriptions.records import Evidence
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch, make_paper

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


def test_download_has_the_papers_of_digests_by_name_and_why_they_came():
    reader = make_subscriber()
    paper = make_paper(title="Tools that plan")
    batch = make_batch([reader, make_subscriber()], deliveries="sent")
    batch.audience.cards = [[paper.pk, "Your keyword: tools", "keywords", "tools"], [10**9, "Gone"]]
    batch.audience.save()
    (digest,) = downloaded(reader)["papers_of_digests"]
    assert digest["edition"] == batch.edition.name
    assert digest["papers"] == [
        {"arxiv_id": paper.arxiv_id, "title": "Tools that plan", "why": "Your keyword: tools"}
    ]


@pytest.mark.parametrize("state", ["pending", "sent", "failed", "skipped", "suppressed"])
def test_download_says_of_a_digest_whether_it_was_sent(state):
    reader = make_subscriber()
    make_batch([reader], deliveries=state)
    assert [digest["state"] for digest in downloaded(reader)["papers_of_digests"]] == [state]


def test_download_says_what_operators_did_and_not_who():
    reader, other = make_subscriber(), make_subscriber()
    logbook.note(reader, "Suppressed the address")
    logbook.note(other, "Unsubscribed the reader")
    (act,) = downloaded(reader)["acts_of_operators"]
    assert act.keys() == {"at", "act"}
    assert act["act"] == "Suppressed the address"
    assert datetime.fromisoformat(act["at"]).tzinfo


ABOUT_READERS = {
    "subscriptions.Subscriber": "email",
    "subscriptions.Suppression": "suppressions",
    "subscriptions.ConsentRecord": "consent_records",
    "subscriptions.Subscription": "subscriptions",
    "subscriptions.FollowedKeyword": "followed_keywords",
    "subscriptions.FollowedAuthor": "followed_authors",
    "subscriptions.FollowedOrganization": "followed_organizations",
    "subscriptions.FollowedCategory": "followed_categories",
    "subscriptions.TransactionalMessage": "transactional_messages",
    "digest.Delivery": "deliveries",
    "digest.Event": "events",
    "digest.Opinion": "opinions",
    "digest.Taste": "tastes",
    "digest.Audience": "papers_of_digests",
    "admin.LogEntry": "acts_of_operators",
}
"""Each table that says something of a reader, and where the download has it."""
ABOUT_NOBODY = {
    "auth.Permission": "of the desk", "auth.Group": "of the desk", "auth.User": "operators",
    "contenttypes.ContentType": "Django's", "subscriptions.Topic": "the catalogue",
    "subscriptions.Slot": "shared by all of a rhythm, which the download has",
    "subscriptions.LeaveReason": "without who said it",
    "axes.AccessAttempt": "operators", "axes.AccessFailureLog": "operators",
    "axes.AccessLog": "operators", "axes.AccessAttemptExpiration": "operators",
    "otp_totp.TOTPDevice": "operators", "otp_static.StaticDevice": "operators",
    "otp_static.StaticToken": "operators",
    "sessions.Session": "an operator's; the words of their searches for an hour",
    "digest.Paper": "archive", "digest.PaperTopic": "archive", "digest.TopicCorrection": "archive",
    "digest.VoteSnapshot": "archive", "digest.Listing": "archive", "digest.Fetch": "archive",
    "digest.Lease": "of fetches", "digest.Author": "archive", "digest.Edition": "archive",
    "digest.EditionPaper": "archive", "digest.SearchEntry": "archive",
    "digest.VectorSpace": "archive", "digest.PaperVector": "archive",
    "digest.AudienceSelection": "which choices got which list; of nobody",
    "digest.Batch": "shared by its readers, whose deliveries the download has",
    "digest.Draft": "of editors", "digest.EditorChoice": "of editors",
    "digest.EditionCount": "counts", "digest.DayFigure": "counts", "digest.DayCount": "counts",
    "digest.Circuit": "of providers", "digest.ProviderPlan": "of providers",
    "digest.Notice": "to operators, without any address",
}  # fmt: skip


def test_every_table_is_in_the_download_or_says_why_not():
    tables = {model._meta.label for model in apps.get_models()}
    assert tables == {*ABOUT_READERS, *ABOUT_NOBODY}
    assert set(ABOUT_READERS.values()) <= set(downloaded(make_subscriber()))


def test_every_key_to_a_reader_is_of_a_table_in_the_download():
    keys = {
        model._meta.label
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model in (Subscriber, TransactionalMessage) or "email" in field.name
    }
    assert keys - {"auth.User"} <= set(ABOUT_READERS)


@pytest.mark.parametrize("count", [1, 20])
def test_download_takes_the_same_queries_for_any_number(count, django_assert_num_queries):
    reader = make_subscriber(topics=[make_topic() for _ in range(count)])
    with django_assert_num_queries(16):
        held.data(reader)
