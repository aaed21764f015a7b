"""Divides the outbox into partitions, and puts it together again (PostgreSQL).

The table as it is becomes the first partition: a CHECK says in advance which editions are in it, so
that nothing is copied or looked through while others wait. All that is on the table is read from the
database, so that it is the same afterwards whatever migrations have made of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import OperationalError, connection, transaction

from digest.delivery import partitions
from digest.delivery.partitions import DEFAULT, PAST, TABLE, rows_of
from digest.errors import PartitioningError
from digest.models import Batch

_RANGE = f"{PAST}_range"
_KEY = f"{PAST}_pkey"
_ALIKE = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMMENTS"
_TRIES = 3
_REMEMBER = "SELECT set_config('papers.last_id', (SELECT last_value::text FROM {0}), true)"
_GO_ON = f"SELECT setval(pg_get_serial_sequence('{TABLE}', 'id'), current_setting('papers.last_id')::bigint)"
"""How the numbers of deliveries go on after the change."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, in statements."""

    before: Sequence[str]
    """Each by itself, while everything goes on."""
    switch: Sequence[str]
    """In one transaction that holds the table: a moment, or, where rows are moved, longer."""
    rows_to_move: int = 0

    def __str__(self) -> str:
        return "\n".join([*(f"{each};" for each in self.before), "BEGIN;", *(
            f"{each};" for each in self.switch
        ), "COMMIT;"])  # fmt: skip


def refuse_while_sending() -> None:
    """Raises PartitioningError while a worker holds deliveries, or could take some."""
    open_batches = Batch.objects.filter(state=Batch.State.OPEN, edition__held_at__isnull=True)
    claimed = Batch.objects.filter(state=Batch.State.CLAIMED)
    for found in (claimed, open_batches):
        if batch := found.select_related("edition").first():
            name = batch.edition.name
            raise PartitioningError(
                f"Edition {name} is being sent. Wait until `manage.py ledger` says that nothing is "
                "pending, or hold it: manage.py hold_edition --because partitions"
            )


def run(work: Work) -> None:
    """Does it. What a kill leaves is finished, or begun anew, by the next call.

    Raises PartitioningError where the table is too busy, or a send has begun meanwhile.
    """
    for text in work.before:
        _run_alone(text)
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                for text in work.switch:
                    partitions.change(text)
                    if text.startswith("LOCK"):
                        refuse_while_sending()
        except OperationalError as error:
            if not left:
                raise PartitioningError(_busy(error)) from error
        else:
            partitions.refresh()
            return


def _run_alone(text: str) -> None:
    """Of a kill nothing stays, or a beginning that is begun anew."""
    try:
        if "CONCURRENTLY" in text:
            with connection.cursor() as cursor:
                cursor.execute(text)
        else:
            with transaction.atomic():
                partitions.change(text)
    except OperationalError as error:
        raise PartitioningError(_busy(error)) from error


def _busy(error: Exception) -> str:
    said = str(error).splitlines()[0]
    return f"The table is in use ({said}). Nothing is lost; type it again at a quieter time."


def to_divide(now: datetime) -> Work:
    """What divides the table as it stands."""
    _refuse_strangers()
    newest = partitions.newest_edition_id()
    this = now.astimezone(UTC).date().replace(day=1)
    month = partitions.following(this)
    after = max(partitions.foreseen(now, [month])[month], newest + partitions.ROOM // 2)
    if (drawn := _bound_of_check()) and drawn > newest + partitions.ROOM // 4:
        after = drawn
    options = partitions.options_of(TABLE)
    new = partitions.planned(now, after=after, last=this, options=options)
    return Work(before=_prepared(after), switch=[*_switched(after), *new, _default(options)])


def _default(options: str) -> str:
    return f"CREATE TABLE {DEFAULT} PARTITION OF {TABLE} DEFAULT{options}"


def _refuse_strangers() -> None:
    """What hangs on the table from outside would go on hanging on the old one."""
    foreign = rows_of(
        "SELECT conrelid::regclass::text FROM pg_constraint"
        " WHERE contype = 'f' AND confrelid = %s::regclass",
        TABLE,
    )
    views = rows_of(
        "SELECT DISTINCT ev_class::regclass::text FROM pg_depend"
        " JOIN pg_rewrite ON pg_rewrite.oid = objid"
        " WHERE classid = 'pg_rewrite'::regclass AND refobjid = %s::regclass",
        TABLE,
    )
    triggers = rows_of(
        "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = %s::regclass",
        TABLE,
    )
    if found := [str(name) for (name,) in (*foreign, *views, *triggers)]:
        raise PartitioningError(
            f"{', '.join(found)} hangs on {TABLE} and would be left behind. Drop it, and make it "
            "again afterwards."
        )


def _bound_of_check() -> int | None:
    """The bound that a run before this one drew, which was stopped."""
    rows = rows_of(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conname = %s AND conrelid = %s::regclass",
        _RANGE,
        TABLE,
    )
    found = re.search(r"edition_id < '?(\d+)", str(rows[0][0])) if rows else None
    return int(found[1]) if found else None


def drop_leftover() -> None:
    """Afterwards the bound that a run drew, which was stopped, is gone before editions reach it."""
    if connection.vendor == "postgresql" and not partitions.is_partitioned():
        bound = _bound_of_check()
        if bound and bound <= partitions.newest_edition_id() + partitions.ROOM // 4:
            _run_alone(f"ALTER TABLE {TABLE} DROP CONSTRAINT {_RANGE}")


def _prepared(after: int) -> list[str]:
    statements = []
    valid = rows_of(
        "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relname = %s",
        _KEY,
    )
    if valid != [(True,)]:
        if valid:
            statements.append(f"DROP INDEX CONCURRENTLY {_KEY}")
        statements.append(f"CREATE UNIQUE INDEX CONCURRENTLY {_KEY} ON {TABLE} (id, edition_id)")
    if _bound_of_check() != after:
        statements += [
            f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS {_RANGE}",
            f"ALTER TABLE {TABLE} ADD CONSTRAINT {_RANGE} CHECK (edition_id < {after}) NOT VALID",
        ]
    return [*statements, f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {_RANGE}"]


def _switched(after: int) -> list[str]:
    names, definitions = _indexes(TABLE)
    return [
        f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE",
        _REMEMBER.format(_sequence(TABLE)),
        f"ALTER TABLE {TABLE} ALTER COLUMN id DROP IDENTITY",
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {_primary_key(TABLE)}",
        f"ALTER TABLE {TABLE} RENAME TO {PAST}",
        *(f"ALTER INDEX {name} RENAME TO {_past_name(name)}" for name in names),
        f"ALTER TABLE {PAST} ADD CONSTRAINT {_KEY} PRIMARY KEY USING INDEX {_KEY}",
        f"CREATE TABLE {TABLE} (LIKE {PAST} {_ALIKE}) PARTITION BY RANGE (edition_id)",
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {_RANGE}",
        f"ALTER TABLE {TABLE} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY",
        _GO_ON,
        f"ALTER TABLE {TABLE} ADD CONSTRAINT {TABLE}_pkey PRIMARY KEY (id, edition_id)",
        *definitions,
        *_grants(TABLE),
        f"ALTER TABLE {TABLE} ATTACH PARTITION {PAST} FOR VALUES FROM (MINVALUE) TO ({after})",
        f"ALTER TABLE {PAST} DROP CONSTRAINT {_RANGE}",
    ]


def _past_name(name: str) -> str:
    return f"past_{name}"[:63]


def _indexes(table: str) -> tuple[list[str], list[str]]:
    """The names of the table's indexes, but for its key, and statements that make them again."""
    rows = rows_of(
        """
        SELECT index.relname::text, conname::text, pg_get_constraintdef(pg_constraint.oid),
            pg_get_indexdef(indexrelid)
        FROM pg_index JOIN pg_class index ON index.oid = indexrelid
        LEFT JOIN pg_constraint ON conindid = indexrelid AND conrelid = indrelid
        WHERE indrelid = %s::regclass AND NOT indisprimary AND index.relname <> %s
        ORDER BY 1
        """,
        table,
        _KEY,
    )
    made = [
        f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}"
        if constraint
        else str(index_definition)
        for _, constraint, definition, index_definition in rows
    ]
    return [str(row[0]) for row in rows], made


def _primary_key(table: str) -> str:
    ((name,),) = rows_of(
        "SELECT conname::text FROM pg_constraint WHERE contype = 'p' AND conrelid = %s::regclass",
        table,
    )
    return str(name)


def _sequence(table: str) -> str:
    ((name,),) = rows_of("SELECT pg_get_serial_sequence(%s, 'id')", table)
    return str(name)


def _grants(table: str) -> list[str]:
    """Who else may do what with the table."""
    rows = rows_of(
        """
        SELECT COALESCE(quote_ident(rolname), 'PUBLIC'), privilege_type
        FROM pg_class, aclexplode(relacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = grantee
        WHERE pg_class.oid = %s::regclass AND grantee <> relowner
        """,
        table,
    )
    return [f"GRANT {privilege} ON {table} TO {role}" for role, privilege in rows]


def to_undo() -> Work:
    """What makes one table of the partitions again: their rows move into the largest one."""
    parts = rows_of(
        """
        SELECT part.relname::text, pg_total_relation_size(part.oid) FROM pg_inherits
        JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = %s::regclass ORDER BY 2 DESC, 1
        """,
        TABLE,
    )
    stays = str(parts[0][0])
    ((total,),) = rows_of(f"SELECT COUNT(*) FROM {TABLE}")  # noqa: S608  ours
    ((kept,),) = rows_of(f"SELECT COUNT(*) FROM {stays}")  # noqa: S608  of the database
    columns = ", ".join(
        str(name)
        for (name,) in rows_of(
            "SELECT quote_ident(attname) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            TABLE,
        )
    )
    pairs = rows_of(
        """
        SELECT mine.relname::text, theirs.relname::text
        FROM pg_index JOIN pg_class mine ON mine.oid = indexrelid
        JOIN pg_inherits ON inhrelid = indexrelid JOIN pg_class theirs ON theirs.oid = inhparent
        WHERE indrelid = %s::regclass AND NOT indisprimary ORDER BY 1
        """,
        stays,
    )
    switch = [
        f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE",
        _REMEMBER.format(_sequence(TABLE)),
        f"ALTER TABLE {TABLE} DETACH PARTITION {stays}",
        f"INSERT INTO {stays} ({columns}) SELECT {columns} FROM {TABLE}",  # noqa: S608  of the database
        f"DROP TABLE {TABLE}",
        f"ALTER TABLE {stays} DROP CONSTRAINT {_primary_key(stays)}",
        f"ALTER TABLE {stays} RENAME TO {TABLE}",
        f"ALTER TABLE {TABLE} ADD CONSTRAINT {TABLE}_pkey PRIMARY KEY (id)",
        f"ALTER TABLE {TABLE} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY",
        _GO_ON,
        *(f"ALTER INDEX {mine} RENAME TO {theirs}" for mine, theirs in pairs),
        *_grants(TABLE),
    ]
    return Work(before=[], switch=switch, rows_to_move=int(str(total)) - int(str(kept)))
