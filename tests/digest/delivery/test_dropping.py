"""An edition that was called off: nobody gets it any more, and its ledger says so."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from digest.delivery import dropping, figures, ledger, outbox
from digest.delivery.due import planning
from digest.delivery.watching import standing, watch
from digest.models import Batch, Delivery
from digest.records import Outcome, Result
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)


@pytest.fixture
def held():
    """Three readers wait for an edition that is held."""
    edition = make_edition(date(2026, 8, 20), [make_paper()])
    for _ in range(3):
        make_subscriber(next_digest_at=NOW - timedelta(hours=1))
    planning.plan(NOW, batch_size=1)
    watch.hold(edition, because="a wrong title", now=NOW)
    edition.refresh_from_db()
    return edition


def states():
    return sorted(Delivery.objects.values_list("state", "reason"))


def test_what_waits_is_given_up_and_the_ledger_adds_up(held):
    assert [edition.pk for edition in standing.held()] == [held.pk]
    assert dropping.drop(held, NOW)
    assert states() == [("failed", "dropped")] * 3
    figures.keep(NOW)
    held.refresh_from_db()
    for found in (ledger.of_edition(held), figures.ledger_of(held)):
        assert (found.is_balanced, found.failed, found.pending) == (True, 3, 0)
    assert (held.held_at, held.held_because, standing.held()) == (None, "", [])


def test_who_is_due_later_gets_nothing_either(held):
    dropping.drop(held, NOW)
    make_subscriber(next_digest_at=NOW + timedelta(hours=1))
    planning.plan(NOW + timedelta(hours=2))
    assert states() == [("failed", "dropped")] * 4
    assert outbox.claim(NOW + timedelta(hours=2), size=10) == []


def test_rest_of_a_large_edition_is_given_up_minute_by_minute_and_sent_at_no_time(held):
    dropping.drop(held, NOW, most=1)
    assert Batch.objects.filter(state="open").count() == 2
    assert outbox.claim(NOW, size=10) == []
    watch.check(NOW)
    assert states() == [("failed", "dropped")] * 3


def test_sweep_ends_when_its_time_is_over_and_the_next_one_goes_on(held):
    dropping.drop(held, NOW, most=1)
    assert dropping.give_up(held, until=NOW) == 0
    dropping.sweep()
    assert states() == [("failed", "dropped")] * 3


def test_what_a_worker_has_goes_once_and_is_not_tried_again(held):
    watch.release(held)
    [batch] = outbox.claim(NOW, size=1)
    watch.hold(held, because="a wrong title", now=NOW)
    dropping.drop(held, NOW)
    assert states() == [("failed", "dropped")] * 2 + [("pending", "")]
    [mine] = batch.readers
    found = Outcome(
        delivery_id=mine, batch_id=batch.batch_id, result=Result.DEFERRED, provider="smtp"
    )
    outbox.record({batch.batch_id: batch}, [found])
    dropping.sweep()
    assert states() == [("failed", "dropped")] * 3


def test_only_what_is_held_is_called_off_and_then_for_good(held):
    watch.release(held)
    assert not dropping.drop(held, NOW)
    watch.hold(held, because="a wrong title", now=NOW)
    assert dropping.drop(held, NOW)
    assert not dropping.drop(held, NOW)
    assert not watch.release(held)
    assert not watch.hold(held, because="again", now=NOW)


def run(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_command_calls_off(held):
    assert run("release_edition", "--drop") == "daily edition 2026-08-20 is called off\n"
    assert run("release_edition", "--drop") == "daily edition 2026-08-20 was not held\n"
    assert run("release_edition") == "daily edition 2026-08-20 was not held\n"
    with pytest.raises(CommandError, match="was called off"):
        run("hold_edition", "--because", "x")


def test_status_page_says_that_it_was_called_off(held, client):
    dropping.drop(held, NOW)
    said = client.get("/status/").content.decode()
    assert "Called off" in said
    assert "Stopped" not in said
