"""What an ESP reports, stored while it waits for the answer: once by the ESP's event id, and with as
little work as can be. `events.py` applies it later.
"""

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

PROBE = "doctor@probe.invalid"
"""The reader of an event by which `manage.py doctor` tries a webhook: it is verified and read as any,
and never kept. Nothing can be sent there (RFC 2606)."""

# Events outlive the erasure of their reader. An address is looked for where a word begins, not at every
# letter of it: that would take hours for a word of a megabyte, which whoever answers our mail may send.
# The sign in it may be written as in a link or a page, be a wide one, and have spaces around it.
_ADDRESS = re.compile(
    r"(?<![^\s<>()\[\],;:\"@])[^\s<>()\[\],;:\"@]+"
    r"\s{0,3}(?:@|%40|&#64;|\uff20)\s{0,3}[^\s<>()\[\],;:\"]+"
)
_CONTROLS = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)]),
    **dict.fromkeys(map(ord, "\t\n"), " "),
}
_NEAR = timedelta(days=1000)
"""Around now: what is told of another time has a wrong clock, or none."""
_MOST_DIGITS = 18
"""Of a number that fits 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An ESP's event in plain values."""

    provider: str
    event_id: str
    type: str
    metadata: Mapping[str, str]
    occurred_at: datetime | None = None
    reject_reason: str = ""
    description: str = ""


_COLUMNS = (
    "provider", "event_id", "type", "delivery_id", "batch_id", "message_id",
    "reject_reason", "description", "occurred_at", "received_at",
)  # fmt: skip
_ROWS = 500
"""In one INSERT, as a database takes a limited number of values."""
_Row = tuple[Any, ...]


@dataclass(slots=True)
class _Parcel:
    """The events of one call of the ESP, whose thread waits until they are stored."""

    rows: Sequence[_Row]
    is_stored: bool = False


class _Intake:
    """Calls of this process that come at the same time share one INSERT, and one wait for the disk:
    whoever has the turn stores for all that are waiting.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: deque[_Parcel] = deque()

    def store(self, rows: Sequence[_Row]) -> None:
        parcel = _Parcel(rows)
        self._waiting.append(parcel)
        with self._turn:
            if parcel.is_stored:
                return
            others = [each for each in self._drain() if each is not parcel]
            try:
                _insert([row for each in [parcel, *others] for row in each.rows])
            except (DatabaseError, ValueError):
                # Perhaps for what another call brought: each finds out for itself.
                self._waiting.extend(others)
                if not others:
                    raise
                _insert(rows)
            else:
                for each in others:
                    each.is_stored = True

    def _drain(self) -> Iterator[_Parcel]:
        while self._waiting:
            yield self._waiting.popleft()


_intake = _Intake()


def store(reports: Sequence[Report]) -> None:
    """Afterwards the events are in the database, to be applied later; those that were stored
    before are passed over. It is committed, unless the caller is in a transaction.

    Raises DatabaseError where they could not be stored: then the ESP is to try again.
    """
    if reports:
        _intake.store([_row(report) for report in reports])


def _insert(rows: Sequence[_Row]) -> None:
    """One statement, and so one way to the database and back, where bulk_create takes three."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        marks = ",".join(["(" + ",".join(["%s"] * len(_COLUMNS)) + ")"] * len(part))
        insert = f"INSERT INTO digest_event ({','.join(_COLUMNS)}) VALUES {marks}"  # noqa: S608  marks
        with connection.cursor() as cursor:
            cursor.execute(f"{insert} ON CONFLICT DO NOTHING", list(chain.from_iterable(part)))


def _row(report: Report) -> _Row:
    """The values of _COLUMNS."""
    now = timezone.now()
    description = _ADDRESS.sub("an address", _storable(report.description))
    return (
        report.provider[:20],
        _storable(report.event_id)[:200] or _made_up_id(report),
        _storable(report.type)[:20],
        _number(report.metadata.get("delivery", "")),
        _number(report.metadata.get("batch", "")),
        _number(report.metadata.get("message", "")),
        _storable(report.reject_reason)[:20],
        description[:300],
        _time(_told_time(report.occurred_at, now)),
        _time(now),
    )


def _storable(text: str) -> str:
    """The text in one line, without what moves a terminal, and without what JSON can carry and no database
    can: NUL, and halves of letters."""
    return text.translate(_CONTROLS).encode(errors="replace").decode()


def _time(time: datetime | None) -> Any:
    """As the database wants it."""
    return connection.ops.adapt_datetimefield_value(time)


def _told_time(time: object, now: datetime) -> datetime | None:
    """The time that the provider names, if it can be that of an event."""
    if not isinstance(time, datetime):
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return time if abs(now - time) < _NEAR else None


def _number(text: str) -> int | None:
    is_id = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_id else None


def _made_up_id(report: Report) -> str:
    """An id for an event that came without one, equal for equal events."""
    metadata = sorted(report.metadata.items())
    parts = (report.type, metadata, report.occurred_at, report.reject_reason)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
