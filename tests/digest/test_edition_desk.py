"""The edition desk in the admin: who may do what, and what the pages answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError
from lxml import html as lxml_html

from digest import tasks
from digest.admin import edition_expected
from digest.admin.editions import EditionAdmin
from digest.delivery import dropping, figures
from digest.delivery.due import expecting
from digest.delivery.watching import watch
from digest.editions import building, drafts
from digest.models import Delivery, Draft, Edition, EditorChoice
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_batch, make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
VIEW, CHANGE = "view_edition", "change_edition"


@pytest.fixture(autouse=True)
def _no_tests_counted():
    cache.clear()


@pytest.fixture
def operator(client):
    def sign_in(*names, email="editor@example.org"):
        user = User.objects.create_user("editor", email=email, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def day():
    """Today, with two papers listed."""
    today = timezone.now().date()
    make_listing(make_paper(arxiv_id="2608.00001", title="First", upvotes=9), today)
    make_listing(make_paper(arxiv_id="2608.00002", title="<Second> & more", upvotes=2), today)
    return today


def coming(day, frequency="daily"):
    return reverse("admin:edition_draft", args=[frequency, day])


def proof(day, name="edition_proof"):
    return reverse(f"admin:{name}", args=["daily", day])


def press(client, day, do, version=0, note=""):
    return client.post(coming(day), {"do": do, "version": version, "note": note}, follow=True)


def papers_on(answer):
    page = lxml_html.fromstring(answer.content.decode())
    return [each.get("data-paper") for each in page.xpath("//ol[@id='ed-papers']/li")]


def log():
    return list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))


def test_coming_edition_is_reached_from_the_menu_and_lists_its_papers(operator, day):
    client = operator(VIEW)
    answer = client.get(reverse("admin:edition_coming"), follow=True)
    assert answer.status_code == 200
    answer = client.get(coming(day))
    assert papers_on(answer) == ["2608.00001", "2608.00002"]
    assert "&lt;Second&gt; &amp; more" in answer.content.decode()


def test_who_may_only_look_finds_no_buttons_and_changes_nothing(operator, day):
    client = operator(VIEW)
    assert b'name="do"' not in client.get(coming(day)).content
    assert press(client, day, "pin:2608.00002").status_code == 403
    assert not EditorChoice.objects.exists()


@pytest.mark.parametrize(
    "name", ["edition_coming", "edition_expected", "edition_draft", "edition_proof"]
)
def test_who_may_not_look_at_editions_is_refused(operator, day, name):
    args = ["daily", day] if name in ("edition_draft", "edition_proof") else []
    assert operator("view_paper").get(reverse(f"admin:{name}", args=args)).status_code == 403


def test_buttons_change_the_draft_and_are_logged(operator, day):
    client = operator(CHANGE)
    answer = press(client, day, "pin:2608.00002", note="Hello")
    assert papers_on(answer) == ["2608.00002", "2608.00001"]
    answer = press(client, day, "leave_out:2608.00001", version=1, note="Hello")
    assert papers_on(answer) == ["2608.00002"]
    assert "Take back" in answer.content.decode()
    assert log() == ["Changed the note to “Hello”; Pinned 2608.00002", "Left out 2608.00001"]


def test_second_editor_is_told_and_keeps_what_was_typed(operator, day):
    client = operator(CHANGE)
    press(client, day, "note", note="The first one’s")
    answer = press(client, day, "note", version=0, note="The second one’s")
    said = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody else changed this edition meanwhile." in said
    assert "The second one’s</textarea>" in said
    assert Draft.objects.get().note == "The first one’s"
    assert log() == ["Changed the note to “The first one’s”"]


def test_log_keeps_the_old_and_the_new_note_shortened_and_without_addresses(operator, day):
    client = operator(CHANGE)
    press(client, day, "note", note="Write to ada@example.org.")
    press(client, day, "note", version=1, note="x" * 600)
    answer = press(client, day, "note", version=2, note="")
    short = "x" * 499 + "…"
    assert log() == [
        "Changed the note to “Write to (an address).”",
        f"Changed the note from “Write to (an address).” to “{short}”",
        f"Took the note away, which was “{short}”",
    ]
    assert "Took the note away." in answer.content.decode()


def test_second_editor_sees_both_notes_and_both_orders(operator, day):
    client = operator(CHANGE)
    press(client, day, "leave_out:2608.00001", note="The first one’s")
    late = {"do": "move:2608.00002:1", "version": 0, "note": "The <second> one’s"}
    answer = client.post(coming(day), {**late, "seen": "2608.00001 2608.00002 2608.77777"})
    page = lxml_html.fromstring(answer.content.decode())

    def said(part):
        found = page.get_element_by_id(part)
        return [line.text_content().strip() for line in found.xpath("./*")]

    assert answer.status_code == 409
    assert said("ed-their-note") == ["The first one’s"]
    assert said("ed-my-note") == ["The <second> one’s"]
    assert said("ed-their-order") == ["<Second> & more"]
    assert said("ed-my-order") == ["<Second> & more you moved it here", "First"]
    assert "You moved it here: <Second> & more." in page.text_content()


def test_press_that_can_not_be_done_loses_no_note(operator, day):
    answer = press(operator(CHANGE), day, "pin:2608.9", note="Typed")
    assert answer.status_code == 409
    assert "Typed</textarea>" in answer.content.decode()


@pytest.mark.parametrize(
    "do", ["", "pin:", "pin:2608.9", "move:2608.00001:x", "move:2608.00001:9999999999999", "x:y:z"]
)
def test_odd_presses_never_break_the_page(operator, day, do):
    answer = press(operator(CHANGE), day, do)
    assert answer.status_code in (200, 409)
    assert set(papers_on(answer)) == {"2608.00001", "2608.00002"}


def test_closed_edition_is_shown_instead_and_takes_no_press(operator, day):
    client = operator(CHANGE)
    edition = building.build(day)
    answer = press(client, day, "pin:2608.00002")
    assert answer.redirect_chain[-1][0] == reverse("admin:digest_edition_change", args=[edition.pk])
    assert "is closed: what is in it stays as it is" in answer.content.decode()
    assert not EditorChoice.objects.exists()


@pytest.mark.parametrize("where", ["daily/2026-13-01", "yearly/2026-01-01", "daily/2001-01-01"])
def test_edition_that_is_none_is_not_found(operator, where):
    assert operator(VIEW).get(f"/admin/digest/edition/coming/{where}/").status_code == 404


def test_week_has_the_same_page(operator, day):
    monday = building.first_day(day, "weekly")
    answer = operator(CHANGE).get(coming(day, "weekly"))
    assert papers_on(answer) == ["2608.00001", "2608.00002"]
    assert answer.context["edition"].date == monday


def test_queries_of_the_page_do_not_grow_with_the_papers(operator, day):
    client = operator(CHANGE)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(coming(day))
        return len(captured)

    few = queries()
    for _ in range(30):
        make_listing(make_paper(), day)
    assert queries() <= few


def test_proof_shows_what_a_choice_of_topics_gets(operator, day):
    topic = make_topic("theory")
    make_listing(make_paper(title="On theory", topics=[topic]), day)
    client = operator(VIEW)
    said = client.get(proof(day), {"topic": "theory"}).content.decode()
    assert "On theory, and 1 more paper" in said
    text = client.get(proof(day), {"topic": ["theory", "nonsense"], "show": "text"})
    assert "You follow Theory" in text.content.decode()


def test_mail_of_a_proof_may_load_and_run_nothing_and_is_framed_here_only(operator, day):
    answer = operator(VIEW).get(proof(day, "edition_proof_mail"))
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "frame-ancestors 'self'; sandbox" in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in answer["Cache-Control"]


def test_proof_as_one_reader_is_found_by_address_which_stands_in_no_address(operator, day):
    reader = make_subscriber("ada@example.org")
    client = operator(VIEW, "view_subscriber")
    answer = client.post(proof(day), {"who": " Ada@Example.org"}, follow=True)
    assert answer.redirect_chain[-1][0].startswith(f"{proof(day)}?reader={reader.pk}&")
    assert f"As reader {reader.pk}" in answer.content.decode()
    assert "ada@example.org" not in answer.content.decode().lower()


def links_of(page, label):
    found = lxml_html.fromstring(page.content.decode())
    return found.xpath(f"//nav[@aria-label='{label}']/a/@href")


def test_proof_keeps_reader_and_topics_in_every_look_and_for_every_day(operator, day):
    topic, reader = make_topic("theory"), make_subscriber("ada@example.org")
    make_edition(day - timedelta(days=1), [make_paper()])
    client = operator(VIEW, CHANGE, "view_subscriber")
    chosen = {"topic": topic.slug, "scheme": "dark", "width": "phone", "language": "en"}
    page = client.post(proof(day), {"who": reader.pk, **chosen}, follow=True)
    assert page.context["looks"] == {"show": "html", "scheme": "dark", "width": "phone"}
    ways = links_of(page, "Ways to look at it")
    others = links_of(page, "Proofs of other editions")
    assert (len(ways), len(others)) == (5, 4)
    for link in (*ways, *others):
        assert f"reader={reader.pk}&topic=theory&language=en" in link
    found = lxml_html.fromstring(page.content.decode())
    assert found.xpath("//input[@id='ed-who']/@value") == [str(reader.pk)]
    assert found.xpath("//form[@method='get']//input[@checked]/@value") == ["theory"]


def test_reader_who_is_not_there_takes_no_topics_away(operator, day):
    make_topic("theory")
    client = operator(VIEW, "view_subscriber")
    page = client.post(proof(day), {"who": "x", "topic": "theory", "show": "text"}, follow=True)
    assert page.context["asked"].topics == ("theory",)
    assert page.context["looks"]["show"] == "text"


@pytest.mark.parametrize("who", ["nobody@example.org", "99999999", "9" * 40, "no address", "", "٣"])
def test_reader_who_is_not_there_is_said_in_one_line(operator, day, who):
    client = operator(VIEW, "view_subscriber")
    answer = client.post(proof(day), {"who": who}, follow=True)
    assert "There is no reader with this address or number." in answer.content.decode()


def test_proof_as_one_reader_takes_the_permission_to_look_at_readers(operator, day):
    reader = make_subscriber("ada@example.org")
    client = operator(VIEW, CHANGE)
    assert b"As one reader" not in client.get(proof(day)).content
    assert client.post(proof(day), {"who": "ada@example.org"}).status_code == 403
    for name in ("edition_proof", "edition_proof_mail"):
        assert client.get(proof(day, name), {"reader": reader.pk}).status_code == 403
    sent = client.post(proof(day, "edition_proof_test"), {"reader": reader.pk})
    assert (sent.status_code, mail.outbox) == (403, [])


def test_test_goes_to_the_operator_s_own_address_and_is_logged(operator, day):
    client = operator(CHANGE)
    answer = client.post(proof(day, "edition_proof_test"), {"to": "x@example.com"}, follow=True)
    assert "on its way to your own address" in answer.content.decode()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject[:7]) == (["editor@example.org"], "[Test] ")
    assert log() == ["Sent themselves a test, for no topics, en"]
    assert not Delivery.objects.exists()


def test_operator_without_an_address_gets_a_line_instead_of_a_test(operator, day):
    client = operator(CHANGE, email="")
    answer = client.post(proof(day, "edition_proof_test"), follow=True)
    assert "Your account has no email address" in answer.content.decode()
    assert mail.outbox == []


def test_test_needs_the_permission_and_a_press(operator, day):
    client = operator(VIEW)
    assert client.post(proof(day, "edition_proof_test")).status_code == 403
    assert client.get(proof(day, "edition_proof_test")).status_code == 405


def test_many_tests_in_an_hour_are_too_many(operator, day):
    client = operator(CHANGE)
    for _ in range(21):
        answer = client.post(proof(day, "edition_proof_test"), follow=True)
    assert "20 an hour go out" in answer.content.decode()
    assert len(mail.outbox) == 20


def test_test_that_no_provider_takes_is_said_in_one_line(operator, day, settings):
    settings.EMAIL_BACKEND = "digest.delivery.esp.transactional.EmailBackend"
    settings.EMAIL_PROVIDERS = []
    answer = operator(CHANGE).post(proof(day, "edition_proof_test"), follow=True)
    assert "No provider took the test just now" in answer.content.decode()
    assert log() == []


def test_send_is_held_with_a_reason_and_released_both_logged(operator, day):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    client = operator(CHANGE)
    hold, release = (
        reverse(f"admin:{name}", args=[edition.pk]) for name in ("edition_hold", "edition_release")
    )
    assert "Say why" in client.post(hold, {"because": "  "}).content.decode()
    refused = client.post(hold, {"because": "ada@example.com complained"}).content.decode()
    assert "Leave addresses out" in refused
    steering = client.post(hold, {"because": "A wrong \x1b[2J title"}).content.decode()
    assert "Leave control characters out" in steering
    client.post(hold, {"because": "A wrong  title"})
    edition.refresh_from_db()
    assert (edition.held_at is not None, edition.held_because) == (True, "A wrong title")
    assert "A wrong title" in client.get(release).content.decode()
    client.post(release, {"held_at": edition.held_at.isoformat()})
    edition.refresh_from_db()
    assert edition.held_at is None
    assert log() == ["Held: A wrong title", "Released; it was held: A wrong title"]


def test_held_edition_is_called_off_once_it_was_asked_whether_it_is_meant(operator, day):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    client, drop = operator(CHANGE, VIEW), reverse("admin:edition_drop", args=[edition.pk])
    page = reverse("admin:digest_edition_change", args=[edition.pk])
    client.post(reverse("admin:edition_hold", args=[edition.pk]), {"because": "A wrong title"})
    assert f'href="{drop}"' in client.get(page).content.decode()
    assert "be undone" in client.get(drop).content.decode()
    edition.refresh_from_db()
    client.post(drop, {"held_at": edition.held_at.isoformat()})
    edition.refresh_from_db()
    assert (edition.held_at, edition.dropped_at is None) == (None, False)
    assert "Called off on" in client.get(page).content.decode()
    assert log()[-1] == "Called off; it was held: A wrong title"


def test_hold_of_a_held_edition_says_by_whom_and_why_and_offers_release(operator, day):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    client = operator(CHANGE, VIEW)
    hold, release = (
        reverse(f"admin:{name}", args=[edition.pk]) for name in ("edition_hold", "edition_release")
    )
    client.post(hold, {"because": "A wrong title"})
    for answer in (client.get(hold), client.post(hold, {"because": "Once more"})):
        said = answer.content.decode()
        assert "by editor, at the desk: A wrong title" in said
        assert f'href="{release}"' in said
        assert "<textarea" not in said
        assert 'name="because"' not in said
    assert log() == ["Held: A wrong title"]


def test_edition_that_the_watch_holds_is_not_said_to_be_held_by_a_person(operator, day):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    watch.hold(edition, because="Too many bounced", now=timezone.now())
    said = operator(VIEW, CHANGE).get(reverse("admin:edition_hold", args=[edition.pk]))
    assert "by the watch over sends: Too many bounced" in said.content.decode()


def test_edition_that_was_called_off_is_neither_held_nor_released(operator, day):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    Edition.objects.filter(pk=edition.pk).update(dropped_at=timezone.now())
    client = operator(VIEW, CHANGE)
    for name in ("edition_hold", "edition_release", "edition_drop"):
        said = client.get(reverse(f"admin:{name}", args=[edition.pk])).content.decode()
        assert "It was called off on" in said
        assert "ed-button--danger" not in said


def test_closed_edition_is_told_in_words_with_its_ledger_note_and_papers(operator, day):
    yesterday = day - timedelta(days=1)
    edition = make_edition(yesterday, [make_paper(title="<Only> one")])
    Edition.objects.filter(pk=edition.pk).update(note="Hello", due_count=3)
    make_batch([make_subscriber(), make_subscriber()], yesterday, deliveries="sent")
    Delivery.objects.create(
        edition=edition, subscriber=make_subscriber(), state="skipped", reason="paused"
    )
    figures.count(edition, timezone.now())
    page = reverse("admin:digest_edition_change", args=[edition.pk])
    said = operator(VIEW).get(page).content.decode()
    heading = lxml_html.fromstring(said).xpath("string(//h2[@class='ed-heading'])")
    assert heading.startswith("Daily edition of ")
    assert heading.endswith(f"{yesterday.year}: sent")
    assert "2 of 2, 100%" in said
    assert "Adds up." in said
    assert "Hello" in said
    assert "&lt;Only&gt; one" in said
    assert "Is counted" not in said


def test_what_was_called_off_is_not_said_to_be_the_provider_s_failure(operator, day):
    yesterday = day - timedelta(days=1)
    edition = make_edition(yesterday, [make_paper()])
    Edition.objects.filter(pk=edition.pk).update(due_count=2)
    make_batch([make_subscriber(), make_subscriber()], yesterday, deliveries="pending")
    watch.hold(edition, because="A wrong title", now=timezone.now())
    dropping.drop(edition, timezone.now())
    figures.count(edition, timezone.now())
    page = reverse("admin:digest_edition_change", args=[edition.pk])
    said = operator(VIEW).get(page).content.decode()
    assert "dropped by an operator" in said
    assert "See what the provider said" not in said


def state_on_list(client):
    page = lxml_html.fromstring(
        client.get(reverse("admin:digest_edition_changelist")).content.decode()
    )
    return [
        cell.text_content().strip() for cell in page.xpath("//td[contains(@class, 'field-state')]")
    ]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "closed, nobody was due yet"),
        ({"due_count": 2}, "being sent"),
        ({"paper_count": 0}, "empty"),
        ({"held_at": timezone.now(), "due_count": 2}, "held"),
        ({"dropped_at": timezone.now(), "due_count": 2}, "called off"),
    ],
)
def test_list_of_editions_says_their_state_in_words(operator, day, fields, state):
    edition = make_edition(day - timedelta(days=1), [make_paper()])
    Edition.objects.filter(pk=edition.pk).update(**fields)
    assert state_on_list(operator(VIEW)) == [state]


def test_list_of_editions_says_how_many_were_due_and_sent_to(operator, day):
    yesterday = day - timedelta(days=1)
    edition = make_edition(yesterday, [make_paper(), make_paper()])
    Edition.objects.filter(pk=edition.pk).update(due_count=3)
    make_batch([make_subscriber()], yesterday, deliveries="pending")
    make_batch([make_subscriber(), make_subscriber()], yesterday, deliveries="sent")
    figures.count(edition, timezone.now())
    client = operator(VIEW)
    page = lxml_html.fromstring(
        client.get(reverse("admin:digest_edition_changelist")).content.decode()
    )
    cells = [each.text_content().strip() for each in page.xpath("//table[@id='result_list']//td")]
    assert cells[-5:] == ["Daily", "being sent", "3", "2 of 3, 66%", "2"]
    assert "digest.Paper" not in page.text_content()


def test_queries_of_the_list_do_not_grow_with_the_editions(operator, day):
    client, address = operator(VIEW), reverse("admin:digest_edition_changelist")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(address)
        return len(captured)

    make_edition(day - timedelta(days=1), [make_paper()])
    few = queries()
    for age in range(2, 9):
        make_edition(day - timedelta(days=age), [make_paper()])
    assert queries() <= few


@pytest.mark.parametrize("name", ["edition_hold", "edition_release", "edition_drop"])
def test_holding_takes_the_permission_and_looking_changes_nothing(operator, day, name):
    edition = make_edition(day, [make_paper()])
    client = operator(VIEW)
    assert client.post(reverse(f"admin:{name}", args=[edition.pk])).status_code == 403
    assert (
        b"Hold the send"
        not in client.get(reverse("admin:digest_edition_change", args=[edition.pk])).content
    )
    assert Edition.objects.get(pk=edition.pk).held_at is None


@pytest.mark.parametrize("name", ["edition_hold", "edition_release", "edition_drop"])
def test_nothing_is_done_to_a_send_that_the_log_cannot_have(operator, day, monkeypatch, name):
    edition = make_edition(day, [make_paper()])
    if name != "edition_hold":
        watch.hold(edition, because="a typo", now=timezone.now())
    before = Edition.objects.values().get()

    def full(*_):
        raise DatabaseError

    monkeypatch.setattr(EditionAdmin, "log_change", full)
    held_at = before["held_at"].isoformat() if before["held_at"] else ""
    with pytest.raises(DatabaseError):
        operator(VIEW, CHANGE).post(
            reverse(f"admin:{name}", args=[edition.pk]),
            {"because": "another look", "held_at": held_at},
        )
    assert Edition.objects.values().get() == before


def test_what_will_go_says_how_many_and_when_it_was_counted(operator):
    make_subscriber(topics=[make_topic("agents")], next_digest_at=timezone.now())
    tasks.count_expected()
    answer = operator(VIEW).get(reverse("admin:edition_expected"))
    assert answer.context["days"][0]["readers"] == 1
    said = answer.content.decode()
    assert "Counted on" in said
    assert "anew after 10 minutes" in said


def test_what_will_go_names_the_editions_and_leads_to_them(operator, day):
    yesterday = make_edition(day - timedelta(days=1), [make_paper()])
    make_subscriber(frequency="daily", next_digest_at=timezone.now())
    tasks.count_expected()
    said = operator(VIEW).get(reverse("admin:edition_expected")).content.decode()
    assert f'href="{reverse("admin:digest_edition_change", args=[yesterday.pk])}"' in said
    assert f'href="{coming(day)}"' in said
    assert "(no topic)" in said


def test_readers_are_counted_now_by_a_button_which_says_so_until_they_are(operator):
    tasks.count_expected()
    client, address = operator(VIEW), reverse("admin:edition_expected")
    answer = client.post(address)
    assert "after=" in answer["Location"]
    assert b"Count now" in client.get(answer["Location"]).content
    later = f"{address}?after={timezone.now().timestamp() + 60:.0f}"
    assert "Readers are being counted" in client.get(later).content.decode()
    again = client.post(address, follow=True).content.decode()
    assert "asked for within this minute" in again


def test_count_that_begins_within_the_second_of_the_press_is_its_own(operator):
    client, address = operator(VIEW), reverse("admin:edition_expected")
    with time_machine.travel(datetime(2026, 8, 20, 6, 0, 0, 700_000, tzinfo=UTC), tick=False):
        answer = client.post(address)
        tasks.count_expected()
        assert not client.get(answer["Location"]).context["is_waiting"]


def test_press_that_no_broker_took_can_be_tried_again_at_once(operator, monkeypatch):
    def away():
        raise OperationalError

    monkeypatch.setattr(edition_expected.count_expected, "delay", away)
    client, address = operator(VIEW), reverse("admin:edition_expected")
    for _ in range(2):
        said = client.post(address, follow=True).content.decode()
        assert "Not counted: the broker or the cache is away." in said
        assert "asked for within this minute" not in said


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "٣"])
def test_odd_time_in_the_address_of_what_will_go_means_nothing(operator, after):
    tasks.count_expected()
    answer = operator(VIEW).get(reverse("admin:edition_expected"), {"after": after})
    assert not answer.context["is_waiting"]


def test_readers_are_never_counted_while_somebody_waits(operator):
    client = operator(VIEW)
    with CaptureQueriesContext(connection) as captured:
        said = client.get(reverse("admin:edition_expected")).content.decode()
    assert "Readers are being counted" in said
    assert '<meta http-equiv="refresh" content="5">' in said
    assert not [each for each in captured if "subscriptions_subscriber" in each["sql"]]


def test_old_numbers_are_shown_at_once_and_counted_anew_in_the_background(operator):
    old = timezone.now() - timedelta(minutes=11)
    kept = expecting.count(timezone.now())
    cache.set(expecting._KEY, replace(kept, counted_at=old))
    make_subscriber(next_digest_at=timezone.now())
    client, address = operator(VIEW), reverse("admin:edition_expected")
    answer = client.get(address)
    assert answer.context["days"][0]["readers"] == 0
    assert answer.context["counted_at"] == old
    tasks.count_expected()
    assert client.get(address).context["days"][0]["readers"] == 1


def test_draft_that_only_a_test_was_logged_for_changes_nothing(operator, day):
    operator(CHANGE).post(proof(day, "edition_proof_test"))
    edition = Edition(frequency="daily", date=day)
    assert drafts.of(edition).version == 0
    assert building.build(day).paper_count == 2
