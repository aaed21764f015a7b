"""Planning, claiming and recording: who gets a row, and that nothing happens twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from digest.delivery import ledger, outbox, settling
from digest.delivery.due import planning, requested
from digest.editions import building
from digest.errors import EditionOpenError
from digest.models import Batch, Delivery
from digest.records import Outcome, Result
from subscriptions import services
from subscriptions.models import Slot, Subscriber, Suppression
from subscriptions.records import Preferences, Rhythm, Selection
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
State = Delivery.State


@pytest.fixture
def edition():
    for number in range(3):
        make_listing(make_paper(arxiv_id=f"2608.0000{number}", upvotes=number), DAY)
    return building.build(DAY)


def due(**fields):
    return make_subscriber(next_digest_at=NOW - timedelta(hours=1), **fields)


def states():
    return dict(Delivery.objects.values_list("subscriber__email", "state"))


def claim(now=NOW, *, size=10):
    """The one batch that can be claimed; None where there is none."""
    return next(iter(outbox.claim(now, size=size)), None)


def outcomes(batch, result, **fields):
    return [
        Outcome(
            delivery_id=pk, batch_id=batch.batch_id, result=result, provider="mailgun", **fields
        )
        for pk in batch.readers
    ]


def record(batch, found):
    outbox.record({batch.batch_id: batch}, found)


def test_everyone_due_gets_one_row_and_a_next_slot(edition):
    reader = due()
    planning.plan(NOW)
    assert Delivery.objects.get().subscriber == reader
    reader.refresh_from_db()
    assert reader.next_digest_at > NOW


def test_planning_twice_plans_once(edition):
    due()
    planning.plan(NOW)
    Slot.objects.update(next_digest_at=NOW - timedelta(minutes=1))
    planning.plan(NOW)
    assert Delivery.objects.count() == 1


def test_reader_whose_hour_has_not_come_gets_no_row(edition):
    make_subscriber(next_digest_at=NOW + timedelta(hours=1))
    planning.plan(NOW)
    assert not Delivery.objects.exists()


def test_reader_with_nothing_on_their_topics_gets_a_row_that_says_so(edition):
    due(topics=[make_topic("theory")])
    planning.plan(NOW)
    row = Delivery.objects.get()
    assert (row.state, row.reason) == (State.SKIPPED, "nothing_new")


def test_paused_reader_gets_a_row_that_says_so(edition):
    due(paused_until=NOW.date() + timedelta(days=3))
    planning.plan(NOW)
    row = Delivery.objects.get()
    assert (row.state, row.reason) == (State.SKIPPED, "paused")


def test_pause_ends_on_the_day_that_was_named(edition):
    due(paused_until=NOW.date())
    planning.plan(NOW)
    assert Delivery.objects.get().state == State.PENDING


def test_suppressed_reader_gets_a_row_that_says_so(edition):
    services.suppress(due(), Suppression.Reason.BOUNCED)
    planning.plan(NOW)
    assert Delivery.objects.get().state == State.SUPPRESSED


def test_empty_edition_is_not_sent_and_readers_stay_due_for_the_next():
    reader = due()
    building.build(DAY)
    planning.plan(NOW)
    assert not Delivery.objects.exists()
    assert due_again(reader)


def test_empty_edition_that_is_asked_for_leaves_readers_due_for_the_real_one():
    reader = due()
    building.build(DAY)
    planning.plan(NOW, day=DAY)
    assert due_again(reader)


def test_reader_who_is_due_at_the_cutoff_gets_what_closes_at_it():
    make_listing(make_paper(), DAY)
    cutoff = datetime(2026, 8, 21, 5, 0, tzinfo=UTC)
    make_subscriber(next_digest_at=cutoff)
    planning.plan(cutoff)
    assert Delivery.objects.get().edition.date == DAY


def test_dry_run_counts_by_topic_and_hour_and_changes_nothing(edition):
    reader = due(hour=7, timezone="Europe/Berlin")
    made = planning.plan(NOW, is_dry_run=True)
    assert made.to_send == 1
    assert made.topics == {"(no topic)": 1}
    assert made.hours == {"07:00 Europe/Berlin": 1}
    assert not Delivery.objects.exists()
    assert due_again(reader)


def due_again(reader):
    reader.refresh_from_db()
    return reader.next_digest_at <= NOW


def test_edition_that_is_open_can_not_be_sent():
    with pytest.raises(EditionOpenError, match="build_edition --date 2026-08-25"):
        planning.plan(NOW, day=date(2026, 8, 25))


def test_weekly_readers_get_the_week_and_no_single_day(edition):
    due(frequency="weekly")
    planning.plan(NOW)
    assert not Delivery.objects.exists()


def test_weekly_reader_gets_the_weekly_edition(edition):
    week = building.build(DAY, frequency="weekly")
    due(frequency="weekly")
    planning.plan(NOW)
    assert Delivery.objects.get().edition == week


TOKYO_MONDAY = datetime(2026, 8, 23, 22, 0, tzinfo=UTC)
"""Monday 07:00 in Tokyo: the week is closed at 05:00 UTC, hours later."""


def test_weekly_reader_in_the_east_waits_for_the_week_that_just_ended(edition):
    reader = make_subscriber(frequency="weekly", timezone="Asia/Tokyo", next_digest_at=TOKYO_MONDAY)
    planning.plan(TOKYO_MONDAY + timedelta(minutes=1))
    assert not Delivery.objects.exists()
    planning.plan(TOKYO_MONDAY + timedelta(hours=7))
    assert Delivery.objects.get().edition.name == "2026-W34"
    reader.refresh_from_db()
    assert reader.next_digest_at == TOKYO_MONDAY + timedelta(days=7)


def queries_of(work):
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_planning_takes_as_many_queries_for_one_reader_as_for_many(edition):
    due(hour=9)
    planning.plan(NOW)
    due(hour=8)
    one = queries_of(lambda: planning.plan(NOW))
    for _ in range(40):
        due()
    assert queries_of(lambda: planning.plan(NOW)) == one


def test_claim_takes_as_many_queries_for_one_reader_as_for_many(edition):
    due(hour=8)
    planning.plan(NOW)
    one = queries_of(claim)
    for _ in range(9):
        due()
    planning.plan(NOW)
    assert queries_of(claim) == one


def test_claimed_rows_are_not_claimed_again(edition):
    for _ in range(5):
        due()
    planning.plan(NOW)
    first = claim(NOW, size=3)
    second = claim(NOW, size=3)
    taken = [*first.readers, *second.readers]
    assert len(taken) == len(set(taken)) == 5
    assert claim(size=3) is None


def test_a_batch_is_of_one_audience(edition):
    topic = make_topic("theory")
    for number in range(6):
        due(length=4 if number % 2 else 8, topics=[] if number else [topic])
    planning.plan(NOW)
    batch = claim(NOW, size=100)
    audiences = Delivery.objects.filter(pk__in=batch.readers).values_list("audience_id", flat=True)
    assert set(audiences) == {batch.audience_id}


@pytest.mark.django_db(transaction=True)
def test_batch_of_one_audience_does_not_lock_the_others(edition):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time, and no locks on rows")
    for topic in range(3):
        due(length=topic + 1)
    planning.plan(NOW)
    with transaction.atomic(), ThreadPoolExecutor(1) as other:
        mine = claim(NOW, size=10)
        others = other.submit(_claimed_elsewhere).result()
    assert others not in (None, mine.audience_id)


def _claimed_elsewhere():
    try:
        batch = claim(NOW, size=10)
        return batch and batch.audience_id
    finally:
        connection.close()


def test_who_left_after_planning_is_not_in_the_batch(edition):
    stays, leaves, bounces = due(), due(), due()
    planning.plan(NOW)
    services.unsubscribe(leaves)
    services.suppress(bounces, Suppression.Reason.BOUNCED)
    batch = claim(NOW, size=10)
    assert [reader.email for reader in batch.readers.values()] == [stays.email]
    assert states()[leaves.email] == State.SKIPPED
    assert states()[bounces.email] == State.SUPPRESSED


def test_sent_is_recorded_once_with_the_providers_id(edition):
    due()
    planning.plan(NOW)
    batch = claim(NOW, size=10)
    record(batch, outcomes(batch, Result.SENT, message_id="<1@mailgun>"))
    record(batch, outcomes(batch, Result.FAILED, detail="late"))
    row = Delivery.objects.get()
    assert (row.state, row.esp_message_id, row.batch.state) == (State.SENT, "<1@mailgun>", "done")


def test_deferred_is_offered_again_no_sooner_than_the_provider_asks(edition):
    due()
    planning.plan(NOW)
    batch = claim(NOW, size=10)
    record(batch, outcomes(batch, Result.DEFERRED, retry_after=600.0))
    assert claim(timezone.now() + timedelta(seconds=590), size=10) is None
    assert claim(timezone.now() + timedelta(seconds=610), size=10) is not None


def test_retries_end(edition):
    due()
    planning.plan(NOW)
    later = NOW
    for _ in range(outbox.MOST_ATTEMPTS):
        later = timezone.now() + timedelta(days=later.day)
        batch = claim(later, size=10)
        record(batch, outcomes(batch, Result.DEFERRED))
    row = Delivery.objects.get()
    assert (row.state, row.reason) == (State.FAILED, "gave_up")


def test_claim_whose_worker_died_becomes_uncertain_and_is_not_sent_blindly(edition, settings):
    settings.UNCERTAIN_AFTER = 900
    due()
    planning.plan(NOW)
    outbox.begin([claim()], "mailgun")
    assert settling.find_stale(NOW + timedelta(seconds=899)) == 0
    assert settling.find_stale(NOW + timedelta(seconds=901)) == 1
    assert claim(NOW + timedelta(days=1), size=10) is None
    assert Delivery.objects.get().state == State.UNCERTAIN


def test_claim_that_was_never_offered_is_open_again(edition, settings):
    due()
    planning.plan(NOW)
    first = claim()
    assert settling.find_stale(NOW + timedelta(seconds=settings.UNCERTAIN_AFTER + 1)) == 0
    second = claim(NOW + timedelta(hours=1))
    assert list(second.readers) == list(first.readers)
    assert outbox.begin([first], "mailgun") == set()
    assert outbox.begin([second], "mailgun") == {second.batch_id}


def test_worker_that_was_given_up_has_the_last_word_about_its_own_batch(edition, settings):
    due()
    planning.plan(NOW)
    batch = claim(NOW, size=10)
    outbox.begin([batch], "mailgun")
    settling.find_stale(NOW + timedelta(seconds=settings.UNCERTAIN_AFTER + 1))
    record(batch, outcomes(batch, Result.SENT))
    assert Delivery.objects.get().state == State.SENT


def test_released_deliveries_are_offered_again_and_dropped_ones_are_not(edition):
    due()
    due()
    planning.plan(NOW)
    batch = claim(NOW, size=10)
    record(batch, outcomes(batch, Result.UNCERTAIN))
    first = Delivery.objects.order_by("pk").first()
    assert settling.release(Delivery.objects.filter(pk=first.pk)) == 1
    assert settling.drop(Delivery.objects.all()) == 1
    batch = claim(NOW, size=10)
    assert list(batch.readers) == [first.pk]
    assert Delivery.objects.exclude(pk=first.pk).get().reason == "dropped"


def test_ledger_adds_up_over_every_state(edition):
    for _ in range(3):
        due()
    due(paused_until=NOW.date() + timedelta(days=9))
    services.suppress(due(), Suppression.Reason.BOUNCED)
    planning.plan(NOW)
    batch = claim(NOW, size=2)
    first, _second = outcomes(batch, Result.SENT)
    record(batch, [first])
    record(batch, outcomes(batch, Result.FAILED)[1:])
    found = ledger.of_edition(edition).as_json()
    assert found == {
        "edition": "2026-08-20",
        "due": 5,
        "sent": 1,
        "skipped": {"paused": 1},
        "suppressed": 1,
        "failed": 1,
        "uncertain": 0,
        "pending": 1,
        "balanced": True,
    }


def test_ledger_notices_a_row_that_is_missing(edition):
    due()
    due()
    planning.plan(NOW)
    Delivery.objects.first().delete()
    assert not ledger.of_edition(edition).is_balanced


def test_erased_readers_still_count_in_the_ledger(edition):
    due()
    services.erase(due())
    planning.plan(NOW)
    services.erase(Subscriber.objects.get())
    assert ledger.of_edition(edition).due == 1


def test_asking_for_todays_digest_twice_makes_one_delivery(edition):
    reader = make_subscriber(next_digest_at=NOW + timedelta(hours=20))
    first = requested.plan(reader)
    assert requested.plan(reader) == first
    assert Delivery.objects.count() == 1
    assert ledger.of_edition(first.edition).is_balanced


def test_asking_ends_the_wait_of_a_pause_for_this_edition(edition):
    reader = due(paused_until=NOW.date() + timedelta(days=3))
    planning.plan(NOW)
    assert requested.plan(reader).state == State.PENDING
    assert ledger.of_edition(edition).is_balanced


def test_asking_with_nothing_on_their_topics_can_be_done_again_with_others(edition):
    reader = make_subscriber(
        next_digest_at=NOW + timedelta(hours=20), topics=[make_topic("theory")]
    )
    assert requested.plan(reader).reason == "nothing_new"
    assert not Delivery.objects.exists()
    services.change_preferences(reader, Preferences(Selection(), Rhythm("daily", 7, "UTC")))
    assert requested.plan(reader).state == State.PENDING


def test_asking_says_how_it_is_now_not_why_it_was_skipped_before(edition):
    reader = due(topics=[make_topic("theory")], paused_until=NOW.date() + timedelta(days=3))
    planning.plan(NOW)
    assert Delivery.objects.get().reason == "paused"
    assert requested.plan(reader).reason == "nothing_new"


def test_asking_after_leaving_and_coming_back_sends_the_edition(edition):
    reader = due()
    planning.plan(NOW)
    services.unsubscribe(reader)
    assert claim() is None
    services.undo_unsubscribe(reader)
    assert requested.plan(reader).state == State.PENDING


def test_asking_at_a_suppressed_address_says_so(edition):
    reader = make_subscriber(next_digest_at=NOW + timedelta(hours=20))
    services.suppress(reader, Suppression.Reason.BOUNCED)
    assert requested.plan(reader).state == State.SUPPRESSED


def test_asking_again_after_a_pause_leaves_the_numbers_of_batches_right(edition):
    reader = due(paused_until=NOW.date() + timedelta(days=3))
    planning.plan(NOW)
    requested.plan(reader)
    due(hour=9)
    planning.plan(NOW)
    assert sorted(states().values()) == [State.PENDING] * 2


def test_slot_that_was_begun_with_an_edition_ends_with_it(edition):
    reader = due()
    services.begin(reader.slot, edition.pk)
    make_listing(make_paper(), date(2026, 8, 21))
    building.build(date(2026, 8, 21))
    planning.plan(NOW)
    assert Delivery.objects.get().edition == edition
    reader.slot.refresh_from_db()
    assert reader.slot.begun_with is None


def test_slot_that_fails_keeps_no_other_from_its_digest(edition, monkeypatch):
    bad, good = due(hour=5), due(hour=9)
    real = planning.selectors.page_of

    def page_of(slot, place, size):
        if slot == bad.slot:
            raise ZeroDivisionError
        return real(slot, place, size)

    monkeypatch.setattr(planning.selectors, "page_of", page_of)
    with pytest.raises(ZeroDivisionError):
        planning.plan(NOW)
    assert states() == {good.email: State.PENDING}
    assert due_again(bad)


def test_worker_that_lost_its_claim_can_only_say_what_was_sent(edition, settings):
    due()
    due()
    planning.plan(NOW)
    first = claim()
    settling.find_stale(NOW + timedelta(seconds=settings.UNCERTAIN_AFTER + 1))
    second = claim(NOW + timedelta(hours=1))
    record(first, outcomes(first, Result.DEFERRED))
    assert Batch.objects.get().state == Batch.State.CLAIMED
    record(second, outcomes(second, Result.SENT))
    assert set(states().values()) == {State.SENT}


def test_provider_that_is_down_costs_no_attempt(edition):
    due()
    planning.plan(NOW)
    later = NOW
    for _ in range(outbox.MOST_ATTEMPTS + 1):
        later = timezone.now() + timedelta(days=1)
        batch = claim(later)
        record(batch, outcomes(batch, Result.DEFERRED, is_provider_down=True))
    assert Delivery.objects.get().state == State.PENDING


def test_batch_that_is_too_large_is_split_and_its_sizes_add_up(edition):
    for _ in range(5):
        due()
    planning.plan(NOW)
    assert len(claim(size=2).readers) == 2
    assert sorted(Batch.objects.values_list("size", flat=True)) == [2, 3]
