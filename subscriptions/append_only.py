"""Consent records are only ever added: the database itself refuses to change one, and to delete one
while its reader is held. Who is erased or forgotten takes their records along.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

_REFUSED = "consent records are only ever added"
_Statements = Mapping[str, Sequence[str]]
_PUT_UP: _Statements = {
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION consent_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND NOT EXISTS (
                SELECT FROM subscriptions_subscriber WHERE id = OLD.subscriber_id
            ) THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'restrict_violation';
        END $$
        """,
        """
        CREATE OR REPLACE FUNCTION consent_goes_with_reader() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM subscriptions_consentrecord WHERE subscriber_id = OLD.id;
            RETURN NULL;
        END $$
        """,
        """
        CREATE OR REPLACE TRIGGER consent_only_added
            BEFORE UPDATE OR DELETE ON subscriptions_consentrecord
            FOR EACH ROW EXECUTE FUNCTION consent_only_added()
        """,
        """
        CREATE OR REPLACE TRIGGER consent_goes_with_reader
            AFTER DELETE ON subscriptions_subscriber
            FOR EACH ROW EXECUTE FUNCTION consent_goes_with_reader()
        """,
    ),
    "sqlite": (
        f"""
        CREATE TRIGGER IF NOT EXISTS consent_never_changed
            BEFORE UPDATE ON subscriptions_consentrecord
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
        """,
        f"""
        CREATE TRIGGER IF NOT EXISTS consent_only_added
            BEFORE DELETE ON subscriptions_consentrecord
            WHEN EXISTS (SELECT 1 FROM subscriptions_subscriber WHERE id = OLD.subscriber_id)
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
        """,  # noqa: S608  our own words
        """
        CREATE TRIGGER IF NOT EXISTS consent_goes_with_reader
            AFTER DELETE ON subscriptions_subscriber
            BEGIN DELETE FROM subscriptions_consentrecord WHERE subscriber_id = OLD.id; END
        """,
    ),
}
_LIFT: _Statements = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS consent_only_added ON subscriptions_consentrecord",
        "DROP TRIGGER IF EXISTS consent_goes_with_reader ON subscriptions_subscriber",
        "DROP FUNCTION IF EXISTS consent_only_added()",
        "DROP FUNCTION IF EXISTS consent_goes_with_reader()",
    ),
    "sqlite": (
        "DROP TRIGGER IF EXISTS consent_never_changed",
        "DROP TRIGGER IF EXISTS consent_only_added",
        "DROP TRIGGER IF EXISTS consent_goes_with_reader",
    ),
}
_FOUND = {
    "postgresql": "SELECT tgname FROM pg_trigger",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def put_up(using: str = DEFAULT_DB_ALIAS, apps: Any = None, **_signal: Any) -> None:
    """Afterwards the database refuses. Also the receiver of Django's `post_migrate`: where migrations
    were undone, an older version is to find the tables as it left them."""
    if apps is None or _is_known(apps):
        _run(_PUT_UP, using)


def lift(using: str = DEFAULT_DB_ALIAS, **_signal: Any) -> None:
    """Afterwards it does not, until `put_up`. Also the receiver of `pre_migrate`: SQLite can't make a
    table anew that a trigger of another one names."""
    _run(_LIFT, using)


def is_up(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether the database refuses now."""
    with connections[using].cursor() as cursor:
        cursor.execute(_FOUND[connections[using].vendor])
        names = {name for (name,) in cursor.fetchall()}
    return names >= {"consent_only_added", "consent_goes_with_reader"}


def _is_known(apps: Any) -> bool:
    """Whether the tables are those of this version."""
    try:
        record = apps.get_model("subscriptions", "ConsentRecord")
    except LookupError:
        return False
    return any(field.name == "language" for field in record._meta.fields)  # noqa: SLF001


def _run(statements: _Statements, using: str) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements[connections[using].vendor]:
            cursor.execute(statement)
