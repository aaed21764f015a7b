"""The operator is told once a cause, by a way of its own, and again when it failed again."""

import email
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.urls import resolve

from digest.delivery import notices
from digest.delivery.esp import providers
from digest.delivery.notices import Trouble
from digest.delivery.watching import telling
from digest.models import Edition, Notice
from tests.digest.delivery.conftest import NOW
from tests.smtp import fast_sink

pytestmark = pytest.mark.django_db
LATE = Trouble(
    what="Digests are late.", mend="Type: manage.py ledger", link="/admin/digest/edition/"
)


@pytest.fixture(autouse=True)
def ways(clock, settings):
    settings.OPERATOR_EMAIL = "operator@example.org"
    # Whatever the digests go by does not work.
    settings.EMAIL_PROVIDERS = ["smtp"]
    settings.SMTP_URL = "smtp://127.0.0.1:9"
    providers.connection.cache_clear()


@pytest.fixture
def server(settings):
    with fast_sink() as sink:
        settings.ALARM_SMTP_URL = f"smtp://127.0.0.1:{sink.port}"
        yield sink


def stand(*keys, trouble=LATE):
    notices.stand("late", dict.fromkeys(keys, trouble), now=datetime.now(UTC))


def send():
    return telling.send_waiting(datetime.now(UTC))


def mails(server):
    return [email.message_from_bytes(content) for _, content in server.mails]


def test_alarm_goes_by_its_own_mail_server_and_webhook_once(server, hook):
    for _ in range(3):
        stand("1")
        send()
    (mail,) = mails(server)
    (posted,) = hook.posted
    assert mail["To"] == "operator@example.org"
    assert mail["Subject"] == "Daily Papers at papers.example.org: Digests are late."
    lines = [LATE.what, LATE.mend, "https://papers.example.org/admin/digest/edition/"]
    assert mail.get_payload().split("\r\n")[:3] == lines
    assert posted == {
        "text": "\n".join(lines),
        "content": "\n".join(lines),
        "kind": "late",
        "state": "failing",
        "what": LATE.what,
        "mend": LATE.mend,
        "link": lines[2],
        "site": "https://papers.example.org",
    }


def test_what_is_well_again_is_told_once_and_what_fails_again_anew(hook, clock):
    stand("1")
    send()
    for _ in range(5):
        clock.shift(timedelta(minutes=1))
        stand()
        send()
    stand("1")
    send()
    assert [each["state"] for each in hook.posted] == ["failing", "well", "failing"]
    assert hook.posted[1]["text"].startswith("Well again. It was: Digests are late.")
    assert LATE.mend not in hook.posted[1]["text"]


def test_what_comes_and_goes_is_told_once(hook, clock):
    for minute in range(10):
        stand(*(["1"] if minute % 2 == 0 else []))
        send()
        clock.shift(timedelta(minutes=1))
    assert [each["state"] for each in hook.posted] == ["failing"]


def test_each_cause_is_told_for_itself(hook):
    stand("1", "2")
    send()
    stand("1", "2", "3")
    send()
    assert Notice.objects.count() == len(hook.posted) == 3


def test_way_that_is_closed_is_tried_again_and_the_other_is_not_repeated(server, hook, caplog):
    hook.status = 500
    stand("1")
    send()
    first = (len(server.mails), len(hook.calls))
    hook.status = 200
    send()
    assert (first, len(server.mails), len(hook.calls)) == ((1, 0), 1, 1)
    waits = [r for r in caplog.records if r.getMessage() == "operator's notice waits"]
    assert [record.error for record in waits] == ["ALARM_WEBHOOK_URL: HTTP 500"]


def test_notice_that_the_webhook_refuses_holds_up_no_other(hook, settings):
    settings.OPERATOR_EMAIL = ""
    hook.status = 400
    stand("1")
    send()
    hook.status = 200
    stand("1", "2")
    assert (send(), send(), len(hook.calls)) == (1, 0, 1)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_notice_waits_for_a_webhook_that_asks_for_patience(hook, settings, status):
    settings.OPERATOR_EMAIL = ""
    hook.status = status
    stand("1")
    send()
    hook.status = 200
    assert (send(), len(hook.calls)) == (1, 1)


def test_process_that_ends_in_the_call_has_told_nobody(hook, clock):
    def end(_):
        raise SystemExit

    stand("1")
    with pytest.raises(SystemExit):
        telling._send_all(NOW, end, "posted_at", is_over=False)
    before = Notice.objects.get().posted_at
    assert (before, telling._send_all(NOW, telling._post, "posted_at", is_over=False)) == (None, 1)


def test_turn_of_a_process_that_was_killed_ends_by_itself(hook, settings, clock):
    settings.OPERATOR_EMAIL = ""
    stand("1")
    killed = telling._turn("posted_at")
    assert killed.__enter__()()
    during = send()
    clock.shift(telling.LONGEST_CALL)
    assert (during, send(), send(), len(hook.calls)) == (0, 1, 0, 1)


def test_what_a_provider_said_in_lines_is_one_line(server):
    stand("1", trouble=Trouble(what="It said: 550\r\nBcc: all\n of us", mend="Wait."))
    send()
    assert Notice.objects.get().what == "It said: 550 Bcc: all of us"
    Notice.objects.update(what="Of\nold.", mailed_at=None)
    send()
    assert [mail["Subject"].partition(": ")[2] for mail in mails(server)] == [
        "It said: 550 Bcc: all of us",
        "Of old.",
    ]


def test_webhook_that_is_away_says_nothing_of_its_address_in_the_log(settings, caplog):
    settings.OPERATOR_EMAIL = ""
    settings.ALARM_WEBHOOK_URL = "http://127.0.0.1:9/services/secret"
    stand("1")
    assert send() == 0
    assert "secret" not in caplog.text + str([vars(record) for record in caplog.records])


def test_mail_server_that_is_away_leaves_the_notice_waiting(settings):
    settings.ALARM_SMTP_URL = "smtp://127.0.0.1:9"
    stand("1")
    assert (send(), Notice.objects.get().mailed_at) == (0, None)


def test_notice_that_could_not_be_sent_for_a_day_is_not_sent_any_more(settings, clock):
    settings.ALARM_SMTP_URL = "smtp://127.0.0.1:9"
    stand("1")
    send()
    clock.shift(timedelta(days=1, minutes=1))
    with fast_sink() as sink:
        settings.ALARM_SMTP_URL = f"smtp://127.0.0.1:{sink.port}"
        send()
    assert sink.mails == []


def test_what_was_over_before_it_could_be_told_is_told_by_its_end_alone(hook, clock):
    hook.status = 500
    stand("1")
    send()
    clock.shift(timedelta(minutes=10))
    stand()
    hook.status = 200
    for _ in range(2):
        send()
    assert [each["state"] for each in hook.posted] == ["well"]


def test_what_somebody_ended_before_it_was_told_is_not_told_at_all(hook):
    notices.begin("held", 12, Trouble(what="Held.", mend="Release it."))
    notices.end("held", 12, now=NOW)
    assert (send(), hook.calls) == (0, [])


def test_what_somebody_ended_is_told_at_once_to_who_knows_of_it(hook):
    notices.begin("held", 12, Trouble(what="Held.", mend="Release it."))
    send()
    notices.end("held", 12, now=NOW)
    send()
    assert [each["text"] for each in hook.posted][1:] == ["Well again. It was: Held."]
    assert [each["state"] for each in hook.posted] == ["failing", "well"]


def test_what_somebody_ended_while_it_was_being_told_is_told_to_be_over(hook, monkeypatch):
    notices.begin("held", 12, Trouble(what="Held.", mend="Release it."))
    post = telling.requests.post

    def released_meanwhile(*args, **kwargs):
        monkeypatch.setattr(telling.requests, "post", post)
        notices.end("held", 12, now=NOW)
        return post(*args, **kwargs)

    monkeypatch.setattr(telling.requests, "post", released_meanwhile)
    send()
    send()
    assert [each["state"] for each in hook.posted] == ["failing", "well"]


def test_what_is_given_up_ends_without_a_word(hook, clock):
    stand("1")
    send()
    clock.shift(timedelta(days=3))
    notices.give_up("late", but=["2"], now=datetime.now(UTC))
    send()
    assert (len(hook.calls), notices.open_notices().count()) == (1, 0)


def test_things_that_happened_are_told_once_for_good_and_are_not_open(hook):
    for _ in range(2):
        notices.tell("partitions", "2026-11", what="Too few.", mend="Make some.")
        send()
    assert (len(hook.calls), notices.open_notices().count()) == (1, 0)


def test_without_the_database_any_way_that_works_is_taken(server, hook):
    news = telling.News(kind="database_away", trouble=LATE)
    assert telling.send_at_once(news)
    assert (len(server.mails), len(hook.calls)) == (1, 1)


def test_without_the_database_and_another_way_the_mail_goes_by_a_provider(settings):
    news = telling.News(kind="database_away", trouble=LATE)
    lost = telling.send_at_once(news)
    with fast_sink() as sink:
        settings.SMTP_URL = f"smtp://127.0.0.1:{sink.port}"
        providers.connection.cache_clear()
        assert (lost, telling.send_at_once(news)) == (False, True)
        providers.connection("smtp").close()
    assert len(sink.mails) == 1


def test_notice_is_an_error_in_the_log_and_its_end_is_not(caplog, clock):
    caplog.set_level(logging.INFO)
    stand("1")
    clock.shift(timedelta(minutes=10))
    stand()
    levels = [(r.levelno, r.getMessage()) for r in caplog.records if r.name.endswith("notices")]
    assert levels == [(40, "operator notice"), (20, "operator notice ended")]


def test_page_of_an_edition_is_one_of_the_admin():
    edition = Edition.objects.create(frequency="daily", date=NOW.date())
    found = resolve(notices.page_of(edition))
    assert (found.view_name, found.kwargs) == (
        "admin:digest_edition_change",
        {"object_id": str(edition.pk)},
    )


def test_pages_that_notices_link_to_are_there(admin_client):
    """None is made by `reverse`, so that workers need not load the views."""
    code = "".join(path.read_text() for path in Path(notices.__file__).parent.rglob("*.py"))
    links = set(re.findall(r'link="(/admin/[^"]+)"', code))
    assert {link: admin_client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
    assert len(links) >= 5
