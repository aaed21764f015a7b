"""What is in doubt is settled at the desk; the lists of mail, notices and the log answer there."""

import json
from datetime import date

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html as lxml_html

from digest.delivery import lookup, notices
from digest.delivery.feedback import doubt
from digest.models import Delivery, Edition, Event
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = pytest.mark.django_db
DOUBT, SETTLE = "admin:digest_in_doubt", "admin:digest_settle"


def words(response):
    page = lxml_html.document_fromstring(response.content.decode())
    return " ".join(" ".join(page.get_element_by_id("content-main").itertext()).split())


def show(client, model, **asked):
    response = client.get(reverse(f"admin:digest_{model}_changelist"), asked)
    assert response.status_code == 200
    return words(response)


def allowed(client, *codenames):
    user = User.objects.create_user("helper", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.fixture
def doubtful():
    readers = [make_subscriber() for _ in range(5)]
    return [make_batch(readers[:3], provider="smtp"), make_batch(readers[3:], provider="smtp")]


def states(batch):
    return set(batch.deliveries.values_list("state", flat=True))


def press(client, asked):
    """The button of the page that asks whether it is meant."""
    page = lxml_html.document_fromstring(client.get(reverse(SETTLE), asked).content)
    return dict(page.xpath(f"//form[@action='{reverse(SETTLE)}']")[0].form_values())


def test_page_says_what_is_in_doubt_and_offers_both_ways(admin_client, doubtful):
    said = words(admin_client.get(reverse(DOUBT)))
    assert "Edition 2026-08-20 2 batches, 5 readers Send all again Give up all" in said
    assert "smtp: 3\xa0readers since 2026-08-21 08:00 UTC".replace("\xa0", " ") in said
    assert "Only you can settle it" in said


def test_page_without_doubts_says_so(admin_client):
    assert "Nothing is in doubt." in words(admin_client.get(reverse(DOUBT)))


@pytest.mark.parametrize(
    ("way", "risk", "then"),
    [
        ("release", "gets a second one", ("pending", "3 deliveries are sent again")),
        ("drop", "gets nothing of this edition", ("failed", "3 deliveries are given up")),
    ],
)
def test_batch_is_settled_once_its_risk_was_shown(admin_client, doubtful, way, risk, then):
    batch, other = doubtful
    asked = {"way": way, "batch": batch.pk}
    confirm = words(admin_client.get(reverse(SETTLE), asked))
    assert risk in confirm
    assert states(batch) == {"uncertain"}
    admin_client.post(reverse(SETTLE), press(admin_client, asked))
    state, logged = then
    assert (states(batch), states(other)) == ({state}, {"uncertain"})
    assert logged in LogEntry.objects.get().change_message


def test_all_of_an_edition_is_settled_by_one_press(admin_client, doubtful):
    other = make_batch([make_subscriber()], day=date(2026, 8, 21))
    edition = doubtful[0].edition
    asked = press(admin_client, {"way": "release", "edition": edition.pk})
    page = admin_client.post(reverse(SETTLE), asked, follow=True)
    assert "5 deliveries are sent again." in page.content.decode()
    assert [states(b) for b in (*doubtful, other)] == [{"pending"}, {"pending"}, {"uncertain"}]
    assert LogEntry.objects.get().object_repr == "2026-08-20"


def test_second_press_settles_nothing_that_nobody_was_asked_about(
    admin_client, doubtful, monkeypatch
):
    monkeypatch.setattr(doubt, "MOST_BATCHES", 1)
    asked = press(admin_client, {"way": "drop", "edition": doubtful[0].edition_id})
    for _ in range(2):
        admin_client.post(reverse(SETTLE), asked)
    assert [states(batch) for batch in doubtful] == [{"failed"}, {"uncertain"}]


def test_what_was_settled_meanwhile_is_said_to_be(admin_client, doubtful):
    asked = press(admin_client, {"way": "drop", "batch": doubtful[0].pk})
    admin_client.post(reverse(SETTLE), asked)
    assert "Nothing of it is in doubt any more" in words(admin_client.get(reverse(SETTLE), asked))
    admin_client.post(reverse(SETTLE), asked)
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"way": "release"}, {"way": "burn", "batch": "1"}, {"way": "drop", "batch": "x"},
        {"way": "drop", "batch": "1", "edition": "1"}, {"way": "drop", "edition": "99"},
        {"way": "drop", "batch": "9" * 30}, {"way": "drop", "edition": "1", "shown": "x"},
        {"way": "drop", "edition": "1", "shown": "9" * 30},
    ],
)  # fmt: skip
def test_wrong_question_settles_nothing(admin_client, doubtful, wrong):
    assert admin_client.post(reverse(SETTLE), wrong).status_code == 404
    assert states(doubtful[0]) == {"uncertain"}


def test_who_may_only_look_settles_nothing(client, doubtful):
    allowed(client, "view_batch")
    assert "Send again" not in client.get(reverse(DOUBT)).content.decode().split("Edition 20")[1]
    asked = {"way": "drop", "batch": doubtful[0].pk}
    assert client.post(reverse(SETTLE), asked).status_code == 403
    assert client.get(reverse(SETTLE), asked).status_code == 403


def test_who_may_see_nothing_sees_nothing(client, doubtful):
    allowed(client)
    assert client.get(reverse(DOUBT)).status_code == 403
    assert client.get(reverse("admin:digest_delivery_changelist")).status_code == 403


def test_deliveries_are_found_by_edition_state_reader_and_batch(admin_client, doubtful):
    first, other = doubtful
    edition = first.edition
    Delivery.objects.filter(batch=other).update(state="sent", esp_message_id="<7@mailgun>")
    reader = first.deliveries.first().subscriber_id
    assert show(admin_client, "delivery").count("2026-08-20") == 5 + 1
    assert show(admin_client, "delivery", edition=edition.pk, state="sent").count("Sent") == 2 + 2
    assert show(admin_client, "delivery", reader=reader).count("Uncertain smtp") == 0
    assert show(admin_client, "delivery", batch=first.pk).count(" Uncertain") == 3 + 1
    by_id = {"edition": edition.pk, "message_id": "<7@mailgun>"}
    assert show(admin_client, "delivery", **by_id).count(" Sent") == 2 + 2


def test_skipped_readers_need_an_edition(admin_client, doubtful):
    reader = make_subscriber()
    edition = doubtful[0].edition
    Delivery.objects.create(
        edition=edition, subscriber=reader, state="skipped", reason="nothing_new"
    )
    said = show(admin_client, "delivery", edition=edition.pk, planned="none")
    assert "nothing on their topics" in said
    assert "Choose the edition" in show(admin_client, "delivery", planned="none")
    assert "Choose the edition" in show(admin_client, "delivery", message_id="<1@x>")


@pytest.mark.parametrize(
    "wrong",
    [
        {"reader": "x"}, {"reader": "9" * 30}, {"reader": "-1"}, {"state": "lost"}, {"below": "1;"},
        {"edition": "99"}, {"edition": "x"}, {"message_id": "x" * 300},
    ],
)  # fmt: skip
def test_wrong_filter_is_said_in_a_line(admin_client, doubtful, wrong):
    page = admin_client.get(reverse("admin:digest_delivery_changelist"), wrong)
    assert page.content.decode().count('role="alert"') == 1


def test_older_pages_follow_by_key(admin_client, doubtful, monkeypatch):
    monkeypatch.setattr(lookup, "PAGE", 2)
    edition = doubtful[0].edition
    address = reverse("admin:digest_delivery_changelist") + f"?edition={edition.pk}"
    numbers = []
    while address:
        page = lxml_html.document_fromstring(admin_client.get(address).content)
        numbers += [int(cell) for cell in page.xpath("//tbody/tr/td[1]//text()") if cell.strip()]
        further = page.xpath("//nav[@aria-label='Pages']/a[text()='Older']/@href")
        address = reverse("admin:digest_delivery_changelist") + further[0] if further else ""
    assert numbers == sorted(Delivery.objects.values_list("pk", flat=True), reverse=True)


def test_delivery_shows_its_papers_and_what_was_told_of_it(admin_client):
    paper = make_paper(title="Doors")
    edition = make_edition(date(2026, 8, 20), [paper])
    batch = make_batch([make_subscriber()], deliveries="sent")
    batch.audience.cards = [[paper.pk, "votes", "", ""]]
    batch.audience.save()
    delivery = batch.deliveries.get()
    Event.objects.create(
        provider="mailgun", event_id="1", type="bounced", delivery=delivery, description="550 gone"
    )
    said = words(admin_client.get(reverse("admin:digest_delivery_change", args=[delivery.pk])))
    assert edition.name in said
    assert "Doors" in said
    assert "bounced 550 gone" in said


@pytest.mark.parametrize(("codename", "links"), [("view_subscriber", 1), ("view_event", 0)])
def test_delivery_leads_to_its_reader_where_one_may_go_there(client, doubtful, codename, links):
    allowed(client, "view_delivery", codename)
    delivery = doubtful[0].deliveries.first()
    address = f"/admin/subscriptions/subscriber/{delivery.subscriber_id}/change/"
    page = client.get(reverse("admin:digest_delivery_change", args=[delivery.pk])).content.decode()
    assert page.count(f'href="{address}"') == links


def test_events_are_found_by_type_delivery_and_reader(admin_client, doubtful):
    delivery = doubtful[0].deliveries.first()
    for n, kind in enumerate(["bounced", "delivered", "delivered"]):
        Event.objects.create(
            provider="mailgun", event_id=str(n), type=kind, delivery=delivery if n else None
        )
    assert show(admin_client, "event", type="bounced").count("bounced mailgun") == 1
    assert show(admin_client, "event", delivery=delivery.pk).count("delivered mailgun") == 2
    assert show(admin_client, "event", reader=delivery.subscriber_id).count("d mailgun") == 2
    assert show(admin_client, "event", provider="postmark").endswith("There is none.")


def test_batches_are_found_by_state(admin_client, doubtful):
    held = make_batch([make_subscriber()], day=date(2026, 8, 21), deliveries="pending")
    make_batch([make_subscriber()], day=date(2026, 8, 22), deliveries="pending")
    Edition.objects.filter(pk=held.edition_id).update(held_at=held.offered_at)
    for state, number in (("uncertain", 2), ("open", 2), ("held", 1), ("done", 0), ("", 4)):
        address = reverse("admin:digest_batch_changelist")
        page = lxml_html.document_fromstring(admin_client.get(address, {"state": state}).content)
        assert len(page.xpath("//tbody/tr")) == number, state


def test_notices_say_the_mend_and_lead_to_where_they_are_seen(admin_client):
    link = "/admin/digest/event/?type=complained"
    notices.tell("in_doubt", "1", what="Digests are in doubt.", mend="Look for them.")
    notices.tell("complaints_warning", "2", what="Many complained.", mend="Look.", link=link)
    page = lxml_html.document_fromstring(
        admin_client.get(reverse("admin:digest_notice_changelist")).content
    )
    newest, oldest = page.xpath("//tbody/tr")
    assert newest.xpath(".//a/@href") == [link]
    assert ("Look for them." in oldest.text_content(), oldest.xpath(".//a")) == (True, [])
    assert "Many complained." not in show(admin_client, "notice", kind="in_doubt")


def test_log_says_who_did_what_to_which_object(admin_client, doubtful):
    asked = press(admin_client, {"way": "drop", "batch": doubtful[0].pk})
    admin_client.post(reverse(SETTLE), asked)
    address = reverse("admin:admin_logentry_changelist")
    said = words(admin_client.get(address))
    assert f"admin changed batch “batch {doubtful[0].pk} (uncertain)” In doubt: 3" in said
    other = User.objects.create_user("ada", is_staff=True)
    assert "There is none." in words(admin_client.get(address, {"person": other.pk}))
    assert "In doubt: 3" in words(admin_client.get(address, {"kind": str(CHANGE)}))
    assert "There is none." in words(admin_client.get(address, {"kind": "3"}))


def test_log_is_for_those_who_may_see_it(client):
    allowed(client, "view_delivery")
    assert client.get(reverse("admin:admin_logentry_changelist")).status_code == 403


@pytest.mark.parametrize("model", ["delivery", "event", "batch", "notice"])
def test_lists_count_nothing(admin_client, doubtful, model):
    with CaptureQueriesContext(connection) as captured:
        show(admin_client, model)
    table = f'FROM "digest_{model}"'
    asked = [query["sql"] for query in captured if table in query["sql"]]
    assert not [sql for sql in asked if "COUNT(" in sql]
    assert json.dumps(asked)
