"""Events: stored once, applied once, in any order, a page at a time."""

import itertools
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection

from digest.delivery.feedback import events, intake
from digest.models import Batch, DayCount, Delivery, Event
from subscriptions import services
from subscriptions.models import ConsentRecord, Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


def make_report(kind, delivery=None, *, event_id=None, **fields):
    metadata = fields.pop("metadata", {})
    if delivery is not None:
        metadata = {"delivery": str(delivery.pk)} | metadata
    event_id = f"e{next(_numbers)}" if event_id is None else event_id
    values = {"provider": "mailgun", "event_id": event_id, "type": kind, "metadata": metadata}
    return intake.Report(**values | fields)


def tell(*reports):
    """Stores and applies, one after the other, as if hours lay between them."""
    for report in reports:
        intake.store([report])
        events.apply_pending()


def delivery_of(reader, day=DAY, *, deliveries="sent", **fields):
    return make_batch([reader], day, deliveries=deliveries, **fields).deliveries.get()


def reasons():
    return sorted(Suppression.objects.values_list("reason", flat=True))


def states():
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_event_is_stored_once_and_applied_later():
    report = make_report("delivered", delivery_of(make_subscriber()))
    intake.store([report, report])
    intake.store([report])
    assert Event.objects.get().applied_at is None
    assert events.apply_pending() == 1
    assert Event.objects.get().applied_at is not None
    assert events.apply_pending() == 0


def test_equal_ids_of_two_providers_are_two_events():
    intake.store([make_report("sent", event_id="1", provider=name) for name in ("postal", "brevo")])
    assert Event.objects.count() == 2


def test_event_without_an_id_is_known_by_what_it_says():
    rows = [delivery_of(make_subscriber()) for _ in range(2)]
    reports = [make_report("delivered", row, event_id="") for row in rows]
    intake.store([*reports, *reports])
    assert Event.objects.count() == 2


@pytest.mark.parametrize("number", ["9" * 40, "-1", "²", "", "1e3", "no number"])
def test_event_with_foreign_metadata_is_stored_and_changes_nothing(number):
    metadata = dict.fromkeys(("delivery", "batch", "message"), number)
    tell(make_report("bounced", metadata=metadata, reject_reason="bounced"))
    event = Event.objects.get()
    assert (event.delivery_id, event.batch_id, event.message_id) == (None, None, None)
    assert not Suppression.objects.exists()


def test_event_of_a_delivery_that_is_not_there_is_applied_without_effect():
    tell(make_report("complained", metadata={"delivery": "77", "batch": "78", "message": "79"}))
    assert Event.objects.get().delivery_id == 77
    assert Event.objects.get().applied_at is not None
    assert not Suppression.objects.exists()


def test_text_that_the_database_can_not_hold_is_cut_or_cleaned():
    words = "\0\ud800 said <ada@example.org> " + "x" * 400
    time = datetime(2026, 8, 21)  # noqa: DTZ001  as a provider may name it
    fields = {"description": words, "occurred_at": time}
    intake.store([make_report("y" * 40, event_id="\0" + "z" * 300, **fields)])
    event = Event.objects.get()
    assert len(event.event_id) == 200
    assert event.description.startswith("? said <an address> x")


@pytest.mark.parametrize(
    "written",
    [
        "<ada.lovelace%40example.org>", "<ada.lovelace @ example.org>", "<ada.lovelace&#64;example.org>",
        "<ada.lovelace\uff20example.org>", "<ada.lovelace\r\n\t@ example.org>", "<ada.lovelace&#64; example.org>",
    ],
)  # fmt: skip
def test_address_is_not_kept_however_it_is_written(written):
    intake.store([make_report("bounced", description=f"550 no {written} at example.org")])
    assert Event.objects.get().description == "550 no <an address> at example.org"


def test_words_of_a_provider_are_one_line_and_move_no_terminal():
    words = "550 \x1b[2Jno\r\nsuch\x9b mailbox\x07"
    intake.store([make_report("bounced\x1b", event_id="1\n2", description=words)])
    event = Event.objects.get()
    assert (event.type, event.event_id) == ("bounced", "1 2")
    assert event.description == "550 [2Jno such mailbox"


def test_hard_bounce_suppresses_and_does_not_unsubscribe():
    reader = make_subscriber()
    tell(make_report("bounced", delivery_of(reader), reject_reason="bounced"))
    assert reasons() == ["bounced"]
    reader.refresh_from_db()
    assert reader.state == Subscriber.State.ACTIVE


def test_complaint_suppresses_and_unsubscribes_with_a_record():
    reader = make_subscriber()
    tell(make_report("complained", delivery_of(reader)))
    reader.refresh_from_db()
    assert (reader.state, reader.slot) == (Subscriber.State.UNSUBSCRIBED, None)
    assert reasons() == ["complained"]
    assert ConsentRecord.objects.get().action == "unsubscribed"


def test_unsubscribing_at_the_provider_unsubscribes_once():
    reader = make_subscriber()
    row = delivery_of(reader)
    tell(make_report("unsubscribed", row), make_report("unsubscribed", row))
    reader.refresh_from_db()
    assert reader.state == Subscriber.State.UNSUBSCRIBED
    assert ConsentRecord.objects.count() == 1
    assert not Suppression.objects.exists()


def bounced_message(**fields):
    """The report of a bounce of a single message."""
    message = TransactionalMessage.objects.create(
        subscriber=make_subscriber(), kind="confirm", **fields
    )
    metadata = {"message": str(message.pk)}
    return make_report("bounced", metadata=metadata, reject_reason="invalid")


def test_events_of_single_messages_reach_their_reader(settings):
    settings.EMAIL_PROVIDERS = ["mailgun"]
    tell(bounced_message(state="sent", attempts=1))
    assert reasons() == ["bounced"]


def test_events_of_single_messages_that_did_not_go_that_way_change_nothing(settings):
    settings.EMAIL_PROVIDERS = ["postmark"]
    tell(bounced_message(state="sent", attempts=1))
    settings.EMAIL_PROVIDERS = ["mailgun"]
    tell(bounced_message(state="pending", attempts=0))
    assert reasons() == []


@pytest.mark.parametrize("kind", ["complained", "unsubscribed", "bounced", "delivered", "rejected"])
@pytest.mark.parametrize("state", ["uncertain", "sent", "pending", "skipped"])
def test_provider_has_no_say_over_mail_that_went_another_way(kind, state):
    reader = make_subscriber(soft_bounces=2)
    row = delivery_of(reader, deliveries=state, provider="" if state == "pending" else "postmark")
    before = Subscriber.objects.values().get()
    tell(make_report(kind, row, reject_reason="invalid", metadata={
        "delivery": str(row.pk), "batch": str(row.batch_id),
    }))  # fmt: skip
    assert (states(), reasons()) == ([state], [])
    assert Subscriber.objects.values().get() == before
    assert Event.objects.values_list("delivery", "batch_id").get() == (None, None)
    assert not DayCount.objects.exists()


def test_provider_settles_no_batch_of_another_by_naming_a_delivery_of_its_own():
    mine = delivery_of(make_subscriber(), deliveries="sent", provider="mailgun")
    other = delivery_of(make_subscriber(), deliveries="uncertain", provider="postmark")
    tell(make_report("delivered", mine, metadata={
        "delivery": str(mine.pk), "batch": str(other.batch_id),
    }))  # fmt: skip
    other.refresh_from_db()
    assert other.state == "uncertain"
    assert other.batch.state != "done"


@pytest.mark.parametrize("kinds", [*itertools.permutations(["queued", "delivered", "complained"])])
def test_order_of_events_does_not_matter(kinds):
    reader = make_subscriber()
    row = delivery_of(reader, deliveries="uncertain")
    tell(*(make_report(kind, row) for kind in kinds))
    reader.refresh_from_db()
    assert (states(), reasons()) == (["sent"], ["complained"])
    assert reader.state == Subscriber.State.UNSUBSCRIBED


@pytest.mark.parametrize("kinds", [*itertools.permutations(["queued", "bounced", "deferred"])])
def test_bounce_counts_before_and_after_what_led_to_it(kinds):
    row = delivery_of(make_subscriber(), deliveries="uncertain")
    intake.store([make_report(kind, row, reject_reason="bounced") for kind in kinds])
    events.apply_pending()
    assert (states(), reasons()) == (["sent"], ["bounced"])


@pytest.mark.parametrize("kind", sorted(events.TAKEN))
def test_evidence_settles_the_delivery_that_it_names(kind):
    batch = make_batch([make_subscriber(), make_subscriber()])
    tell(make_report(kind, batch.deliveries.earliest("pk")))
    assert states() == ["sent", "uncertain"]


def test_evidence_of_the_one_call_settles_the_whole_batch():
    batch = make_batch([make_subscriber(), make_subscriber()])
    row = batch.deliveries.earliest("pk")
    tell(make_report("queued", row, metadata={"batch": str(batch.pk)}))
    assert states() == ["sent", "sent"]
    assert Batch.objects.get().state == Batch.State.DONE


@pytest.mark.parametrize("kind", ["rejected", "failed"])
def test_refusal_settles_what_is_in_doubt_as_failed(kind):
    batch = make_batch([make_subscriber(), make_subscriber()])
    tell(make_report(kind, batch.deliveries.earliest("pk")))
    assert states() == ["failed", "uncertain"]
    assert Delivery.objects.earliest("pk").reason == "refused"


def test_refusal_does_not_touch_what_is_settled():
    tell(make_report("rejected", delivery_of(make_subscriber())))
    assert states() == ["sent"]


@pytest.mark.parametrize("kind", ["autoresponded", "unknown", "subscribed", "inbound"])
def test_other_events_settle_nothing(kind):
    tell(make_report(kind, delivery_of(make_subscriber(), deliveries="uncertain")))
    assert states() == ["uncertain"]


@pytest.mark.parametrize(
    "words",
    [
        "550 5.7.515 Access denied, sending domain does not meet the required level",
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated",
        "421-4.7.32 Your email has been rate limited because the From: header is not aligned",
    ],
)
def test_failed_authentication_is_our_error_and_no_dead_address(words, caplog):
    row = delivery_of(make_subscriber())
    intake.store(
        [make_report("bounced", row, reject_reason="bounced", description=words) for _ in range(9)]
    )
    events.apply_pending()
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert (record.events, record.example) == (9, words)
    assert not Suppression.objects.exists()


def test_refusal_by_policy_is_no_dead_address_and_no_soft_bounce(caplog):
    row = delivery_of(make_subscriber())
    words = "451 4.7.1 Greylisting in action, please come back later"
    tell(make_report("deferred", row, description=words))
    assert Subscriber.objects.get().soft_bounces == 0
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def soft(reader, number, *, first=DAY, kind="deferred"):
    """Reports of one soft bounce on each of `number` days."""
    days = [first + timedelta(days=n) for n in range(number)]
    return [make_report(kind, delivery_of(reader, day), reject_reason="other") for day in days]


def knows_deliveries():
    """The provider tells of what arrived, too."""
    tell(make_report("delivered", delivery_of(make_subscriber(), DAY - timedelta(days=9))))


@pytest.mark.parametrize("kind", ["deferred", "bounced"])
def test_address_that_takes_nothing_for_days_is_suppressed(kind):
    knows_deliveries()
    reader = make_subscriber()
    *first, last = soft(reader, events.SOFT_LIMIT, kind=kind)
    tell(*first)
    assert not Suppression.objects.exists()
    tell(last)
    assert reasons() == ["bounced"]


def test_many_tries_of_one_digest_are_one_soft_bounce():
    knows_deliveries()
    row = delivery_of(make_subscriber())
    tell(*(make_report("deferred", row) for _ in range(3 * events.SOFT_LIMIT)))
    assert not Suppression.objects.exists()


def test_what_arrives_clears_the_soft_bounces_before_it():
    knows_deliveries()
    reader = make_subscriber()
    before = soft(reader, events.SOFT_LIMIT - 1)
    arrived = make_report("delivered", delivery_of(reader, DAY + timedelta(days=10)))
    after = soft(reader, events.SOFT_LIMIT - 1, first=DAY + timedelta(days=11))
    tell(*before, arrived)
    assert Subscriber.objects.get(pk=reader.pk).soft_bounces == 0
    tell(*after)
    assert not Suppression.objects.exists()


def test_soft_bounces_that_are_told_late_are_judged_by_their_editions():
    knows_deliveries()
    reader = make_subscriber()
    late = soft(reader, events.SOFT_LIMIT)
    tell(make_report("delivered", delivery_of(reader, DAY + timedelta(days=10))), *late)
    assert not Suppression.objects.exists()


def test_provider_that_only_tells_of_failures_proves_no_row_of_them():
    tell(*soft(make_subscriber(), 2 * events.SOFT_LIMIT))
    assert not Suppression.objects.exists()


def test_query_count_does_not_grow_with_the_events(django_assert_max_num_queries):
    kinds = ["delivered", "bounced", "complained", "unsubscribed", "deferred", "rejected"]
    batch = make_batch([make_subscriber() for _ in range(60)])
    rows = list(batch.deliveries.all())
    reports = [
        make_report(kind, row, reject_reason="bounced", metadata={"batch": str(batch.pk)})
        for kind, row in zip(itertools.cycle(kinds), rows, strict=False)
    ]
    with django_assert_max_num_queries(4):
        intake.store(reports)
    with django_assert_max_num_queries(45):
        assert events.apply_pending() == 60


def test_a_page_is_applied_in_the_order_of_storing():
    intake.store([make_report("delivered") for _ in range(5)])
    assert events.apply_pending(limit=2) == 2
    waiting = Event.objects.filter(applied_at=None).order_by("pk")
    assert list(waiting) == list(Event.objects.order_by("pk")[2:])
    assert events.apply_all(until=LATER) == 3


def test_crash_while_applying_loses_nothing():
    intake.store([make_report("complained", delivery_of(make_subscriber()))])
    with pytest.raises(SystemExit), connection.execute_wrapper(_end_before_the_record):
        events.apply_pending()
    assert not Suppression.objects.exists()
    assert events.apply_pending() == 1
    assert reasons() == ["complained"]


def _end_before_the_record(execute, sql, params, many, context):
    if "consentrecord" in sql and sql.startswith("INSERT"):
        raise SystemExit
    return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_take_different_events():
    readers = [make_subscriber() for _ in range(20)]
    rows = make_batch(readers, deliveries="sent").deliveries.all()
    intake.store([make_report("unsubscribed", row) for row in rows])
    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(_apply_a_few, range(16)))
    assert taken + events.apply_all(until=LATER) == 20
    assert ConsentRecord.objects.count() == 20


def _apply_a_few(_):
    try:
        return events.apply_pending(limit=3)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_time_are_all_stored():
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_store_some, range(40)))
    assert Event.objects.count() == 120


def _store_some(number):
    try:
        intake.store([make_report("sent", event_id=f"{number}-{each}") for each in range(3)])
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_event_that_can_not_be_stored_keeps_no_other_out():
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(_store_or_fail, range(40)))
    assert answers.count("failed") == 10
    assert Event.objects.count() == 30


def _store_or_fail(number):
    half_a_letter = "\ud800"
    try:
        provider = "mailgun" if number % 4 else half_a_letter
        intake.store([make_report("sent", event_id=str(number), provider=provider)])
    except (DatabaseError, ValueError):
        return "failed"
    finally:
        connection.close()
    return "stored"


def test_reader_who_is_erased_meanwhile_is_passed_over():
    reader = make_subscriber()
    intake.store([make_report("unsubscribed", delivery_of(reader))])
    services.erase(reader)
    assert events.apply_pending() == 1
    assert not ConsentRecord.objects.exists()
