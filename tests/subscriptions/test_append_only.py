"""Consent records are only ever added (EMAIL_STANDARDS section 7): by the database's own word."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from subscriptions import append_only, services, tokens
from subscriptions.models import ConsentRecord, Subscriber, TransactionalMessage
from subscriptions.records import Evidence
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db
TABLE = "subscriptions_consentrecord"


@pytest.fixture
def reader():
    made = make_subscriber()
    services.unsubscribe(made, evidence=Evidence(text="[Unsubscribe]", language="en"))
    return made


@contextmanager
def to_the_end():
    """A transaction, with all that the database looks at when it ends."""
    with transaction.atomic():
        yield
        connection.check_constraints()


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
        to_the_end(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert ConsentRecord.objects.get().text == "[Unsubscribe]"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
@pytest.mark.django_db(transaction=True)
def test_database_refuses_to_empty_the_table(reader):
    with (
        pytest.raises(IntegrityError, match="only ever added"),
        to_the_end(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {TABLE}")
    assert ConsentRecord.objects.exists()


def test_database_refuses_what_goes_past_our_code(reader):
    rows = QuerySet(ConsentRecord)
    for change in (lambda: rows.update(text=""), lambda: rows.filter(pk__gt=0).delete()):
        with pytest.raises(IntegrityError, match="only ever added"), to_the_end():
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


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is one version's at a time")
def test_version_before_may_erase_beside_this_one(reader):
    with to_the_end(), connection.cursor() as cursor:
        # It lets Django delete what belongs to a reader, and the reader last.
        for table in ("consentrecord", "subscription", "transactionalmessage", "subscriber"):
            cursor.execute(f"DELETE FROM subscriptions_{table}")  # noqa: S608
    assert not Subscriber.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite can't switch triggers off")
def test_guard_that_is_switched_off_is_seen():
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER consent_only_added")
        assert not append_only.is_up()
        cursor.execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER consent_only_added")
    assert append_only.is_up()


@pytest.mark.parametrize("name", sorted(append_only._NAMES[connection.vendor]))
def test_guard_of_which_a_part_is_missing_is_seen(name):
    is_about_reader = name == "consent_goes_with_reader"
    table = "subscriptions_subscriber" if is_about_reader else TABLE
    where = f" ON {table}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}{where}")
    assert not append_only.is_up()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite makes tables anew")
@pytest.mark.django_db(transaction=True)
def test_migrating_with_nothing_to_do_leaves_the_guard_alone(monkeypatch):
    run = []
    monkeypatch.setattr(append_only, "_run", lambda *statements: run.append(statements))
    call_command("migrate", verbosity=0)
    assert run == []


@pytest.mark.django_db(transaction=True)
def test_database_can_be_emptied_and_refuses_again_afterwards(reader):
    call_command("flush", interactive=False, verbosity=0)
    assert not Subscriber.objects.exists()
    assert append_only.is_up()


@pytest.mark.django_db(transaction=True)
def test_older_version_finds_its_tables_unguarded(reader):
    latest = _latest()
    try:
        # Forward from here a table is made anew that the guard names.
        call_command("migrate", "subscriptions", "0023_consent_is_only_added", verbosity=0)
        assert append_only.is_up()
        call_command("migrate", verbosity=0)
        call_command("migrate", "subscriptions", "0022_messages_that_can_wait", verbosity=0)
        assert not append_only.is_up()
    finally:
        call_command("migrate", verbosity=0)
    assert append_only.is_up()
    assert ConsentRecord.objects.get().text == "[Unsubscribe]"
    assert _latest() == latest


def _latest():
    return MigrationExecutor(connection).loader.graph.leaf_nodes("subscriptions")


def test_records_of_who_left_go_when_they_are_forgotten(settings, reader):
    settings.KEEP_LEFT_DAYS = 30
    stays = make_subscriber()
    services.pause(stays, timezone.now().date(), evidence=Evidence(ip_address="192.0.2.7"))
    services.purge(timezone.now() + timedelta(days=29))
    assert ConsentRecord.objects.count() == 2
    services.purge(timezone.now() + timedelta(days=31))
    assert [record.subscriber_id for record in ConsentRecord.objects.all()] == [stays.pk]


def test_records_of_who_never_confirmed_go_with_them(settings):
    services.subscribe("ada@example.org", evidence=Evidence(ip_address="192.0.2.7"))
    services.subscribe("ada@example.org", evidence=Evidence(ip_address="192.0.2.7"))
    TransactionalMessage.objects.all().delete()
    services.purge(timezone.now() + timedelta(days=settings.KEEP_UNCONFIRMED_DAYS + 1))
    assert not ConsentRecord.objects.exists()


@pytest.mark.parametrize("page", ["change", "delete"])
def test_not_even_an_owner_changes_or_deletes_one_at_the_desk(admin_client, reader, page):
    record = ConsentRecord.objects.get()
    address = reverse(f"admin:subscriptions_consentrecord_{page}", args=[record.pk])
    assert admin_client.post(address, {"text": "They said yes", "post": "yes"}).status_code == 403
    assert ConsentRecord.objects.get().text == "[Unsubscribe]"


def test_no_action_of_the_desk_deletes_records(admin_client, reader):
    listed = reverse("admin:subscriptions_consentrecord_changelist")
    assert "delete_selected" not in admin_client.get(listed).content.decode()


@pytest.mark.parametrize(
    ("act", "action", "has_words"),
    [
        (lambda r, e: services.unsubscribe(r, evidence=e), "unsubscribed", True),
        (lambda r, e: services.pause(r, timezone.now().date(), evidence=e), "changed", True),
        (lambda r, e: services.resume(r, evidence=e), "changed", True),
        (lambda r, e: services.change_frequency(r, "weekly", evidence=e), "changed", True),
        (
            lambda r, _: services.unsubscribe_all([r.pk], because="It said so"),
            "unsubscribed",
            False,
        ),
    ],
)
def test_each_act_is_on_record_with_how_it_came_about(act, action, has_words):
    reader = make_subscriber()
    told = Evidence(
        ip_address="192.0.2.7", user_agent="A browser", page="/x/", text="[Press]", text_version="1",
        language="de",
    )  # fmt: skip
    act(reader, told)
    record = ConsentRecord.objects.get()
    assert record.action == action
    assert (record.text, record.language) == (
        ("[Press]", "de") if has_words else ("It said so", "")
    )
    if has_words:
        assert (record.ip_address, record.user_agent, record.page) == (
            "192.0.2.7",
            "A browser",
            "/x/",
        )
    assert record.at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("language", "button"), [("en", "Unsubscribe"), ("de", "Abbestellen")])
def test_words_are_on_record_as_they_were_shown(client, language, button):
    reader = make_subscriber()
    link = f"/unsubscribe/{tokens.make_unsubscribe(reader.public_id)}/"
    headers = {"HTTP_ACCEPT_LANGUAGE": language, "HTTP_USER_AGENT": "A browser"}
    fields = {"List-Unsubscribe": "One-Click", "button": "unsubscribe"}
    answer = client.post(link, fields, **headers).content.decode()
    mark = re.search(r'name="undo" value="([^"]+)"', answer)[1]
    client.post(link, {"undo": mark}, **headers)
    left, back = ConsentRecord.objects.all()
    assert f"[{button}]" in left.text
    assert left.language == back.language == language
    shown = client.get(link, **headers).content.decode()
    answer = client.post(link, fields, **headers).content.decode()
    assert back.text.strip("[]") in answer
    assert back.text.strip("[]") not in shown
