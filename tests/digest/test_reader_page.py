"""The operator's page of a reader: what was sent, with which papers and why, and what came of it."""

from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from lxml import html as lxml_html

from digest.delivery.due import planning
from digest.models import Batch, Delivery, Edition, Event
from subscriptions.models import TransactionalMessage
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
AT = datetime(2026, 8, 21, 7, 3, tzinfo=UTC)


@pytest.fixture
def reader():
    agents = make_topic("agents", name="Agents and tool use")
    make_edition(
        date(2026, 8, 20),
        [make_paper(title="Tools that plan", topics=[agents]), make_paper(title="Votes alone")],
    )
    found = make_subscriber("ada@example.org", topics=[agents], keywords=("votes",))
    planning.plan(AT, day=date(2026, 8, 20))
    return found


@pytest.fixture
def page(admin_client):
    def show(reader, **asked):
        answer = admin_client.get(f"/admin/subscriptions/subscriber/{reader.pk}/change/", asked)
        assert answer.status_code == 200
        return lxml_html.document_fromstring(answer.content)

    return show


def words(document, part):
    return " ".join(document.get_element_by_id(part).text_content().split())


def settle(**changes):
    Batch.objects.update(provider="mailgun")
    Delivery.objects.update(**changes)
    return Delivery.objects.get()


def test_digest_has_its_papers_reasons_and_what_the_provider_reported(page, reader):
    delivery = settle(state="sent", sent_at=AT)
    Event.objects.create(
        provider="mailgun", event_id="1", type="delivered", delivery=delivery, occurred_at=AT
    )
    said = words(page(reader), "deliveries")
    assert "Aug 20, 2026 sent" in said
    assert "Taken by mailgun on Aug 21, 2026, 07:03 UTC." in said
    assert "delivered Aug 21, 07:03 UTC" in said
    assert "Tools that plan You follow Agents and tool use" in said
    assert "Votes alone Your keyword: votes" in said


STATES = [
    ({"state": "pending"}, "and not sent yet"),
    ({"state": "skipped", "reason": "paused"}, "Not sent: paused."),
    ({"state": "uncertain"}, "In doubt: mailgun did not say whether it took it."),
    ({"state": "failed", "reason": "refused", "detail": "550 no"}, "Failed: refused by the provider (550 no)."),
    ({"state": "suppressed"}, "Not sent: nothing is mailed to this address."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "meaning"), STATES)
def test_page_says_what_became_of_it(page, reader, changes, meaning):
    settle(**changes)
    assert meaning in words(page(reader), "deliveries")


def test_paper_that_is_gone_leaves_its_reason(page, reader):
    delivery = settle(state="sent")
    delivery.audience.cards = [[10**9, "Popular today", "dial", ""]]
    delivery.audience.save()
    assert "A paper that is no longer kept Popular today" in words(page(reader), "deliveries")


def test_single_message_has_what_the_provider_reported(page, reader):
    message = TransactionalMessage.objects.create(subscriber=reader, kind="confirm", state="sent")
    Event.objects.create(
        provider="mailgun", event_id="2", type="bounced", message=message, received_at=AT,
        reject_reason="bounced", description="550 no such mailbox",
    )  # fmt: skip
    assert "(bounced): 550 no such mailbox" in words(page(reader), "messages")


def test_earlier_digests_are_a_page_further(page, reader):
    for day in range(1, 16):
        edition = Edition.objects.create(frequency="daily", date=date(2026, 9, day))
        Delivery.objects.create(
            edition=edition, subscriber=reader, state="skipped", reason="paused"
        )
    first = page(reader)
    assert words(first, "deliveries").count("Not sent: paused") == 10
    (link,) = first.xpath("//a[text()='Earlier digests']")
    before = link.get("href").partition("=")[2].partition("#")[0]
    said = words(page(reader, before=before), "deliveries")
    assert said.count("Not sent: paused") == 5
    assert "Aug 20, 2026" in said
    assert "The newest" in said


def test_queries_do_not_grow_with_what_was_sent(page, reader):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            page(reader)
        return len(captured)

    TransactionalMessage.objects.create(subscriber=reader, kind="confirm")
    few = queries()
    for day in range(1, 8):
        edition = Edition.objects.create(frequency="daily", date=date(2026, 9, day))
        delivery = Delivery.objects.create(edition=edition, subscriber=reader, state="skipped")
        Event.objects.create(provider="x", event_id=str(day), type="delivered", delivery=delivery)
        TransactionalMessage.objects.create(subscriber=reader, kind="confirm")
    assert queries() <= few


def test_who_may_not_see_deliveries_sees_the_rest(client, django_user_model, reader):
    user = django_user_model.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_subscriber"))
    client.force_login(user)
    said = client.get(f"/admin/subscriptions/subscriber/{reader.pk}/change/").content.decode()
    assert "Consent history" in said
    assert "Tools that plan" not in said


def test_digest_leads_to_its_delivery_and_its_edition(page, reader):
    delivery = settle(state="sent")
    links = page(reader).xpath(
        "//*[@id='deliveries']//h3/a/@href | //*[@id='deliveries']//p/a/@href"
    )
    assert links[:2] == [
        f"/admin/digest/edition/{delivery.edition_id}/change/",
        f"/admin/digest/delivery/{delivery.pk}/change/",
    ]
