"""The operator's pages of readers: who is found, who may do what, and what is logged."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from subscriptions import held, selectors, services, tokens
from subscriptions.admin import finding, paging, standing
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db
LIST = "/admin/subscriptions/subscriber/"
SUPPRESSIONS = "/admin/subscriptions/suppression/"


@pytest.fixture
def staff(client):
    def login(*names):
        user = User.objects.create_user("operator", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return login


@pytest.fixture
def support(staff):
    return staff("view_subscriber", "change_subscriber")


def act(client, action, reader):
    client.post(LIST, {"action": action, "_selected_action": [reader.pk]})


def press(client, act, reader, **fields):
    return client.post(f"{LIST}{reader.pk}/act/", {"act": act} | fields, follow=True)


def search(client, page, text):
    return client.post(f"{page}search/", {"text": text}, follow=True)


def said(response):
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("action", ["never_mail", "mail_again", "unsubscribe_and_tell"])
def test_who_may_only_look_changes_nothing(staff, action):
    reader = make_subscriber()
    act(staff("view_subscriber"), action, reader)
    assert Subscriber.objects.get().state == "active"
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    "name", ["erase", "suppress", "mail_again", "unsubscribe", "link", "download", "nonsense"]
)
def test_who_may_only_look_presses_nothing(staff, name):
    reader = make_subscriber()
    client = staff("view_subscriber")
    answer = client.post(f"{LIST}{reader.pk}/act/", {"act": name, "word": "erase"})
    assert answer.status_code == 403
    assert Subscriber.objects.get().state == "active"
    assert not Suppression.objects.exists()
    assert not LogEntry.objects.exists()
    assert not TransactionalMessage.objects.exists()


def test_button_needs_a_post(support):
    assert support.get(f"{LIST}{make_subscriber().pk}/act/").status_code == 405


def test_operator_lets_an_address_be_mailed_again(support, settings):
    reader = make_subscriber()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    support.force_login(User.objects.get())
    press(support, "suppress", reader)
    assert selectors.is_suppressed(reader.email)
    press(support, "mail_again", reader)
    assert list(selectors.mailable_subscribers()) == [reader]
    assert not Suppression.objects.exists()


def test_operator_unsubscribes_and_it_is_on_record(support):
    reader = make_subscriber()
    press(support, "unsubscribe", reader)
    assert Subscriber.objects.get().state == "unsubscribed"
    assert "Operator" in reader.consent_records.get().text
    assert TransactionalMessage.objects.get().kind == "goodbye"
    press(support, "erase", reader, word="erase")
    assert Subscriber.objects.exists()


@pytest.mark.parametrize(("state", "kind"), [("pending", "confirm"), ("active", "preferences")])
def test_link_is_sent_once_in_a_while(support, state, kind):
    reader = make_subscriber(state=state)
    assert "is on its way" in said(press(support, "link", reader))[0]
    assert said(press(support, "link", reader))[0].startswith("Not sent: one went to this address")
    assert TransactionalMessage.objects.get().kind == kind
    assert LogEntry.objects.count() == 1


def test_nothing_is_sent_to_an_address_that_is_never_mailed(support):
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.BOUNCED)
    assert said(press(support, "link", reader)) == [
        "Nothing was done: the reader has changed meanwhile."
    ]
    assert not TransactionalMessage.objects.exists()


def test_slip_in_the_list_does_not_reach_everybody(support):
    for _ in range(201):
        make_subscriber()
    first = Subscriber.objects.first()
    chosen = {"action": "never_mail", "_selected_action": [first.pk], "select_across": "1"}
    assert "Nothing was done" in said(support.post(LIST, chosen, follow=True))[0]
    assert not Suppression.objects.exists()


def test_nobody_is_erased_from_the_list(staff):
    client = staff("view_subscriber", "change_subscriber", "delete_subscriber")
    act(client, "erase", make_subscriber())
    act(client, "delete_selected", Subscriber.objects.get())
    assert Subscriber.objects.exists()


def test_download_is_what_readers_get_themselves(support):
    reader = make_subscriber("ada@example.org", topics=[make_topic("agents")])
    response = press(support, "download", reader)
    assert response["Content-Disposition"].startswith("attachment")
    assert response.json()["email"] == "ada@example.org"
    assert set(response.json()) == set(held.data(reader))
    assert LogEntry.objects.get().change_message == "Downloaded all that is held"


def test_erasing_needs_its_own_permission_and_the_word(staff):
    reader = make_subscriber()
    client = staff("view_subscriber", "delete_subscriber")
    assert "Nothing was erased" in said(press(client, "erase", reader, word="yes"))[0]
    assert Subscriber.objects.exists()
    press(client, "erase", reader, word=" Erase ")
    assert not Subscriber.objects.exists()
    assert Suppression.objects.get().reason == "erased"


def test_what_was_done_is_logged_without_an_address(staff):
    client = staff("view_subscriber", "change_subscriber", "delete_subscriber")
    reader = make_subscriber("ada.lovelace@example.org")
    press(client, "suppress", reader)
    act(client, "mail_again", reader)
    press(client, "erase", reader, word="erase")
    entries = LogEntry.objects.order_by("pk")
    assert [entry.change_message for entry in entries] == [
        "Suppressed the address", "Let the address be mailed again", "Erased at the reader's wish",
    ]  # fmt: skip
    assert {entry.object_repr for entry in entries} == {f"subscriber {reader.pk}"}
    assert "lovelace" not in str(list(entries.values()))


@pytest.mark.parametrize(("page", "status"), [("", 200), ("add/", 403), ("{pk}/change/", 200)])
def test_pages_answer_as_far_as_they_are_allowed(staff, page, status):
    reader = make_subscriber()
    client = staff("view_subscriber")
    assert client.get(LIST + page.format(pk=reader.pk)).status_code == status


@pytest.mark.parametrize("page", ["999/change/", "x/change/", "99999999999999999999/change/"])
def test_reader_who_is_not_there_is_said_so(staff, page):
    assert staff("view_subscriber").get(LIST + page).status_code == 302


FOUND = [
    "ada@example.org", "ADA@EXAMPLE.ORG", "ada@", "ad", " ada@example.org ", "Ada <ada@example.org>",
    "mailto:ada@example.org",
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_reader_is_found_by_address_and_by_its_beginning(text):
    ada = make_subscriber("Ada@example.org")
    make_subscriber("eve@example.org")
    assert list(finding.readers(Subscriber.objects.all(), text)) == [ada]


@pytest.mark.parametrize(
    "text", ["bob", "%", "_da", "x\0", "ada@example.org\n.evil", "a" * 5000, "<", "@", "ä"]
)
def test_what_no_reader_is_called_finds_none(text):
    make_subscriber("ada@example.org")
    assert not finding.readers(Subscriber.objects.all(), text)


def test_reader_is_found_by_id_public_id_and_any_link():
    ada = make_subscriber("ada@example.org")
    make_subscriber("eve@example.org")
    long_ago = timezone.now() - timedelta(days=400)
    for text in (
        str(ada.pk),
        f"subscriber {ada.pk}",
        str(ada.public_id),
        ada.public_id.hex,
        f"https://papers.example.org/digests/{tokens.make_digest(ada.public_id, 7)}/",
        f"<mailto:unsub+{tokens.make_unsubscribe(ada.public_id)}@example.org>",
        tokens.make_confirm(ada),
        tokens.make_feed(ada),
        f"/preferences/{tokens.make_preferences(ada, at=long_ago)}/#keywords",
    ):
        assert list(finding.readers(Subscriber.objects.all(), text)) == [ada], text


def test_address_beyond_ascii_is_found_as_it_is_stored():
    reader = make_subscriber("ada@xn--mller-kva.example")
    assert list(finding.readers(Subscriber.objects.all(), "Ada@Müller.example")) == [reader]


def plan_of(rows):
    with CaptureQueriesContext(connection) as captured, connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        rows()
        query = captured.captured_queries[-1]["sql"]
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' * (connection.vendor == 'sqlite')}{query}")
        return str(cursor.fetchall())


def test_search_by_beginning_walks_an_index():
    plan = plan_of(lambda: finding.ids_at_beginning("ada@ex", 10))
    wanted = {
        # Where the database sorts by bytes, the index that makes addresses unique serves as well.
        "postgresql": r"Index Scan (using|on) subscriber_email_(beginning|unique)",
        "sqlite": r"USING (COVERING )?INDEX subscriber_email_unique \(<expr>>\? AND <expr><\?\)",
    }
    assert re.search(wanted[connection.vendor], plan)


def test_list_counts_no_further_than_it_shows(support, monkeypatch):
    monkeypatch.setattr(paging, "MOST_LISTED", 3)
    for _ in range(5):
        make_subscriber()
    with CaptureQueriesContext(connection) as captured:
        page = support.get(LIST)
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert all("LIMIT 3" in sql for sql in counts)
    assert "more than 3; search for others" in page.content.decode()
    assert "Show all" not in page.content.decode()


def test_why_an_erased_address_gets_no_mail_is_told(support):
    services.erase(make_subscriber("gone@example.org"))
    page = search(support, LIST, "Gone@Example.org")
    assert "its owner asked to be erased" in said(page)[0]


STANDINGS = [
    ({"frequency": "weekly-5", "timezone": "Europe/Berlin"}, "active", "on Fridays at 07:00 (Europe/Berlin)"),
    ({"state": "pending"}, "pending", "has not confirmed"),
    ({"state": "unsubscribed"}, "unsubscribed", "No digest is sent"),
    ({"paused_until": datetime(2099, 1, 5, tzinfo=UTC).date()}, "paused", "Paused until Jan 5, 2099"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "word", "meaning"), STANDINGS)
def test_page_says_what_the_state_means(support, fields, word, meaning):
    reader = make_subscriber(**fields)
    found = standing.of(reader, [])
    assert (found.word, meaning in found.meaning) == (word, True)
    assert meaning in support.get(f"{LIST}{reader.pk}/change/").content.decode()


def test_page_says_why_an_address_is_never_mailed(support):
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.COMPLAINED)
    page = support.get(f"{LIST}{reader.pk}/change/").content.decode()
    assert "a mail was marked as spam" in page
    assert "Let it be mailed again" in page


def test_suppression_is_found_by_its_address(staff):
    services.erase(make_subscriber("ada@example.org"))
    services.erase(make_subscriber("eve@example.org"))
    client = staff("view_suppression")
    pages = [search(client, SUPPRESSIONS, each) for each in
             ("Ada@Example.org", "bob@example.org", "no address", "")]  # fmt: skip
    assert [page.context["cl"].result_count for page in pages] == [1, 0, 0, 2]


def test_address_is_suppressed_by_hand_and_only_its_hash_is_kept(staff):
    client = staff("view_suppression", "add_suppression")
    reader = make_subscriber("ada@example.org")
    for address in ("Ada@Example.org", "nobody@example.org"):
        sent = {"address": address, "reason": "complained"}
        page = client.post(f"{SUPPRESSIONS}add/", sent, follow=True)
        assert said(page) == [
            "This address is never mailed from now on: a mail was marked as spam."
        ]
        assert selectors.suppressions(address).get().reason == "complained"
    assert not selectors.mailable_subscribers().filter(pk=reader.pk).exists()
    assert "example.org" not in str(list(LogEntry.objects.values()))
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"address": "nobody", "reason": "manual"}, "does not look like"),
        (
            {"address": "gone@example.org", "reason": "manual"},
            "This address is never mailed already, since ",
        ),
        ({"address": "x@example.org", "reason": "erased"}, "Select a valid choice"),
    ],
)
def test_what_can_not_be_suppressed_is_told(staff, sent, words):
    services.erase(make_subscriber("gone@example.org"))
    client = staff("view_suppression", "add_suppression")
    page = client.post(f"{SUPPRESSIONS}add/", sent)
    assert page.content.decode().count(words) == 1
    assert "Please correct" not in page.content.decode()
    assert Suppression.objects.count() == 1


def test_deleted_suppression_lets_the_address_be_mailed_again(staff, settings):
    reader = make_subscriber("ada@example.org")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    services.suppress(reader, Suppression.Reason.BOUNCED)
    client = staff("view_suppression", "delete_suppression")
    row = Suppression.objects.get(address_hash=reader.address_hash)
    assert (
        "be sure that the mailbox exists"
        in client.get(f"{SUPPRESSIONS}{row.pk}/delete/").content.decode()
    )
    page = client.post(f"{SUPPRESSIONS}{row.pk}/delete/", {"post": "yes"}, follow=True)
    assert said(page) == ["This address may be mailed again."]
    assert not selectors.is_suppressed("ada@example.org")
    assert LogEntry.objects.get().action_flag == 3


def test_chosen_suppressions_are_lifted_once_it_was_asked(staff):
    for name in ("ada", "eve"):
        services.suppress(make_subscriber(f"{name}@example.org"), Suppression.Reason.MANUAL)
    client = staff("view_suppression", "delete_suppression")
    chosen = {
        "action": "delete_selected",
        "_selected_action": list(Suppression.objects.values_list("pk", flat=True)),
    }
    assert "Are you sure" in client.post(SUPPRESSIONS, chosen).content.decode()
    assert Suppression.objects.count() == 2
    page = client.post(SUPPRESSIONS, chosen | {"post": "yes"}, follow=True)
    assert said(page) == ["These 2 addresses may be mailed again."]
    assert not Suppression.objects.exists()
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("asked", "found"),
    [("any", ["ada", "bob"]), ("bounced", ["ada"]), ("manual", ["bob"]), ("complained", [])],
)
def test_suppressed_readers_are_listed_by_reason(support, asked, found):
    make_subscriber("eve@example.org")
    for name, reason in (("ada", Suppression.Reason.BOUNCED), ("bob", Suppression.Reason.MANUAL)):
        services.suppress(make_subscriber(f"{name}@example.org"), reason)
    listed = support.get(LIST, {"suppressed": asked}).context["cl"].result_list
    assert sorted(reader.email.partition("@")[0] for reader in listed) == found


def test_suppressed_readers_are_looked_for_by_indexes_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr(finding, "_AT_ONCE", 2)
    monkeypatch.setattr(finding, "MOST_SUPPRESSED", 4)
    readers = [make_subscriber() for _ in range(5)]
    for reader in readers:
        services.suppress(reader, Suppression.Reason.MANUAL)
    with CaptureQueriesContext(connection) as captured:
        found = finding.ids_of_suppressed(None)
    assert sorted(found) == [reader.pk for reader in readers[1:]]
    assert len(captured) == 4
    plan = plan_of(lambda: finding.ids_of_suppressed(None))
    assert re.search(r"subscriptions_subscriber_address_hash", plan)
