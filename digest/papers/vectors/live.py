"""The index of this process: loaded when it is first asked for, and kept up with the database.

A page never waits for it. Where there are few papers it is read at once; else a thread reads it, and
until that is done there is none.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from django.db import DatabaseError, connection
from django.utils import timezone

from digest.models import PaperVector

from . import embeddings, storing
from .index import Index, Row
from .space import LsaSpace

logger = logging.getLogger(__name__)

LOOK_AFTER_SECONDS = 30
"""So old the index may be before it looks for what changed."""
FEW = 1_000
"""So many papers are read in some hundredths of a second."""
OVERLAP = timedelta(minutes=10)
"""What was written in a transaction that took so long is found, too."""
_AT_ONCE = 2_000


@dataclass(slots=True, eq=False)
class Live:
    """An index, the space that it is of, and how far it has read."""

    index: Index
    name: str
    space: LsaSpace | None
    """None where a function of the operator's makes the vectors."""
    read_at: datetime
    """What was written since, and shortly before, is looked for the next time."""
    stamps: dict[int, datetime] = field(default_factory=dict)
    """Of the rows that were written shortly before, as they were read."""
    is_mixed: bool = False
    """Whether papers were still to be placed in the space when it was read."""


_live: Live | None = None
_looked_at = float("-inf")
_lock = threading.Lock()


def current() -> Live | None:
    """The index as it is; None until it was read. Looks for changes, beside this, now and then."""
    if time.monotonic() - _looked_at > LOOK_AFTER_SECONDS and not _lock.locked():
        if PaperVector.objects.all()[: FEW + 1].count() <= FEW:
            refresh()
        else:
            threading.Thread(target=_refresh_beside, name="vectors", daemon=True).start()
    return _live


def refresh() -> None:
    """Afterwards the index has what is in the database, unless another thread is at it."""
    global _live, _looked_at  # noqa: PLW0603  there is one in a process
    if not _lock.acquire(blocking=False):
        return
    try:
        _looked_at = time.monotonic()
        name = storing.current_name()
        if _live is None or ((_live.name != name or _live.is_mixed) and _is_placed(name)):
            _live = _read(name)
        else:
            _follow(_live)
    finally:
        _lock.release()


def forget() -> None:
    """The index is read anew when it is asked for."""
    global _live, _looked_at
    _live, _looked_at = None, float("-inf")


def _refresh_beside() -> None:
    try:
        refresh()
    except DatabaseError:
        logger.warning(
            "the index of papers could not be read, search goes on without it", exc_info=True
        )
    finally:
        connection.close()


def _is_placed(name: str) -> bool:
    return not PaperVector.objects.exclude(space=name).exists()


def _read(name: str) -> Live:
    started = time.monotonic()
    is_mixed = not _is_placed(name)
    lsa = None if embeddings.name() else storing.current()
    live = Live(Index(_dimensions(name, lsa)), name, lsa, timezone.now(), is_mixed=is_mixed)
    # Before the rows: what is written while these are read is read once more.
    live.stamps = _stamps(live.read_at)
    live.index.add(_rows(live))
    _give_back()
    logger.info(
        "index of papers read",
        extra={"papers": len(live.index), "seconds": round(time.monotonic() - started, 2)},
    )
    return live


def _give_back() -> None:
    """What reading took for a moment goes back to the system: glibc would keep 50 MB of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _dimensions(name: str, lsa: LsaSpace | None) -> int:
    if lsa is not None:
        return int(lsa.places.shape[1])
    placed = PaperVector.objects.filter(space=name).exclude(dense=b"")
    return max(len(placed.values_list("dense", flat=True).first() or b"") - 4, 0)


def _rows(live: Live) -> Iterator[Row]:
    """All rows by id, a few thousand at a time: whatever else the database holds for the one who
    reads, a connection that is cut has nothing half read."""
    last = 0
    rows = PaperVector.objects.order_by("paper_id").values_list(
        "paper_id", "terms", "space", "dense"
    )
    while found := list(rows.filter(paper_id__gt=last)[:_AT_ONCE]):
        last = found[-1][0]
        for paper_id, terms, space, dense in found:
            yield Row(paper_id, bytes(terms), bytes(dense) if space == live.name else b"")


def _stamps(read_at: datetime) -> dict[int, datetime]:
    recent = PaperVector.objects.filter(changed_at__gt=read_at - OVERLAP)
    return dict(recent.values_list("paper_id", "changed_at"))


def _follow(live: Live) -> None:
    now = timezone.now()
    stamps = _stamps(live.read_at)
    changed = sorted(pk for pk, at in stamps.items() if live.stamps.get(pk) != at)
    for first in range(0, len(changed), _AT_ONCE):
        rows = PaperVector.objects.filter(pk__in=changed[first : first + _AT_ONCE])
        # While papers are being moved to another space, they are kept as they are in this one.
        rows = rows.filter(space__in=[live.name, ""])
        found = rows.order_by("paper_id").values_list("paper_id", "terms", "space", "dense")
        live.index.add(
            [
                Row(paper_id, bytes(terms), bytes(dense) if space == live.name else b"")
                for paper_id, terms, space, dense in found
            ]
        )
    live.read_at, live.stamps = now, stamps
    if PaperVector.objects.count() != len(live.index):
        ids = np.fromiter(PaperVector.objects.values_list("paper_id", flat=True), dtype=np.int64)
        known = live.index.ids()
        live.index.drop(known[~np.isin(known, ids)])
