"""What is in doubt is settled at the desk; the lists of mail, notices and the log answer there."""

import json
from datetime import UTC, date, datetime

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html as lxml_html

from digest.delivery import lookup, notices
from digest.delivery.feedback import doubt
from digest.models import Delivery, Edition, Event
from subscriptions.models import Subscriber
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


def pressed(client, *, way, **target):
    """What the button of the page sends: of a batch, or of all that is shown of an edition."""
    page = lxml_html.document_fromstring(client.get(reverse(DOUBT)).content)
    asked = {"way": way} | {name: str(pk) for name, pk in target.items()}
    forms = [dict(f.form_values()) for f in page.xpath(f"//form[@action='{reverse(SETTLE)}']")]
    (form,) = [each for each in forms if asked.items() <= each.items()]
    return form


def test_page_says_what_is_in_doubt_and_offers_both_ways(admin_client, doubtful):
    said = words(admin_client.get(reverse(DOUBT)))
    assert "Edition of Aug 20, 2026 2 batches, 5 readers Send all again…" in said
    assert "smtp: 3\xa0readers since Aug 21, 08:00 UTC".replace("\xa0", " ") in said
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
def test_batch_is_settled_by_one_press_beside_its_risk_and_evidence(
    admin_client, doubtful, way, risk, then
):
    batch, other = doubtful
    page = lxml_html.document_fromstring(admin_client.get(reverse(DOUBT)).content)
    (details,) = page.xpath(f"//details[.//input[@name='batch'][@value='{batch.pk}']]"
                            f"[.//input[@name='way'][@value='{way}']]")  # fmt: skip
    assert risk in details.text_content()
    assert "Evidence: Only you can settle it" in details.text_content()
    sent = pressed(admin_client, way=way, batch=batch.pk)
    page = admin_client.post(reverse(SETTLE), sent, follow=True)
    state, said = then
    assert page.redirect_chain == [(reverse(DOUBT), 302)]
    assert said in page.content.decode()
    assert (states(batch), states(other)) == ({state}, {"uncertain"})
    assert said in LogEntry.objects.get().change_message


def test_all_of_an_edition_is_settled_by_one_press(admin_client, doubtful):
    other = make_batch([make_subscriber()], day=date(2026, 8, 21))
    asked = pressed(admin_client, way="release", edition=doubtful[0].edition_id)
    page = admin_client.post(reverse(SETTLE), asked, follow=True)
    assert "5 deliveries are sent again." in page.content.decode()
    assert [states(b) for b in (*doubtful, other)] == [{"pending"}, {"pending"}, {"uncertain"}]
    assert LogEntry.objects.get().object_repr == "2026-08-20"


def test_second_press_settles_nothing_that_was_not_shown(admin_client, doubtful, monkeypatch):
    make_batch([make_subscriber()], day=date(2026, 8, 20))
    monkeypatch.setattr(doubt, "MOST_BATCHES", 2)
    asked = pressed(admin_client, way="drop", edition=doubtful[0].edition_id)
    for _ in range(2):
        page = admin_client.post(reverse(SETTLE), asked, follow=True)
    assert "Nothing of it is in doubt any more" in page.content.decode()
    assert [states(batch) for batch in doubtful] == [{"failed"}, {"failed"}]
    assert Delivery.objects.filter(state="uncertain").count() == 1
    assert LogEntry.objects.count() == 1


def test_settling_needs_a_post_and_its_token(admin_client, doubtful):
    asked = pressed(admin_client, way="drop", batch=doubtful[0].pk)
    assert admin_client.get(reverse(SETTLE), asked).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = admin_client.cookies
    assert strict.post(reverse(SETTLE), {**asked, "csrfmiddlewaretoken": ""}).status_code == 403
    assert states(doubtful[0]) == {"uncertain"}


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
    assert "Send again" not in words(client.get(reverse(DOUBT))).split("Edition of")[1]
    asked = {"way": "drop", "batch": doubtful[0].pk, "shown": doubtful[0].pk}
    assert client.post(reverse(SETTLE), asked).status_code == 403
    assert states(doubtful[0]) == {"uncertain"}


def test_who_may_see_nothing_sees_nothing(client, doubtful):
    allowed(client)
    assert client.get(reverse(DOUBT)).status_code == 403
    assert client.get(reverse("admin:digest_delivery_changelist")).status_code == 403


def test_deliveries_are_found_by_edition_state_reader_and_batch(admin_client, doubtful):
    first, other = doubtful
    edition = first.edition
    Delivery.objects.filter(batch=other).update(state="sent", esp_message_id="<7@mailgun>")
    reader = first.deliveries.first().subscriber_id
    assert show(admin_client, "delivery").count("Aug 20, 2026") == 5 + 1
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
    make_edition(date(2026, 8, 20), [paper])
    batch = make_batch([make_subscriber()], deliveries="sent")
    batch.audience.cards = [[paper.pk, "votes", "", ""]]
    batch.audience.save()
    delivery = batch.deliveries.get()
    Event.objects.create(
        provider="mailgun", event_id="1", type="bounced", delivery=delivery, description="550 gone"
    )
    said = words(admin_client.get(reverse("admin:digest_delivery_change", args=[delivery.pk])))
    assert "Edition Aug 20, 2026" in said
    assert "Doors votes" in said
    assert "mail server refused it for good. In its words: 550 gone" in said


def test_delivery_leads_to_its_reader_edition_and_events_in_order(admin_client, doubtful):
    delivery = doubtful[0].deliveries.first()
    for n, minute in enumerate((5, 1)):
        Event.objects.create(
            provider="mailgun", event_id=str(n), type=("delivered", "deferred")[n], delivery=delivery,
            occurred_at=datetime(2026, 8, 21, 8, minute, tzinfo=UTC),
        )  # fmt: skip
    answer = admin_client.get(reverse("admin:digest_delivery_change", args=[delivery.pk]))
    page = lxml_html.document_fromstring(answer.content.decode())
    links = page.xpath("//*[@id='content-main']//a/@href")
    assert f"/admin/subscriptions/subscriber/{delivery.subscriber_id}/change/" in links
    assert f"/admin/digest/edition/{delivery.edition_id}/change/" in links
    told = [" ".join(each.text_content().split()) for each in page.xpath("//ol/li[time]")]
    assert told[0].startswith(
        "Aug 21, 08:01 UTC deferred: The reader’s mail server did not take it"
    )
    assert told[1].startswith("Aug 21, 08:05 UTC delivered: The reader’s mail server took it.")


def test_who_may_not_see_readers_sees_nothing_of_one_in_deliveries(client, doubtful):
    allowed(client, "view_delivery", "view_event")
    paper = make_paper(title="Doors")
    batch = doubtful[0]
    batch.audience.cards = [[paper.pk, "Your keyword: doors", "", ""]]
    batch.audience.save()
    delivery = batch.deliveries.first()
    Delivery.objects.filter(pk=delivery.pk).update(esp_message_id="<1@x>")
    Subscriber.objects.filter(pk=delivery.subscriber_id).update(id=987654)
    Delivery.objects.filter(pk=delivery.pk).update(subscriber_id=987654)
    page = client.get(reverse("admin:digest_delivery_change", args=[delivery.pk])).content.decode()
    assert "ESP message id" in page
    assert "Doors" not in page
    assert "keyword" not in page
    assert "987654" not in page
    for model in ("delivery", "event"):
        address = reverse(f"admin:digest_{model}_changelist")
        listed = client.get(address, {"reader": "987654"}).content.decode()
        assert "987654" not in listed
        assert "Reader’s number" not in listed


def test_events_are_found_by_type_delivery_and_reader(admin_client, doubtful):
    delivery = doubtful[0].deliveries.first()
    for n, kind in enumerate(["bounced", "delivered", "delivered"]):
        Event.objects.create(
            provider="mailgun", event_id=str(n), type=kind, delivery=delivery if n else None
        )
    assert show(admin_client, "event", type="bounced").count("bounced mailgun") == 1
    assert show(admin_client, "event", delivery=delivery.pk).count("delivered mailgun") == 2
    assert show(admin_client, "event", reader=delivery.subscriber_id).count("d mailgun") == 2
    assert show(admin_client, "event", provider="postmark").endswith("Nothing was found.")


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
    # On a phone each cell has its column's name before it.
    assert "What to do" in oldest.xpath("./td/@data-label")
    assert newest.xpath(".//a/@href") == [link]
    assert ("Look for them." in oldest.text_content(), oldest.xpath(".//a")) == (True, [])
    assert "Many complained." not in show(admin_client, "notice", kind="in_doubt")


def test_log_says_who_did_what_to_which_object(admin_client, doubtful):
    asked = pressed(admin_client, way="drop", batch=doubtful[0].pk)
    admin_client.post(reverse(SETTLE), asked)
    address = reverse("admin:admin_logentry_changelist")
    said = words(admin_client.get(address))
    assert f"admin changed batch “batch {doubtful[0].pk} (uncertain)” In doubt: 3" in said
    other = User.objects.create_user("ada", is_staff=True)
    assert "Nothing was found." in words(admin_client.get(address, {"person": other.pk}))
    assert "In doubt: 3" in words(admin_client.get(address, {"kind": str(CHANGE)}))
    assert "Nothing was found." in words(admin_client.get(address, {"kind": "3"}))


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
