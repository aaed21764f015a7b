"""The desk's first page: what it says of the edition that is sent, of readers, mail and sources."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from lxml import html

from digest.admin.dashboard import mail, readers, sending
from digest.delivery import figures
from digest.delivery.esp import circuit, plans
from digest.delivery.watching import signs
from digest.models import (
    Batch,
    Circuit,
    DayCount,
    DayFigure,
    Delivery,
    Edition,
    EditionCount,
    Fetch,
    Notice,
)
from subscriptions import roles
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 21, 9, tzinfo=UTC)
DAY = date(2026, 8, 20)


@pytest.fixture(autouse=True)
def clock(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "smtp"]
    circuit.forget()
    plans.forget()
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock
    circuit.forget()


def sent_edition(counts, **fields):
    values = {"frequency": "daily", "date": DAY, "paper_count": 8, "counted_at": NOW}
    due = sum(counts.values())
    values |= {"due_count": due, "is_counted": True} | fields
    edition = Edition.objects.create(**{"counted_due": values["due_count"]} | values)
    for (state, reason), number in counts.items():
        EditionCount.objects.create(edition=edition, state=state, reason=reason, number=number)
    return edition


def words(client):
    page = html.fromstring(client.get("/admin/").content.decode())
    desk = page.get_element_by_id("desk")
    return " ".join(" ".join(desk.itertext()).split())


def test_fresh_installation_says_that_nothing_was_sent(admin_client):
    assert "No edition has been sent yet" in words(admin_client)


def test_ledger_names_reasons_and_adds_up(admin_client):
    sent_edition({("sent", ""): 1234, ("skipped", "paused"): 3, ("suppressed", ""): 2})
    said = words(admin_client)
    assert "Sent to 1,234 readers." in said
    assert "skipped Due, and not to be sent anything; nothing is wrong 3 paused 3" in said
    assert "due 1,239 Adds up." in said


def test_ledger_that_does_not_add_up_is_said(admin_client):
    sent_edition({("sent", ""): 3}, due_count=4)
    assert "Does not add up." in words(admin_client)


def test_what_was_planned_since_the_count_is_no_fault(admin_client):
    sent_edition({("sent", ""): 3}, due_count=9, counted_due=3)
    assert "due 3 Adds up." in words(admin_client)


def test_doubt_says_what_a_person_does(admin_client):
    sent_edition({("sent", ""): 3, ("uncertain", ""): 2})
    assert "2 in doubt" in words(admin_client)
    assert "waits for you" in words(admin_client)


@pytest.mark.parametrize(
    ("pace", "left"),
    [
        (50, "About a minute to go."),
        (1, "About 60 minutes to go."),
        (0.1, "About 10.0 hours to go."),
        (0, "nothing went out between the last two counts"),
    ],
)
def test_time_to_finish_is_what_the_pace_says(admin_client, pace, left):
    sent_edition({("sent", ""): 400, ("pending", ""): 3600}, pace=pace, is_counted=False)
    said = words(admin_client)
    assert left in said
    assert "400 of 4,000, 10%" in said


def test_held_edition_says_why(admin_client):
    sent_edition({("pending", ""): 10}, held_at=NOW, held_because="0.40% complained", pace=3)
    said = words(admin_client)
    assert "Held: 0.40% complained." in said
    assert "to go" not in said


def test_what_is_being_sent_comes_before_what_went_out():
    sent_edition({("sent", ""): 5})
    week = sent_edition({("pending", ""): 5}, frequency="weekly", date=date(2026, 8, 10))
    assert sending.newest(goes=True, may=lambda name: True)[0].edition == week


def test_readers_who_came_and_left_are_those_of_the_figures(admin_client):
    for kind, about, number in (
        ("signed_up", "", 40), ("confirmed", "", 30), ("imported", "", 5),
        ("unsubscribed", "", 4), ("suppressed", "bounced", 2), ("active", "", 1_200_000),
    ):  # fmt: skip
        DayFigure.objects.create(day=NOW.date(), kind=kind, about=about, number=number)
    said = words(admin_client)
    assert "Active readers 1,200,000 Came in 30 days 35 Left in 30 days 6" in said
    assert "Sign-ups confirmed 75%" in said


def test_lines_say_when_they_are_near_and_over(admin_client):
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=100_000)
    figures.add(Counter({("complained", "mailgun"): 150, ("bounced", "mailgun"): 6000}))
    said = words(admin_client)
    assert "0.15% 150 Near the line: you are told at 0.10%, a send is held at 0.30%" in said
    assert "6.00% 6,000 Over the line: a send is held at 5%" in said


def test_one_complaint_of_a_few_readers_is_over_no_line(admin_client):
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=50)
    figures.add(Counter({("complained", "mailgun"): 2, ("bounced", "mailgun"): 5}))
    said = words(admin_client)
    assert "Complained 4.00% 2 you are told at" in said
    assert "Bounced for good 10.00% 5 a send is held at" in said


def test_reports_of_more_than_a_week_ago_do_not_count(admin_client):
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=1000)
    old = NOW.date() - timedelta(days=7)
    DayFigure.objects.create(day=old, kind="complained", about="mailgun", number=900)
    assert "Complained 0.00% 0" in words(admin_client)


def test_provider_that_rests_says_until_when_and_why(admin_client, settings):
    settings.SEND_RATES = {"smtp": 20.0}
    Circuit.objects.create(
        name="mailgun", open_until=NOW + timedelta(minutes=5), detail="HTTP 401: check the key"
    )
    said = words(admin_client)
    assert "mailgun rests until Aug 21, 09:05 UTC HTTP 401: check the key" in said
    assert "smtp works 0 20 messages a second" in said


def fetch(source, hours, *, error="", new=0):
    at = NOW - timedelta(hours=hours)
    return Fetch.objects.create(
        source=source, day=DAY, started_at=at, finished_at=at, error=error, new=new
    )


def test_source_has_its_name_in_words_and_says_when_it_was_read(admin_client, settings):
    settings.PAPER_SOURCES = ["arxiv", "hugging_face"]
    fetch("arxiv", 1, new=12)
    said = words(admin_client)
    assert "arXiv Aug 21, 08:00 UTC: 12 new none" in said
    assert "Hugging Face Daily Papers not read yet none" in said
    assert "hugging_face" not in said


def test_same_error_stands_once_with_its_number_and_the_last_time(admin_client, settings):
    settings.PAPER_SOURCES = ["arxiv", "hugging_face"]
    fetch("arxiv", 9, new=4)
    for hours in range(1, 8):
        fetch("arxiv", hours, error="arXiv: It answered 503.")
    fetch("hugging_face", 2, error="It answered 503.")
    said = words(admin_client)
    assert "arXiv Aug 21, 00:00 UTC: 4 new failed 7 times since" in said
    assert said.count("It answered 503.") == 1
    assert (
        "arXiv, Hugging Face Daily Papers: It answered 503. 8 times, the last on Aug 21, 08:00 UTC."
        in said
    )


def test_source_that_was_never_read_failed_since_nothing(admin_client, settings):
    settings.PAPER_SOURCES = ["arxiv"]
    fetch("arxiv", 1, error="It answered 503.")
    assert "arXiv not read yet failed 1 time none" in words(admin_client)


def test_error_that_is_over_is_not_shown(admin_client, settings):
    settings.PAPER_SOURCES = ["arxiv"]
    fetch("arxiv", 2, error="It answered 503.")
    fetch("arxiv", 1)
    assert "It answered 503." not in words(admin_client)


def test_oldest_waiting_digest_and_a_silent_worker_are_said(admin_client, settings):
    settings.LATE_AFTER = 3600
    make_batch([make_subscriber()], DAY, deliveries="pending")
    Delivery.objects.update(created_at=NOW - timedelta(hours=2))
    cache.set(signs.WORKER_SEEN, NOW - timedelta(minutes=24))
    said = words(admin_client)
    assert "waits since Aug 21, 07:00 UTC (2 hours)" in said
    assert "Beat not seen: is it running? Worker seen Aug 21, 08:36 UTC: is it running?" in said


def test_notices_are_shown_with_their_mend(admin_client):
    Notice.objects.create(
        kind="late",
        key="1",
        what="It is late.",
        mend="Look.",
        link="/admin/digest/batch/",
        created_at=NOW,
    )
    answer = admin_client.get("/admin/").content.decode()
    assert "It is late. Look. Look at it" in words(admin_client)
    assert '<a href="/admin/digest/batch/">Look at it</a>' in answer


def test_what_is_wrong_now_stands_before_what_was(admin_client):
    for lasts, ended_at, what in (
        (True, NOW, "It was."),
        (True, None, "It is."),
        (False, None, "Said."),
    ):
        Notice.objects.create(
            kind="late",
            key=what,
            what=what,
            mend="Look.",
            created_at=NOW,
            lasts=lasts,
            ended_at=ended_at,
        )
    said = words(admin_client)
    assert "What is wrong now Aug 21, 09:00 UTC It is. Look." in said
    assert "It was. Well again on Aug 21, 09:00 UTC." in said.split("What you were told")[1]


def test_number_of_queries_does_not_grow(admin_client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get("/admin/").status_code == 200
        return len(captured)

    sent_edition({("sent", ""): 5})
    make_batch([make_subscriber()], DAY, deliveries="pending")
    queries()
    few = queries()
    for number in range(1, 12):
        sent_edition({("sent", ""): 5}, date=DAY - timedelta(days=number))
        make_batch([make_subscriber()], DAY - timedelta(days=number), deliveries="pending")
    assert queries() <= few


def test_who_may_see_readers_only_is_shown_no_editions(client):
    user = User.objects.create_user("support", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_subscriber"))
    sent_edition({("sent", ""): 5})
    client.force_login(user)
    said = words(client)
    assert "Active readers" in said
    assert "Sent to" not in said


def test_chart_has_its_numbers_as_a_table():
    DayFigure.objects.create(day=DAY, kind="confirmed", number=7)
    chart = readers.of_last_days(timezone.now())["chart"]
    assert chart.rows == [("Aug 20", ["7", "0"])]


def test_who_signs_in_comes_to_the_dashboard(client, django_user_model):
    django_user_model.objects.create_superuser("operator", password="a-long-password")
    answer = client.post("/admin/login/", {"username": "operator", "password": "a-long-password"})
    assert answer.headers["Location"] == "/admin/"


def test_ledger_before_the_first_count_shows_no_zeros(admin_client):
    sent_edition({}, due_count=5, counted_at=None, is_counted=False)
    said = words(admin_client)
    assert "it is counted within a minute" in said
    assert "Adds up" not in said


def test_failed_is_split_by_reason_and_each_says_what_to_look_at(admin_client):
    sent_edition({("sent", ""): 9, ("failed", "refused"): 5, ("failed", "gave_up"): 2,
                  ("failed", "dropped"): 3})  # fmt: skip
    said = words(admin_client)
    assert "failed 10 refused by the provider See what the provider said 5" in said
    assert "dropped by an operator See which ones 3" in said
    assert "given up after many tries See what the provider said at last 2" in said


def test_what_an_operator_dropped_is_not_said_by_a_provider_and_no_fault(admin_client):
    sent_edition({("sent", ""): 9, ("failed", "dropped"): 3})
    page = html.fromstring(admin_client.get("/admin/").content.decode())
    ledger = page.find_class("desk-ledger")[0]
    assert "provider" not in ledger.text_content()
    assert ledger.find_class("desk-bad") == []


def test_nothing_goes_stands_above_all_while_every_provider_is_paused(admin_client, admin_user):
    for name in ("mailgun", "smtp"):
        plans.pause(name, because=f"{name} loses mail", by=admin_user)
    sent_edition({("pending", ""): 5}, is_counted=False)
    said = words(admin_client)
    assert said.startswith(
        "Nothing goes mailgun is paused since Aug 21, 09:00 UTC by admin: “mailgun loses mail”"
    )
    assert "Resume mailgun" in said
    assert "Waits: no provider takes digests now." in said


def test_the_only_provider_is_resumed_at_the_headline(admin_client, settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    plans.pause("mailgun", because="their page is red")
    page = html.fromstring(admin_client.get("/admin/").content.decode(), base_url="http://x")
    headline = page.find_class("desk-stops")[0]
    said = " ".join(headline.text_content().split())
    assert (
        "Nothing goes: mailgun is paused since Aug 21, 09:00 UTC by a command: “their page" in said
    )
    form = headline.find(".//form")
    assert "csrfmiddlewaretoken" in dict(form.form_values())
    admin_client.post(form.get("action"))
    plans.forget()
    assert "Nothing goes" not in words(admin_client)


def test_who_may_not_change_providers_sees_why_nothing_goes_and_no_button(client, settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    plans.pause("mailgun", because="their page is red")
    roles.ensure()
    user = User.objects.create_user("ed")
    roles.give(user, roles.Role.EDITOR)
    client.force_login(user)
    said = words(client)
    assert "Nothing goes: mailgun is paused" in said
    assert "Resume" not in said


def test_one_paused_provider_stops_nothing(admin_client):
    plans.pause("mailgun", because="their page is red")
    said = words(admin_client)
    assert "Nothing goes" not in said
    assert "mailgun paused since Aug 21, 09:00 UTC by a command “their page is red”" in said


def test_all_providers_rest_and_say_until_when(admin_client):
    for name in ("mailgun", "smtp"):
        Circuit.objects.create(
            name=name, open_until=NOW + timedelta(minutes=5), detail=f"{name} is busy"
        )
    said = words(admin_client)
    assert "Nothing goes mailgun rests until Aug 21, 09:05 UTC and is tried again by itself" in said
    assert "“smtp is busy”" in said


def test_held_edition_is_released_at_the_headline(admin_client):
    batch = make_batch([make_subscriber()], DAY, deliveries="pending")
    Batch.objects.update(state="open")
    Edition.objects.update(held_at=NOW, held_because="0.40% complained")
    page = html.fromstring(admin_client.get("/admin/").content.decode())
    headline = page.find_class("desk-stops")[0]
    said = " ".join(headline.text_content().split())
    assert (
        "the daily edition 2026-08-20 is held since Aug 21, 09:00 UTC: “0.40% complained”" in said
    )
    form = headline.find(".//form")
    admin_client.post(form.get("action"), dict(form.form_values()))
    assert Edition.objects.get(pk=batch.edition_id).held_at is None


def test_chart_says_which_line_of_complaints_was_crossed_and_when():
    for ago in range(30):
        day = NOW.date() - timedelta(days=ago)
        DayCount.objects.create(provider="mailgun", day=day, messages=10_000)
    for ago, number in ((20, 100), (0, 220)):
        day = NOW.date() - timedelta(days=ago)
        DayFigure.objects.create(day=day, kind="complained", about="mailgun", number=number)
    complaints, bounces = mail.of_last_days(NOW)["limits"]
    assert complaints.notes == [
        "Over 0.30% since Aug 21.",
        "Over 0.10% from Aug 1 to Aug 7, since Aug 21.",
    ]
    assert bounces.notes == ["Never over 5% in these 30 days."]
    assert complaints.rows[:2] == [
        ("Aug 21", ["0.31%, over 0.30%"]),
        ("Aug 7", ["0.14%, over 0.10%"]),
    ]
    assert '"you are told at 0.10%"' in complaints.data


def test_readers_say_when_they_were_counted(admin_client):
    make_subscriber()
    figures.count_readers(NOW - timedelta(hours=3))
    assert "Counted on Aug 21, 06:00 UTC" in words(admin_client)
    assert figures.readers().active == 1


def test_dashboard_and_status_tell_of_the_same_count(admin_client):
    DayFigure.objects.create(day=DAY, kind="active", number=12_345)
    assert "Active readers 12,345" in words(admin_client)
    assert "about 12,000 readers" in admin_client.get("/status/").content.decode()
