"""Pages of a list by keyset: a cursor names the last row that was seen, so that a page costs the same
wherever it is, and nothing is missed or told twice while new rows come in at the top."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet

CURSOR_PATTERN = "^[0-9a-f]{32}$"
"""Two numbers of 64 bits. Every cursor of this form can be read: one that we did not make is only
another place to go on from, and holds nothing that is not public."""
MOST_ITEMS = 100
USUAL_ITEMS = 50

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)
_MOST_MICROSECONDS = (_END - _BEGINNING) // timedelta(microseconds=1)
_MOST_ID = 2**63 - 1

Key = tuple[datetime, int]
"""When, and the id: what lists are ordered by, the newest first."""
Row = TypeVar("Row")


def make_cursor(first: int, second: int = 0) -> str:
    """A cursor that holds two numbers from 0."""
    return f"{first:016x}{second:016x}"


def read_cursor(cursor: str) -> tuple[int, int]:
    """The two numbers, each no larger than an id can be."""
    return min(int(cursor[:16], 16), _MOST_ID), min(int(cursor[16:], 16), _MOST_ID)


def cursor_after(key: Key) -> str:
    """Where the list goes on after this row."""
    return make_cursor((key[0] - _BEGINNING) // timedelta(microseconds=1), key[1])


def key_of(cursor: str) -> Key:
    """The row that the cursor names."""
    microseconds, row_id = read_cursor(cursor)
    return _BEGINNING + timedelta(microseconds=min(microseconds, _MOST_MICROSECONDS)), row_id


def keys(rows: QuerySet[Any], at: str, row_id: str, *, cursor: str | None, limit: int) -> list[Key]:
    """The keys of the next `limit` rows by (`at`, `row_id`), the newest first, and one more where
    there is one."""
    if cursor is not None:
        last_at, last_id = key_of(cursor)
        # One bound that an index can begin at; an OR of two would have it read from its start.
        rows = rows.filter(**{f"{at}__lte": last_at})
        rows = rows.exclude(**{at: last_at, f"{row_id}__gte": last_id})
    ordered = rows.order_by(f"-{at}", f"-{row_id}")
    return list(ordered.values_list(at, row_id)[: limit + 1])


def page(
    found: Iterable[Row], *, limit: int, cursor: Callable[[Row], str]
) -> tuple[list[Row], str | None]:
    """The first `limit` of the rows, and where the list goes on if there are more."""
    rows = list(found)
    shown = rows[:limit]
    return shown, cursor(shown[-1]) if len(rows) > limit else None
