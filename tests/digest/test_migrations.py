"""Migrations of tables that sends use: they wait briefly, and say what to do where that was not enough."""

from importlib import import_module

import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection, transaction

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]
FORGETTING = import_module("digest.migrations.0029_forgetting_deliveries")


def lock():
    with transaction.atomic(), connection.schema_editor() as editor:
        FORGETTING.lock(None, editor)


def test_migration_that_waits_too_long_for_a_send_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(FORGETTING, "LOCK_SECONDS", 1)
    with psycopg.connect(**connection.get_connection_params()) as sender:
        sender.execute("UPDATE digest_batch SET attempts = 1")
        with pytest.raises(CommandError, match="was in use for 1 seconds") as caught:
            lock()
        sender.rollback()
    assert len(str(caught.value).splitlines()) == 1
    lock()
