"""Numbers for the operator are kept as things happen, and are what counting would give."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from celery import current_app
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from digest import tasks
from digest.delivery import figures, ledger, settling
from digest.delivery.feedback import events, intake
from digest.models import Batch, DayFigure, Delivery, Edition, EditionCount, Lease
from subscriptions import services
from subscriptions.models import ConsentRecord, Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 21, 9, tzinfo=UTC)
DAY = date(2026, 8, 20)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def batch_of(number, deliveries="sent"):
    batch = make_batch([make_subscriber() for _ in range(number)], DAY, deliveries=deliveries)
    edition = batch.edition
    Edition.objects.filter(pk=edition.pk).update(due_count=edition.deliveries.count())
    return batch


def edition():
    return Edition.objects.get(date=DAY)


def figure(kind, about=""):
    return DayFigure.objects.get(day=NOW.date(), kind=kind, about=about).number


def test_kept_ledger_is_what_the_outbox_says():
    batch_of(3)
    batch_of(2, "pending")
    Delivery.objects.create(edition=edition(), state="skipped", reason="paused")
    Edition.objects.update(due_count=6)
    figures.keep(NOW)
    assert figures.ledger_of(edition()) == ledger.of_edition(edition())
    assert edition().is_counted is False


def test_what_is_settled_is_counted_once_more_and_then_left_alone():
    batch_of(3)
    figures.keep(NOW)
    assert edition().is_counted
    with CaptureQueriesContext(connection) as queries:
        figures.keep(NOW + timedelta(seconds=20))
    assert not any("digest_delivery" in query["sql"] for query in queries)


def test_what_was_planned_since_is_counted():
    batch_of(3)
    figures.keep(NOW)
    batch_of(2)
    figures.keep(NOW + timedelta(seconds=20))
    assert figures.ledger_of(edition()).sent == 5


def test_doubt_that_is_settled_is_counted():
    batch = batch_of(2, "uncertain")
    figures.keep(NOW)
    settling.accept(delivery_ids=set(), batch_ids=[batch.pk])
    figures.keep(NOW + timedelta(seconds=20))
    assert EditionCount.objects.get().state == "sent"
    assert edition().is_counted


def counted_anew(at):
    with CaptureQueriesContext(connection) as queries:
        figures.keep(at)
    return any("GROUP BY" in q["sql"] and "digest_delivery" in q["sql"] for q in queries)


@pytest.mark.parametrize("held_at", [NOW, None])
def test_what_is_held_or_in_doubt_is_counted_every_two_minutes(held_at):
    batch_of(2, "pending" if held_at else "uncertain")
    Edition.objects.update(held_at=held_at)
    figures.keep(NOW)
    assert not counted_anew(NOW + timedelta(seconds=100))
    assert counted_anew(NOW + timedelta(seconds=121))


def test_what_does_not_add_up_is_counted_once():
    batch_of(3)
    Edition.objects.update(due_count=4)
    figures.keep(NOW)
    assert not counted_anew(NOW + timedelta(seconds=20))


def test_second_run_beside_the_first_counts_nothing():
    batch_of(3)
    Lease.objects.create(name="figures", expires_at=NOW, free_at=NOW + timedelta(minutes=1))
    assert not counted_anew(NOW)
    assert counted_anew(NOW + timedelta(minutes=1))


def test_pace_is_what_went_out_between_two_counts():
    batch = batch_of(40, "pending")
    figures.keep(NOW)
    batch.deliveries.update(state="sent")
    Batch.objects.update(state="done")
    figures.keep(NOW + timedelta(seconds=20))
    assert edition().pace == 2.0


def test_an_older_count_does_not_replace_a_newer_one():
    batch_of(2, "pending")
    figures.keep(NOW)
    Delivery.objects.update(state="sent")
    figures.count(edition(), NOW - timedelta(seconds=1))
    assert EditionCount.objects.get().state == "pending"


def test_ledger_that_does_not_add_up_is_kept_as_such():
    batch_of(3)
    Edition.objects.update(due_count=4)
    figures.keep(NOW)
    assert not figures.ledger_of(edition()).is_balanced


def test_who_came_and_went_is_counted_by_day():
    reader = make_subscriber()
    for action in ("signed_up", "confirmed", "unsubscribed"):
        ConsentRecord.objects.create(subscriber=reader, action=action)
    figures.keep(NOW)
    figures.keep(NOW)
    assert (figure("signed_up"), figure("confirmed"), figure("unsubscribed")) == (1, 1, 1)


def test_import_that_asks_its_readers_counts_as_sign_ups():
    for text in ("", "a list of 2024"):
        ConsentRecord.objects.create(subscriber=make_subscriber(), action="imported", text=text)
    figures.keep(NOW)
    assert (figure("signed_up"), figure("imported")) == (1, 1)


def test_who_is_erased_stays_counted_on_that_day():
    reader = make_subscriber()
    ConsentRecord.objects.create(subscriber=reader, action="signed_up")
    figures.keep(NOW)
    services.erase(reader)
    figures.keep(NOW + timedelta(minutes=1))
    assert figure("signed_up") == 1
    assert figure("suppressed", "erased") == 1


def test_suppressed_addresses_of_nobody_here_are_not_readers_who_left():
    reader = make_subscriber("ada@example.org")
    for address in (reader.email, "stranger@example.org"):
        services.suppress_address(address, Suppression.Reason.BOUNCED)
    figures.keep(NOW)
    assert figure("suppressed", "bounced") == 1


def test_readers_are_counted_every_ten_minutes(clock):
    make_subscriber()
    make_subscriber(state="pending")
    figures.keep(NOW)
    make_subscriber()
    figures.keep(NOW + timedelta(minutes=9))
    assert (figure("active"), figure("pending")) == (1, 1)
    figures.keep(NOW + timedelta(minutes=10))
    assert figures.latest("active") == 2


def test_reports_of_providers_are_counted_when_they_are_applied():
    deliveries = list(batch_of(4).deliveries.all())
    kinds = [
        ("delivered", ""),
        ("complained", ""),
        ("bounced", "bounced"),
        ("bounced", "timed_out"),
    ]
    intake.store(
        intake.Report(
            provider="mailgun", event_id=f"e{delivery.pk}", type=kind, reject_reason=reason,
            metadata={"delivery": str(delivery.pk)},
        )
        for delivery, (kind, reason) in zip(deliveries, kinds, strict=True)
    )  # fmt: skip
    events.apply_pending()
    events.apply_pending()
    found = {row.kind: row.number for row in DayFigure.objects.filter(about="mailgun")}
    assert found == {"delivered": 1, "complained": 1, "bounced": 1, "deferred": 1}


def test_adding_twice_adds_up():
    for _ in range(2):
        figures.add(Counter({("delivered", "smtp"): 3}))
    assert figures.by_day(["delivered"], since=NOW.date())["delivered"] == {NOW.date(): 6}


def test_counting_costs_the_same_for_many_batches():
    batch_of(1)
    with CaptureQueriesContext(connection) as few:
        figures.keep(NOW)
    for _ in range(5):
        batch_of(2)
    with CaptureQueriesContext(connection) as many:
        figures.keep(NOW + timedelta(hours=1))
    assert len(many) <= len(few)


def test_task_keeps_the_figures_twice_without_harm():
    batch_of(2)
    tasks.keep_figures()
    tasks.keep_figures()
    assert figures.ledger_of(edition()).sent == 2


def test_import_has_readers_counted_at_once(tmp_path):
    figures.keep(NOW)
    readers = tmp_path / "readers.csv"
    readers.write_text("email\nada@example.org\ngrace@example.org\n")
    current_app.conf.task_always_eager = True
    try:
        call_command("import_subscribers", str(readers), "--confirmed", "--consent=a list")
    finally:
        current_app.conf.task_always_eager = False
    assert figures.readers() == figures.Readers(active=2, pending=0, counted_at=NOW)
    assert figures.by_day(["imported"], since=NOW.date())["imported"] == {NOW.date(): 2}


def test_import_that_changes_nothing_counts_nothing(tmp_path):
    readers = tmp_path / "readers.csv"
    readers.write_text("email\nada@example.org\n")
    current_app.conf.task_always_eager = True
    try:
        call_command("import_subscribers", str(readers), "--dry-run")
    finally:
        current_app.conf.task_always_eager = False
    assert figures.readers() == figures.Readers(active=None, pending=None, counted_at=None)
