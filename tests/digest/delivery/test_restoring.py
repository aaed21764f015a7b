"""After a restore nothing is sent that may have been sent since the backup was made."""

from datetime import UTC, date, datetime, timedelta

import pytest

from digest.delivery import ledger, outbox, settling
from digest.delivery.due import planning
from digest.delivery.feedback import evidence
from digest.delivery.keeping import restoring
from digest.models import Batch, Delivery, Edition, Fetch, Notice
from subscriptions.models import Slot, Topic, TransactionalMessage
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
STOPPED = datetime(2026, 8, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def topic():
    return Topic.objects.get(slug="agents")


def readers(number, topic, *, due_at):
    made = [make_subscriber(topics=[topic]) for _ in range(number)]
    Slot.objects.update(next_digest_at=due_at)
    return made


def states():
    return sorted(Delivery.objects.values_list("state", flat=True))


@pytest.mark.parametrize("state", ["open", "claimed", "uncertain"])
def test_what_was_unsettled_when_it_was_saved_is_in_doubt(state):
    deliveries = "uncertain" if state == "uncertain" else "pending"
    batch = make_batch([make_subscriber()], deliveries=deliveries, state=state)
    found = restoring.settle(STOPPED)
    assert (found.pending, states()) == (1, ["uncertain"])
    batch.refresh_from_db()
    assert (batch.state, batch.offered_at) == ("uncertain", None)
    assert outbox.pending(STOPPED) == 0


def test_what_was_settled_stays_so():
    make_batch([make_subscriber()], deliveries="sent")
    assert restoring.settle(STOPPED).pending == 0
    assert states() == ["sent"]


def test_silence_of_the_provider_settles_nothing_of_it():
    make_batch([make_subscriber()], deliveries="pending")
    restoring.settle(STOPPED)
    assert evidence.settle(STOPPED + HOUR)["hopeless"] == 1
    assert states() == ["uncertain"]


def test_who_was_due_since_is_planned_and_in_doubt(topic):
    readers(2, topic, due_at=STOPPED - 5 * HOUR)
    edition = make_edition(DAY, [make_paper(topics=[topic])])
    found = restoring.settle(STOPPED)
    assert (found.pending, found.due, found.slots) == (0, 2, 0)
    assert states() == ["uncertain", "uncertain"]
    assert ledger.of_edition(edition).is_balanced
    assert Slot.objects.get().next_digest_at > STOPPED


def test_editions_of_lost_days_are_closed_anew(topic):
    readers(1, topic, due_at=STOPPED - 5 * HOUR)
    Fetch.objects.create(source="hugging_face", day=DAY, started_at=STOPPED - 40 * HOUR)
    make_listing(make_paper(topics=[topic]), DAY + timedelta(days=1))
    restoring.settle(STOPPED)
    assert Delivery.objects.get().edition.date == DAY + timedelta(days=1)


def test_without_an_edition_nobody_who_was_due_is_due_any_more(topic):
    readers(1, topic, due_at=STOPPED - 5 * HOUR)
    found = restoring.settle(STOPPED)
    assert (found.due, found.slots) == (0, 1)
    make_edition(DAY, [make_paper(topics=[topic])])
    planning.plan(STOPPED)
    assert states() == []


def test_who_is_due_later_gets_the_next_digest(topic):
    readers(1, topic, due_at=STOPPED + HOUR)
    make_edition(DAY, [make_paper(topics=[topic])])
    restoring.settle(STOPPED)
    planning.plan(STOPPED + 2 * HOUR)
    assert states() == ["pending"]


def test_second_run_for_a_restore_changes_nothing():
    batch = make_batch([make_subscriber()], deliveries="pending")
    restoring.settle(STOPPED)
    settling.release(Delivery.objects.all())
    assert restoring.settle(STOPPED) is None
    batch.refresh_from_db()
    assert (batch.state, states()) == ("open", ["pending"])


def test_operator_is_told_what_to_do():
    make_batch([make_subscriber()], deliveries="pending")
    restoring.settle(STOPPED)
    assert "settle_deliveries --taken" in Notice.objects.get(kind="restored").mend


def test_single_mails_that_waited_are_not_sent():
    reader = make_subscriber()
    for state in ("pending", "claimed", "sent"):
        TransactionalMessage.objects.create(subscriber=reader, kind="confirm", state=state)
    assert restoring.settle(STOPPED).messages == 2
    left = TransactionalMessage.objects.order_by("pk").values_list("state", flat=True)
    assert list(left) == ["uncertain", "uncertain", "sent"]


def test_numbers_of_lost_rows_are_never_given_again():
    before = make_batch([make_subscriber()], deliveries="sent")
    newest = Delivery.objects.get().pk
    Edition.objects.update(closed_at=STOPPED - timedelta(days=100))
    Delivery.objects.update(created_at=STOPPED - timedelta(days=100))
    restoring.settle(STOPPED)
    edition = Edition.objects.create(frequency="weekly", date=DAY)
    row = Delivery.objects.create(
        edition=edition, subscriber=make_subscriber(), state="skipped", reason="paused"
    )
    assert before.edition_id + 200 < edition.pk < before.edition_id + 250
    assert row.pk >= newest + 1_000_000_000
    assert Batch.objects.count() == 1


def test_editions_that_are_closed_anew_have_new_numbers(topic):
    old = make_edition(DAY, [make_paper(topics=[topic])])
    Fetch.objects.create(source="hugging_face", day=DAY, started_at=STOPPED - 40 * HOUR)
    make_listing(make_paper(topics=[topic]), DAY + timedelta(days=1))
    restoring.settle(STOPPED)
    assert Edition.objects.get(date=DAY + timedelta(days=1), frequency="daily").pk > old.pk + 20


def test_days_that_may_be_lost_begin_before_the_newest_trace():
    Fetch.objects.create(source="arxiv", day=DAY, started_at=datetime(2026, 8, 21, tzinfo=UTC))
    assert restoring.lost_days(STOPPED) == [date(2026, 8, day) for day in (20, 21, 22)]


def test_long_loss_is_looked_back_upon_no_longer_than_editions_are():
    Fetch.objects.create(source="arxiv", day=DAY, started_at=datetime(2025, 8, 21, tzinfo=UTC))
    assert len(restoring.lost_days(STOPPED)) == 15


def test_addresses_of_a_log_settle_their_deliveries():
    taken, other = make_subscriber("Ada@example.org"), make_subscriber("alan@example.org")
    make_batch([taken, other], deliveries="uncertain")
    found = ["ada@EXAMPLE.org", "nobody@example.org", "ada@example.org"]
    assert settling.accept_to(found, Delivery.objects.all()) == 1
    assert Delivery.objects.get(subscriber=taken).state == "sent"
    assert Delivery.objects.get(subscriber=other).state == "uncertain"
