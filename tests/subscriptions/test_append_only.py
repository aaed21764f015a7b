"""Consent records are only ever added (EMAIL_STANDARDS section 7): by the database's own word."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import QuerySet

from subscriptions import append_only, services
from subscriptions.models import ConsentRecord, Subscriber
from subscriptions.records import Evidence
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db
TABLE = "subscriptions_consentrecord"


@pytest.fixture
def reader():
    made = make_subscriber()
    services.unsubscribe(made, evidence=Evidence(text="[Unsubscribe]", language="en"))
    return made


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET text = 'They said yes'",  # noqa: S608
        f"UPDATE {TABLE} SET subscriber_id = subscriber_id",  # noqa: S608
        f"DELETE FROM {TABLE}",  # noqa: S608
    ],
)
def test_database_refuses_to_change_a_record(reader, statement):
    with (
        pytest.raises(IntegrityError, match="only ever added"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert ConsentRecord.objects.get().text == "[Unsubscribe]"


def test_database_refuses_what_goes_past_our_code(reader):
    rows = QuerySet(ConsentRecord)
    for change in (lambda: rows.update(text=""), lambda: rows.filter(pk__gt=0).delete()):
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            change()


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.save(),
        lambda record: record.delete(),
        lambda _: ConsentRecord.objects.update(text=""),
        lambda _: ConsentRecord.objects.all().delete(),
        lambda record: ConsentRecord.objects.bulk_update([record], ["text"]),
        lambda record: record.subscriber.consent_records.all().delete(),
    ],
)
def test_code_refuses_to_change_a_record(reader, change):
    with pytest.raises(TypeError, match="only ever added"):
        change(ConsentRecord.objects.get())
    assert ConsentRecord.objects.exists()


def test_records_go_with_their_reader_and_no_others(reader):
    other = make_subscriber()
    services.unsubscribe(other)
    services.erase(reader)
    assert ConsentRecord.objects.get().subscriber_id == other.pk
    connection.check_constraints()


def test_records_go_with_a_reader_who_is_deleted_by_hand(reader):
    with connection.cursor() as cursor:
        for table in ("subscription", "transactionalmessage"):
            cursor.execute(f"DELETE FROM subscriptions_{table}")  # noqa: S608
        cursor.execute("DELETE FROM subscriptions_subscriber")
    assert not ConsentRecord.objects.exists()


def test_guard_that_is_lifted_is_seen(reader):
    assert append_only.is_up()
    append_only.lift()
    assert not append_only.is_up()
    QuerySet(ConsentRecord).update(text="")
    append_only.put_up()
    assert append_only.is_up()


@pytest.mark.django_db(transaction=True)
def test_database_can_be_emptied_and_refuses_again_afterwards(reader):
    call_command("flush", interactive=False, verbosity=0)
    assert not Subscriber.objects.exists()
    assert append_only.is_up()


@pytest.mark.django_db(transaction=True)
def test_older_version_finds_its_tables_unguarded(reader):
    before, latest = [("subscriptions", "0022_messages_that_can_wait")], _latest()
    try:
        call_command("migrate", *before[0], verbosity=0)
        assert not append_only.is_up()
    finally:
        call_command("migrate", verbosity=0)
    assert append_only.is_up()
    assert ConsentRecord.objects.get().text == "[Unsubscribe]"
    assert _latest() == latest


def _latest():
    return MigrationExecutor(connection).loader.graph.leaf_nodes("subscriptions")
