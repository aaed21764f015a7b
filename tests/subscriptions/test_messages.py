"""Claim, send, record: each message once, and none lost."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from kombu.exceptions import OperationalError

from subscriptions import messages, services, tasks
from subscriptions.errors import NotNowError, RefusedError
from subscriptions.models import Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=3)


class Broken(BaseEmailBackend):
    """A way out that takes nothing."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def _frozen(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def broken(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Broken"


class Refusing(BaseEmailBackend):
    """A way out that says there is no such mailbox."""

    is_dead_address = True

    def send_messages(self, email_messages):
        raise RefusedError("SMTP 550 5.1.1", is_dead_address=self.is_dead_address)


class RefusingToday(Refusing):
    is_dead_address = False


class Full(BaseEmailBackend):
    """A way out that has no room for what can wait."""

    def send_messages(self, email_messages):
        if email_messages[0].can_wait:
            raise NotNowError("full")
        mail.outbox.extend(email_messages)


def ask(**fields):
    reader = make_subscriber(state="pending")
    return TransactionalMessage.objects.create(subscriber=reader, kind="confirm", **fields)


class SignUpAtTheFirst(list):
    """An outbox; while the first mail is put into it, somebody signs up."""

    def append(self, message):
        super().append(message)
        if len(self) == 1:
            ask()


class Slow(list):
    """An outbox into which a mail takes a minute."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def append(self, message):
        super().append(message)
        self.clock.shift(60)


def send():
    return messages.send_pending(until=LATER)


def test_message_is_sent_once():
    row = ask()
    assert send() == 1
    assert send() == 0
    row.refresh_from_db()
    assert (row.state, row.attempts, row.sent_at) == ("sent", 1, NOW)
    assert [message.to for message in mail.outbox] == [[row.subscriber.email]]


def test_who_signs_up_is_mailed_before_all_of_an_import():
    waiting = [ask(can_wait=True) for _ in range(3)]
    asked = ask()
    assert send() == 4
    first = mail.outbox[0].metadata["message"]
    assert (first, len(waiting)) == (str(asked.pk), 3)


def test_who_signs_up_while_an_import_is_sent_waits_for_a_few_at_most(monkeypatch):
    for _ in range(12):
        ask(can_wait=True)
    monkeypatch.setattr(mail, "outbox", SignUpAtTheFirst())
    assert send() == 13
    assert [message.can_wait for message in mail.outbox].index(False) <= 5


def test_import_is_held_where_there_is_no_room_and_sign_ups_are_not(settings):
    settings.EMAIL_BACKEND = f"{__name__}.Full"
    held = [ask(can_wait=True) for _ in range(10)]
    ask()
    assert send() == 1
    rows = TransactionalMessage.objects.filter(pk__in=[row.pk for row in held])
    assert set(rows.values_list("state", "attempts", "retry_at")) == {("pending", 0, None)}


def test_who_signs_up_while_the_question_of_an_import_waits_gets_that_at_once():
    for _ in range(3):
        ask(can_wait=True)
    reader = ask(can_wait=True).subscriber
    services.request_link(reader.email)
    services.request_link(reader.email)
    assert send() == 4
    assert mail.outbox[0].to == [reader.email]
    assert TransactionalMessage.objects.filter(subscriber=reader).count() == 1


def test_import_leaves_the_worker_to_others_after_a_minute(monkeypatch):
    ask(can_wait=True)
    ask()
    with time_machine.travel(NOW, tick=False) as clock:
        monkeypatch.setattr(mail, "outbox", Slow(clock))
        assert send() == 1
    assert TransactionalMessage.objects.get(state="pending").can_wait


def test_message_that_another_worker_claimed_is_left_to_it():
    ask(state="claimed", claimed_at=NOW, attempts=1)
    assert send() == 0
    assert mail.outbox == []


def test_claim_that_went_stale_is_not_sent_again(settings):
    row = ask(state="claimed", claimed_at=NOW - timedelta(seconds=901), attempts=1)
    assert send() == 0
    row.refresh_from_db()
    assert row.state == "uncertain"
    assert mail.outbox == []


def test_lost_race_for_a_claim_sends_nothing():
    row = ask(state="sent")
    assert not messages._send_one(row.pk)
    assert mail.outbox == []


def test_worker_that_comes_back_late_does_not_overwrite_what_was_settled():
    row = ask(state="uncertain", attempts=1)
    messages._settle(row, state="sent")
    row.refresh_from_db()
    assert row.state == "uncertain"


def test_failure_is_tried_again_later(broken):
    row = ask()
    assert send() == 0
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("pending", 1)
    assert NOW + timedelta(minutes=1) <= row.retry_at <= NOW + timedelta(minutes=2)


def test_dead_address_is_suppressed_at_once_and_not_tried_again(settings, caplog):
    """EMAIL_STANDARDS 3: hard bounces. A visitor's slip is no ERROR for the operator."""
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    row = ask()
    send()
    row.refresh_from_db()
    assert row.state == "failed"
    assert Suppression.objects.get().reason == "bounced"
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_refused_message_is_given_up_and_the_address_stays(settings):
    settings.EMAIL_BACKEND = f"{__name__}.RefusingToday"
    row = ask()
    send()
    row.refresh_from_db()
    assert row.state == "failed"
    assert not Suppression.objects.exists()


def test_message_waits_until_its_time(settings):
    ask(retry_at=NOW + timedelta(seconds=1))
    assert send() == 0
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False):
        assert send() == 1


def test_sixth_failure_is_the_last(broken):
    row = ask(attempts=5)
    send()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 6)


def test_one_failure_does_not_hold_up_the_rest(settings):
    poor = ask()
    TransactionalMessage.objects.filter(pk=poor.pk).update(kind="no-such-kind")
    ask()
    assert send() == 1


def test_missing_postal_address_sends_nothing_and_keeps_the_message(settings):
    settings.POSTAL_ADDRESS = ""
    row = ask()
    assert send() == 0
    row.refresh_from_db()
    assert row.state == "pending"


def test_address_that_was_suppressed_meanwhile_gets_nothing():
    row = ask()
    services.suppress(row.subscriber, Suppression.Reason.BOUNCED)
    assert send() == 0
    row.refresh_from_db()
    assert row.state == "failed"
    assert mail.outbox == []


def test_message_of_an_erased_subscriber_is_gone():
    row = ask()
    services.erase(row.subscriber)
    assert send() == 0
    assert not messages._send_one(row.pk)


def test_worker_stops_when_its_time_is_up():
    ask()
    assert messages.send_pending(until=NOW) == 0


def test_task_may_run_twice():
    ask()
    tasks.send_messages()
    tasks.send_messages()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("already_subscribed", {"state": "unsubscribed", "slot": None}),
        ("confirm", {"confirmed_at": NOW + timedelta(minutes=1)}),
        ("confirm", {"unsubscribed_at": NOW + timedelta(minutes=1)}),
    ],
)
def test_mail_that_would_say_what_is_not_so_any_more_is_not_sent(kind, changes, mailoutbox):
    reader = make_subscriber()
    row = TransactionalMessage.objects.create(subscriber=reader, kind=kind)
    Subscriber.objects.filter(pk=reader.pk).update(**changes)
    tasks.send_messages()
    row.refresh_from_db()
    assert (row.state, mailoutbox) == ("failed", [])


def test_purge_task_may_run_twice():
    row = ask()
    TransactionalMessage.objects.update(state="sent", sent_at=NOW)
    with time_machine.travel(NOW + timedelta(days=15), tick=False):
        tasks.purge()
        tasks.purge()
    assert not TransactionalMessage.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("error", [OperationalError, ConnectionRefusedError, TimeoutError])
def test_unreachable_broker_does_not_fail_the_page(error, monkeypatch, caplog):
    def refuse():
        raise error

    monkeypatch.setattr(tasks.send_messages, "delay_on_commit", refuse)
    tasks.wake_sender()
    assert "broker not reached" in caplog.text


def test_waking_the_sender_waits_for_the_commit(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        tasks.wake_sender()
    assert len(callbacks) == 1
