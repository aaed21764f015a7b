"""The outbox in partitions: divided and put together again it is the same, and all works alike."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import pairwise

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from digest import tasks
from digest.delivery import ledger, outbox, partitions, sending
from digest.delivery.due import planning
from digest.delivery.feedback import events, intake
from digest.delivery.keeping import partitioning, purging
from digest.delivery.watching import alarms, watch
from digest.management.doctor import installation
from digest.management.doctor.findings import Asked
from digest.models import Batch, Delivery, Edition, Event, Notice
from subscriptions.models import Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="partitions need PostgreSQL"),
]
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
MONTHS_LATER = datetime(2026, 11, 5, tzinfo=UTC)
State = Delivery.State


@pytest.fixture(autouse=True)
def _one_table(transactional_db):
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP VIEW IF EXISTS deliveries_seen")
        cursor.execute("TRUNCATE digest_delivery, digest_batch, digest_event")
    partitioning.drop_leftover()
    if partitions.is_partitioned():
        run("--undo")
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE digest_delivery DROP CONSTRAINT IF EXISTS {partitioning._RANGE}"
        )
        cursor.execute(f"DROP INDEX IF EXISTS {partitioning._KEY}")


def run(*arguments):
    output = StringIO()
    call_command("partition_deliveries", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def divide():
    return run("--now", NOW.isoformat(), "--yes")


def shape():
    """What the database says of the table."""
    return partitions.rows_of(
        """
        SELECT 'column', attname::text, attnotnull::text, attidentity::text, format_type(atttypid, atttypmod)
        FROM pg_attribute WHERE attrelid = 'digest_delivery'::regclass AND attnum > 0
            AND NOT attisdropped
        UNION ALL SELECT 'index', '', '', '', pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = 'digest_delivery'::regclass
        UNION ALL SELECT 'constraint', conname::text, '', '', pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = 'digest_delivery'::regclass
        UNION ALL SELECT 'options', '', '', '', reloptions::text FROM pg_class
            WHERE oid = 'digest_delivery'::regclass
        ORDER BY 1, 2, 5
        """
    )


@pytest.fixture(params=["one table", "partitions"])
def readers(request, settings):
    """Three who are due, one of them paused, and an edition for them."""
    settings.EMAIL_PROVIDERS = ["outbox"]
    if request.param == "partitions":
        divide()
    make_edition(DAY, [make_paper(), make_paper()])
    paused = {"paused_until": date(2100, 1, 1)}
    return [make_subscriber(next_digest_at=NOW, **each) for each in ({}, {}, paused)]


def complain(delivery):
    told = {"delivery": str(delivery.pk)}
    report = intake.Report(provider="outbox", event_id="1", type="complained", metadata=told)
    intake.store([report])
    events.apply_pending()


def test_send_is_the_same_in_one_table_and_in_partitions(readers):
    planning.plan(NOW)
    sending.send_pending()
    complain(Delivery.objects.get(subscriber=readers[0]))
    watch.check(NOW)
    assert dict(planning.plan(NOW, day=DAY).states) == {}
    found = ledger.of_edition(Edition.objects.get(date=DAY, frequency="daily"))
    assert (found.due, found.sent, found.skipped) == (3, 2, {"paused": 1})
    assert Suppression.objects.get().reason == "complained"
    assert set(Batch.objects.values_list("state", flat=True)) == {Batch.State.DONE}


def test_purge_is_the_same_in_one_table_and_in_partitions(readers, settings):
    planning.plan(NOW)
    sending.send_pending()
    complain(Delivery.objects.get(subscriber=readers[0]))
    old = Edition.objects.get(date=DAY, frequency="daily")
    make_edition(date(2027, 5, 10), [make_paper()])
    purge_at(datetime(2027, 5, 11, tzinfo=UTC))
    assert not Delivery.objects.exists()
    assert not Batch.objects.exists()
    assert not Event.objects.exists()
    assert ledger.of_edition(old).is_balanced


def purge_at(now):
    return purging.purge(now, until=timezone.now() + timedelta(minutes=1))


def test_nobody_gets_an_edition_twice_in_partitions():
    divide()
    delivery = make_batch([make_subscriber()]).deliveries.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(
            edition_id=delivery.edition_id, subscriber_id=delivery.subscriber_id, state="skipped"
        )


def test_deliveries_keep_their_rows_and_numbers():
    before = make_batch([make_subscriber(), make_subscriber()])
    rows = list(Delivery.objects.order_by("pk").values())
    divide()
    assert list(Delivery.objects.order_by("pk").values()) == rows
    after = make_batch([make_subscriber()], DAY + timedelta(days=1)).deliveries.get()
    assert after.pk == rows[-1]["id"] + 1
    assert before.deliveries.count() == 2


def test_undo_leaves_the_table_as_it_was_with_all_rows():
    was = shape()
    make_batch([make_subscriber(), make_subscriber()])
    divide()
    beyond = partitions.all_ranges()[-1].after
    Edition.objects.create(pk=beyond, date=DAY + timedelta(days=1), frequency="daily")
    make_batch([make_subscriber()], DAY + timedelta(days=1))
    rows = list(Delivery.objects.order_by("pk").values())
    run("--undo")
    assert shape() == was
    assert list(Delivery.objects.order_by("pk").values()) == rows
    newest = make_batch([make_subscriber()], DAY + timedelta(days=2)).deliveries.get()
    assert newest.pk == rows[-1]["id"] + 1


def test_every_partition_is_stored_as_the_table_was():
    divide()
    rows = partitions.rows_of(
        "SELECT DISTINCT reloptions::text, (SELECT COUNT(*) FROM pg_index WHERE indrelid = part.oid)"
        " FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid"
        " WHERE inhparent = 'digest_delivery'::regclass"
    )
    assert rows == [("{fillfactor=40}", 4)]


def test_running_it_again_changes_nothing():
    first = divide()
    assert divide() == first


def test_dry_run_says_what_it_would_do_and_changes_nothing():
    was = shape()
    said = run("--dry-run")
    assert "ATTACH PARTITION digest_delivery_past" in said
    assert shape() == was
    divide()
    assert "DETACH PARTITION" in run("--undo", "--dry-run")
    assert partitions.is_partitioned()


def test_it_waits_for_a_send_unless_that_is_held():
    batch = make_batch([make_subscriber()], deliveries="pending")
    with pytest.raises(CommandError, match="2026-08-20 is being sent"):
        divide()
    assert not partitions.is_partitioned()
    Edition.objects.filter(pk=batch.edition_id).update(held_at=NOW)
    divide()
    assert outbox.claim(NOW, size=10) == []
    watch.release(batch.edition)
    assert len(outbox.claim(timezone.now(), size=10)[0].readers) == 1


def test_what_a_kill_left_is_finished_by_the_next_run():
    work = partitioning.to_divide(NOW)
    for text in work.before:
        partitioning._run_alone(text)
    assert len(partitioning.to_divide(NOW).before) == 1
    divide()
    assert partitions.is_partitioned()


def test_bound_that_a_kill_left_is_gone_before_editions_reach_it():
    for text in partitioning.to_divide(NOW).before:
        partitioning._run_alone(text)
    partitioning.drop_leftover()
    bound = partitioning._bound_of_check()
    assert bound is not None
    partitions.rows_of(f"SELECT setval('digest_edition_id_seq', {bound - 5})")
    partitioning.drop_leftover()
    assert partitioning._bound_of_check() is None


def test_busy_table_is_left_alone_with_one_line(monkeypatch):
    for text in partitioning.to_divide(NOW).before:
        partitioning._run_alone(text)
    monkeypatch.setattr(partitions, "LOCK_SECONDS", 1)
    with psycopg.connect(**connection.get_connection_params() | {"context": None}) as other:
        other.execute("LOCK TABLE digest_delivery IN ROW EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="The table is in use"):
            divide()
    assert not partitions.is_partitioned()


def test_what_hangs_on_the_table_is_not_left_behind():
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW deliveries_seen AS SELECT id FROM digest_delivery")
    with pytest.raises(CommandError, match="deliveries_seen hangs on digest_delivery"):
        divide()


def test_months_are_made_ahead_and_follow_one_another():
    divide()
    run("--now", MONTHS_LATER.isoformat(), "--yes")
    ranges = partitions.all_ranges()
    assert [str(each.month) for each in ranges[1:]] == [
        "2026-09-01", "2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01",
    ]  # fmt: skip
    assert all(a.after == b.first for a, b in pairwise(ranges))


def test_first_editions_of_months_are_foreseen():
    # From Thursday 20 August: 11 more days and two weeks; then September with its four Sundays.
    months = [date(2026, 9, 1), date(2026, 10, 1)]
    found = partitions.first_ids(months, newest_id=100, last_day=date(2026, 8, 20))
    assert list(found.values()) == [100 + 11 + 2 + 1, 100 + 11 + 2 + 30 + 4 + 1]


def test_edition_that_no_month_was_made_for_is_told_of_and_the_next_has_one():
    divide()
    beyond = partitions.all_ranges()[-1].after + 500
    partitions.rows_of(f"SELECT setval('digest_edition_id_seq', {beyond})")
    make_batch([make_subscriber()])
    assert partitions.overflow() == 1
    alarms.check_partitions()
    assert Notice.objects.get().kind == "partitions"
    said = [str(each) for each in installation.check_database(Asked())]
    assert any("1 deliveries are in digest_delivery_default" in line for line in said)
    tasks.purge_deliveries()
    make_batch([make_subscriber()], DAY + timedelta(days=1))
    assert partitions.overflow() == 1


def test_month_goes_with_its_partition_once_all_of_its_editions_may(settings):
    divide()
    month = partitions.all_ranges()[1]
    partitions.rows_of(f"SELECT setval('digest_edition_id_seq', {month.first})")
    for n in range(3):
        make_batch([make_subscriber()], DAY + timedelta(days=n), deliveries="sent", claimed_at=NOW)
    Edition.objects.update(due_count=1)
    partitions.rows_of(f"SELECT setval('digest_edition_id_seq', {month.after})")
    make_edition(date(2026, 12, 31), [make_paper()])
    assert "deliveries" not in purge_at(datetime(2026, 11, 20, tzinfo=UTC))
    assert Delivery.objects.count() == 3
    assert purge_at(datetime(2026, 12, 1, tzinfo=UTC))["partitions"] >= 1
    assert month not in partitions.all_ranges()
    assert Delivery.objects.count() == 0


def test_later_migrations_work_on_partitions():
    divide()
    field = models.CharField(max_length=5, null=True)
    field.set_attributes_from_name("note")
    index = models.Index(fields=["sent_at"], name="delivery_sent_at")
    (unique,) = [each for each in Delivery._meta.constraints if each.name == "delivery_unique"]
    with connection.schema_editor() as editor:
        editor.add_field(Delivery, field)
        editor.add_index(Delivery, index)
        editor.remove_constraint(Delivery, unique)
        editor.add_constraint(Delivery, unique)
        editor.remove_index(Delivery, index)
        editor.remove_field(Delivery, field)
    assert make_batch([make_subscriber()]).deliveries.count() == 1


def test_send_and_its_ledger_look_into_one_partition_only(settings):
    settings.EMAIL_PROVIDERS = ["outbox"]
    divide()
    edition = make_edition(DAY, [make_paper()])
    make_subscriber(next_digest_at=NOW)
    planning.plan(NOW)
    with CaptureQueriesContext(connection) as queries:
        sending.send_pending()
        ledger.of_edition(edition)
    asked = [each["sql"] for each in queries if '"digest_delivery"' in each["sql"]]
    assert Delivery.objects.get().state == State.SENT
    assert {each: scanned(each) for each in asked if scanned(each) != 1} == {}


def scanned(query):
    plan = "\n".join(
        str(row[0]) for row in partitions.rows_of("EXPLAIN " + query.replace("%", "%%"))
    )
    ranges = [each.name for each in partitions.all_ranges()] + [partitions.DEFAULT]
    return sum(f"on {name} " in plan or f"on {name}\n" in plan for name in ranges)
