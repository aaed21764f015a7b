"""The outbox in partitions, where `manage.py partition_deliveries` divided it (PostgreSQL): which there
are, making those of months to come, and dropping those of months that are over.

They are ranges of editions, as the key of a partition must be in each of its unique constraints, and
(subscriber, edition) is the one that matters. Editions are numbered as they are closed, so a month is
a range of numbers; where it ends is foreseen (`first_ids`), and being some days wrong harms nothing.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import OperationalError, connection, transaction

logger = logging.getLogger(__name__)

TABLE = "digest_delivery"
PAST = f"{TABLE}_past"
"""The partition that was the whole table before."""
DEFAULT = f"{TABLE}_default"
"""Where editions go that no other partition is for: sends go on, but it should stay empty."""
AHEAD = 2
"""Months that have a partition before they begin."""
ROOM = 40
"""Editions that the last partition must have room for: a month's and some."""
LOCK_SECONDS = 3
"""How long a change waits for those who use the table, while others wait behind it."""
_MONTH = re.compile(rf"{TABLE}_(\d{{4}})_(\d{{2}})$")
_RANGE = re.compile(r"FROM \((MINVALUE|'?\d+'?)\) TO \((MAXVALUE|'?\d+'?)\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """Deliveries of the editions from `first` on, before `after`; None: no bound."""

    name: str
    first: int | None
    after: int | None

    @property
    def month(self) -> date | None:
        """The first day of the month that it was made for."""
        found = _MONTH.match(self.name)
        return date(int(found[1]), int(found[2]), 1) if found else None

    def has(self, edition_id: int) -> bool:
        """Whether deliveries of the edition are in it."""
        return (self.first or 0) <= edition_id < (self.after or 0)


def is_partitioned() -> bool:
    """Whether the outbox is; never on SQLite."""
    if connection.vendor != "postgresql":
        return False
    return bool(
        rows_of("SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p'", TABLE)
    )


def rows_of(query: str, *values: str) -> list[tuple[object, ...]]:
    """What the database answers."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


def all_ranges() -> list[Partition]:
    """Every partition but the default one, the first editions first; none while it is one table."""
    if not is_partitioned():
        return []
    rows = rows_of(
        """
        SELECT part.relname, pg_get_expr(part.relpartbound, part.oid)
        FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
        WHERE inhparent = %s::regclass
        """,
        TABLE,
    )
    found = [
        Partition(str(name), _bound(bound[1]), _bound(bound[2]))
        for name, text in rows
        if (bound := _RANGE.search(str(text)))
    ]
    return sorted(found, key=lambda each: each.first or 0)


def _bound(text: str) -> int | None:
    return None if text.endswith("VALUE") else int(text.strip("'"))


def following(month: date, number: int = 1) -> date:
    """The first day of the month so many later."""
    months = month.year * 12 + month.month - 1 + number
    return date(months // 12, months % 12 + 1, 1)


def first_ids(months: Iterable[date], *, newest_id: int, last_day: date) -> dict[date, int]:
    """For each month the number that its first edition will have, by its first day: one edition a
    day and one a week are closed after the newest one, whose last day is given."""
    found = {}
    for month in months:
        days = max((month - last_day).days - 1, 0)
        weeks = ((month - timedelta(days=1)).toordinal() // 7) - (last_day.toordinal() // 7)
        found[month] = newest_id + 1 + days + max(weeks, 0)
    return found


def newest_edition_id() -> int:
    """The highest number that an edition has, or may have had (PostgreSQL)."""
    ((newest,),) = rows_of(
        "SELECT COALESCE(pg_sequence_last_value("
        "pg_get_serial_sequence('digest_edition', 'id')::regclass), 0)"
    )
    return int(str(newest))


def foreseen(now: datetime, months: Sequence[date]) -> dict[date, int]:
    """`first_ids`, from the editions that there are."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    return first_ids(months, newest_id=newest_edition_id(), last_day=yesterday)


def statement(month: date, first: int, after: int, options: str) -> str:
    """Makes the partition of a month."""
    name = f"{TABLE}_{month:%Y_%m}"
    return (
        f"CREATE TABLE {name} PARTITION OF {TABLE} FOR VALUES FROM ({first}) TO ({after}){options}"
    )


def options_of(table: str) -> str:
    """How the table is stored, for a partition that is to be stored alike."""
    ((options,),) = rows_of("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", table)
    return f" WITH ({', '.join(map(str, options))})" if isinstance(options, list) else ""


def planned(now: datetime, *, after: int, last: date | None, options: str) -> list[str]:
    """Statements that make the partitions of this month and AHEAD more, from the edition `after` on,
    where the last one that there is is that of the month `last`."""
    this = now.astimezone(UTC).date().replace(day=1)
    newest, statements = newest_edition_id(), []
    month = this if last is None else last
    while month < following(this, AHEAD) or after <= newest + ROOM:
        month = max(following(month), this)
        ids = foreseen(now, [following(month)])
        end = max(ids[following(month)], after + ROOM // 2)
        statements.append(statement(month, after, end, options))
        after = end
    return statements


def to_make(now: datetime) -> list[str]:
    """Statements that make the partitions that are missing."""
    ranges = all_ranges()
    if not ranges:
        return []
    last = ranges[-1]
    # What has overflowed stays there until it is forgotten.
    after = max(last.after or 0, _newest_in_default() + 1, 1)
    if (last.after or 0) <= newest_edition_id() - ROOM:
        # Numbers jumped, as where an archive was read in: those passed over have no deliveries.
        after = max(after, newest_edition_id() + 1)
    return planned(now, after=after, last=last.month, options=options_of(last.name))


def make_ahead(now: datetime) -> list[str]:
    """Afterwards a partitioned outbox has partitions for the editions of this month and AHEAD more;
    the names of new ones. Where nothing is missing, or it is one table, nothing happens."""
    statements = to_make(now)
    with transaction.atomic():
        for each in statements:
            change(each)
    made = [each.split()[2] for each in statements]
    if made:
        logger.info("partitions made", extra={"partitions": made})
    return made


def change(text: str) -> None:
    """Runs a statement that changes the table, which may wait for LOCK_SECONDS; in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute(text)


def _newest_in_default() -> int:
    ((newest,),) = rows_of(f"SELECT COALESCE(MAX(edition_id), 0) FROM {DEFAULT}")  # noqa: S608  ours
    return int(str(newest))


def overflow() -> int:
    """How many deliveries no month's partition was there for; 0 where it is one table."""
    if not is_partitioned():
        return 0
    ((number,),) = rows_of(f"SELECT COUNT(*) FROM {DEFAULT}")  # noqa: S608  ours
    return int(str(number))


def drop(partition: Partition) -> bool:
    """Afterwards the partition is gone with all of its rows; False where too many used the table."""
    try:
        with transaction.atomic():
            change(f"DROP TABLE {partition.name}")
    except OperationalError as error:
        logger.warning(
            "partition not dropped", extra={"partition": partition.name, "why": str(error)}
        )
        return False
    logger.info("partition dropped", extra={"partition": partition.name})
    return True


def refresh() -> None:
    """What PostgreSQL knows of all partitions together: autovacuum looks at each alone."""
    if is_partitioned():
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {TABLE}")
