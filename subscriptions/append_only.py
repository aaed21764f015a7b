"""Consent records are only ever added: the database itself refuses to change one, and to delete one
while its reader is held. Who is erased or forgotten takes their records along.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

_REFUSED = "consent records are only ever added"
_NAMES = {
    "postgresql": {
        "consent_never_changed", "consent_never_emptied", "consent_only_added",
        "consent_goes_with_reader",
    },
    "sqlite": {"consent_never_changed", "consent_only_added", "consent_goes_with_reader"},
}  # fmt: skip
"""Of the triggers; one that comes to do something else needs another name, or it is not put up anew."""
_Statements = Mapping[str, Sequence[str]]
_LIFT: _Statements = {
    "postgresql": (
        "DROP TRIGGER IF EXISTS consent_never_changed ON subscriptions_consentrecord",
        "DROP TRIGGER IF EXISTS consent_never_emptied ON subscriptions_consentrecord",
        "DROP TRIGGER IF EXISTS consent_only_added ON subscriptions_consentrecord",
        "DROP TRIGGER IF EXISTS consent_goes_with_reader ON subscriptions_subscriber",
        "DROP FUNCTION IF EXISTS consent_never_changed()",
        "DROP FUNCTION IF EXISTS consent_only_added()",
        "DROP FUNCTION IF EXISTS consent_goes_with_reader()",
    ),
    "sqlite": tuple(f"DROP TRIGGER IF EXISTS {name}" for name in sorted(_NAMES["sqlite"])),
}
_PUT_UP: _Statements = {
    "postgresql": (
        f"""
        CREATE FUNCTION consent_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'restrict_violation';
        END $$
        """,
        f"""
        CREATE FUNCTION consent_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM subscriptions_subscriber WHERE id = OLD.subscriber_id) THEN
                RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NULL;
        END $$
        """,
        """
        CREATE FUNCTION consent_goes_with_reader() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            DELETE FROM subscriptions_consentrecord WHERE subscriber_id = OLD.id;
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER consent_never_changed
            BEFORE UPDATE ON subscriptions_consentrecord
            FOR EACH ROW EXECUTE FUNCTION consent_never_changed()
        """,
        """
        CREATE TRIGGER consent_never_emptied
            BEFORE TRUNCATE ON subscriptions_consentrecord
            FOR EACH STATEMENT EXECUTE FUNCTION consent_never_changed()
        """,
        # At the end of the transaction: the version before this one deletes records first and their
        # reader then, and may run beside it.
        """
        CREATE CONSTRAINT TRIGGER consent_only_added
            AFTER DELETE ON subscriptions_consentrecord DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION consent_only_added()
        """,
        """
        CREATE TRIGGER consent_goes_with_reader
            AFTER DELETE ON subscriptions_subscriber
            FOR EACH ROW EXECUTE FUNCTION consent_goes_with_reader()
        """,
    ),
    "sqlite": (
        f"""
        CREATE TRIGGER consent_never_changed
            BEFORE UPDATE ON subscriptions_consentrecord
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
        """,
        f"""
        CREATE TRIGGER consent_only_added
            BEFORE DELETE ON subscriptions_consentrecord
            WHEN EXISTS (SELECT 1 FROM subscriptions_subscriber WHERE id = OLD.subscriber_id)
            BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
        """,  # noqa: S608  our own words
        """
        CREATE TRIGGER consent_goes_with_reader
            AFTER DELETE ON subscriptions_subscriber
            BEGIN DELETE FROM subscriptions_consentrecord WHERE subscriber_id = OLD.id; END
        """,
    ),
}
_FOUND = {
    "postgresql": """
        SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND tgrelid IN (
            to_regclass('subscriptions_consentrecord'), to_regclass('subscriptions_subscriber'))
    """,
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def put_up(using: str = DEFAULT_DB_ALIAS) -> None:
    """Afterwards the database refuses."""
    _run(_LIFT, using)
    _run(_PUT_UP, using)


def lift(using: str = DEFAULT_DB_ALIAS) -> None:
    """Afterwards it does not, until `put_up`, and records of who is erased stay."""
    _run(_LIFT, using)


def is_up(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether the database refuses now."""
    vendor = connections[using].vendor
    with connections[using].cursor() as cursor:
        cursor.execute(_FOUND[vendor])
        return {name for (name,) in cursor.fetchall()} >= _NAMES[vendor]


def before_migrations(using: str = DEFAULT_DB_ALIAS, **_signal: Any) -> None:
    """The receiver of `pre_migrate`: SQLite can't make a table anew that a trigger of another one names.
    Elsewhere the guard stays, as readers may be erased meanwhile."""
    if connections[using].vendor == "sqlite":
        lift(using)


def after_migrations(using: str = DEFAULT_DB_ALIAS, apps: Any = None, **_signal: Any) -> None:
    """The receiver of `post_migrate`: the guard is up, and left alone where it was; where migrations
    were undone, an older version finds the tables as it left them."""
    if apps is not None and not _is_known(apps):
        lift(using)
    elif not is_up(using):
        put_up(using)


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
