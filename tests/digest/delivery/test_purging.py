"""Deliveries of long ago are counted for good and go; what is still needed stays, and stays right."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from digest import tasks
from digest.delivery import figures, ledger
from digest.delivery.due import planning, requested
from digest.delivery.keeping import purging
from digest.errors import EditionForgottenError
from digest.models import (
    Audience,
    AudienceSelection,
    Batch,
    Circuit,
    Delivery,
    Edition,
    Event,
)
from subscriptions import tokens
from subscriptions.models import Slot
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=120)
State = Delivery.State


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def edition():
    """Sent to three readers, and followed by a newer one."""
    batch = make_batch([make_subscriber() for _ in range(3)], deliveries="sent")
    batch.edition.deliveries.create(state=State.SKIPPED, reason="paused")
    Edition.objects.filter(pk=batch.edition_id).update(due_count=4)
    make_edition(LATER.date() - timedelta(days=1), [make_paper()])
    return batch.edition


def purge(at=LATER, **fields):
    return purging.purge(at, until=fields.get("until", timezone.now() + timedelta(hours=1)))


def run(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_deliveries_go_with_all_that_hangs_on_them_and_the_counts_stay(edition):
    one = edition.deliveries.filter(state=State.SENT).first()
    Event.objects.create(provider="mailgun", event_id="1", type="delivered", delivery=one)
    AudienceSelection.objects.create(edition=edition, audience=one.audience, selection_key="a" * 32)
    Circuit.objects.create(name=f"edition {edition.pk}")
    before = ledger.of_edition(edition)
    purge()
    for model in (Delivery, Batch, Event, Audience, AudienceSelection, Circuit):
        assert not model.objects.exists(), model
    assert ledger.of_edition(edition) == before
    assert (before.due, before.sent, before.skipped, before.is_balanced) == (
        4,
        3,
        {"paused": 1},
        True,
    )


def test_what_is_younger_than_the_setting_stays(edition, settings):
    day = datetime(2026, 8, 20, tzinfo=UTC)
    purge(day + timedelta(days=settings.KEEP_DELIVERIES_DAYS))
    assert Delivery.objects.count() == 4
    purge(day + timedelta(days=settings.KEEP_DELIVERIES_DAYS + 2))
    assert Delivery.objects.count() == 0


def test_newest_edition_stays_however_old_it_is_and_nobody_gets_it_twice():
    make_edition(DAY, [make_paper()])
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    purge(LATER)
    Slot.objects.update(next_digest_at=LATER)
    planning.plan(LATER)
    assert Delivery.objects.count() == 1


def test_kill_between_steps_leaves_the_ledger_and_the_next_call_ends_it(edition, monkeypatch):
    monkeypatch.setattr(purging, "STEP", 1)
    monkeypatch.setattr(purging, "_MOST_BATCHES", 1)
    make_batch([make_subscriber()], deliveries="sent")
    Edition.objects.filter(pk=edition.pk).update(due_count=5)
    before = ledger.of_edition(edition)
    assert purging._begin(edition, LATER)
    assert purging._step(edition, has_rows=True)["deliveries"] == 3
    assert ledger.of_edition(edition) == before
    purge()
    assert Delivery.objects.count() == 0
    assert ledger.of_edition(edition) == before
    assert Edition.objects.get(pk=edition.pk).forgotten_at == LATER


def test_second_call_does_nothing_more(edition):
    purge()
    assert purge() == {}
    assert tasks.purge_deliveries() is None


def test_task_leaves_the_worker_to_others_after_a_minute(edition, monkeypatch):
    assert tasks.WAKE_SECONDS < 60
    monkeypatch.setattr(tasks, "WAKE_SECONDS", 0)
    with time_machine.travel(LATER, tick=False):
        tasks.purge_deliveries()
    before = Delivery.objects.count()
    monkeypatch.undo()
    with time_machine.travel(LATER, tick=False):
        tasks.purge_deliveries()
    assert (before, Delivery.objects.count()) == (4, 0)


def test_no_more_is_forgotten_once_the_time_is_over(edition):
    purge(until=timezone.now() - timedelta(seconds=1))
    assert Delivery.objects.count() == 4
    assert ledger.of_edition(edition).is_balanced


def test_step_is_bounded_and_its_queries_do_not_grow_with_readers(edition, monkeypatch):
    with CaptureQueriesContext(
        connection,
    ) as few:
        purge()
    make_batch([make_subscriber() for _ in range(50)], DAY - timedelta(days=1), deliveries="sent")
    Edition.objects.filter(date=DAY - timedelta(days=1)).update(due_count=50)
    with CaptureQueriesContext(connection) as many:
        purge()
    assert Delivery.objects.count() == 0
    assert len(many) <= len(few)


def test_what_is_in_doubt_or_held_for_so_long_is_given_up(edition):
    make_batch([make_subscriber()], deliveries="uncertain")
    make_batch([make_subscriber()], deliveries="pending")
    Edition.objects.filter(pk=edition.pk).update(due_count=6, held_at=NOW)
    Delivery.objects.update(created_at=NOW)
    purge()
    found = ledger.of_edition(edition)
    assert (found.failed, found.uncertain, found.pending, found.is_balanced) == (2, 0, 0, True)


def test_edition_that_a_worker_has_in_its_hands_stays(edition):
    make_batch([make_subscriber()], deliveries="pending", state="claimed")
    purge()
    assert Delivery.objects.count() == 5
    assert Edition.objects.get(pk=edition.pk).forgetting_at is None


def test_old_edition_that_was_sent_of_late_stays(edition):
    Batch.objects.update(claimed_at=LATER - timedelta(days=1))
    purge()
    assert Delivery.objects.count() == 4


def test_forgotten_edition_is_never_planned_again(edition):
    purge()
    make_subscriber(next_digest_at=LATER)
    with pytest.raises(EditionForgottenError):
        planning.plan(LATER, day=DAY)
    assert Delivery.objects.count() == 0
    with pytest.raises(CommandError, match="is not sent any more"):
        run("send_digests", "--date", str(DAY))


def test_slot_that_was_begun_with_a_forgotten_edition_gets_the_newest(edition):
    purge()
    reader = make_subscriber(next_digest_at=LATER)
    Slot.objects.update(begun_with=edition.pk)
    planning.plan(LATER)
    assert Delivery.objects.get(subscriber=reader).edition_id != edition.pk


def test_kept_figures_are_not_counted_anew(edition):
    purge()
    before = ledger.of_edition(edition)
    figures.keep(LATER)
    figures.count(edition, LATER)
    assert ledger.of_edition(edition) == before


def test_commands_say_in_a_line_what_is_forgotten(edition):
    purge()
    assert "Counted on 2026-12-19" in run("ledger", "--date", str(DAY))
    with pytest.raises(CommandError, match="2026-08-20 are forgotten since 2026-12-19"):
        run("settle_deliveries", "--date", str(DAY), "--release")


def test_links_of_an_old_mail_still_work(edition, client):
    reader = edition.deliveries.exclude(subscriber=None).first().subscriber
    link = tokens.make_digest(reader.public_id, edition.pk)
    purge()
    page = client.get(f"/digests/{link}/")
    assert page.status_code == 410
    assert "/papers/2026-08-20/" in page.content.decode()
    client.post(f"/unsubscribe/{tokens.make_unsubscribe(reader.public_id)}/",
                {"List-Unsubscribe": "One-Click"})  # fmt: skip
    reader.refresh_from_db()
    assert reader.state == "unsubscribed"


def test_paper_does_not_come_again_to_who_reads_by_the_month_after_a_pause(settings):
    """The longest look back there is, with the shortest retention."""
    settings.KEEP_DELIVERIES_DAYS = 62
    paper = make_paper(upvotes=50)
    make_edition(DAY, [paper])
    reader = make_subscriber(frequency="daily", next_digest_at=NOW)
    planning.plan(NOW)
    assert Delivery.objects.get().audience.paper_count == 1
    newest = DAY + timedelta(days=30)
    make_edition(newest, [make_paper()])
    reader.unserved_since, reader.changed_on = DAY - timedelta(days=1), newest
    reader.save()
    at = datetime(newest.year, newest.month, newest.day, 8, tzinfo=UTC) + timedelta(days=1)
    purge(at)
    cards = requested.plan(reader).audience.cards
    assert paper.pk not in [card[0] for card in cards]
