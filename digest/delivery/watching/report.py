"""What a look of the watch found, sign by sign, for programs: which are well, and of the others since
when, and how they are mended."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError

from digest.delivery import notices

from . import vigil

SIGNS = (
    "database_away",
    "broker_away",
    "beat_silent",
    "worker_silent",
    "disk_full",
    "no_fetch",
    "no_papers",
    "no_edition",
    "unplanned",
    "late",
    "unfinished",
    "senders_silent",
    "no_provider",
    "all_paused",
    "held",
    "unbalanced",
    "stuck",
    "in_doubt",
    "webhook_refused",
    "sign_ups",
)
"""The kinds of notices that last. What only happened, as a warning of complaints, is no sign."""
WATCH = "watch"
"""The sign of the look itself."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was looked at; what is wrong in several places is a sign for each."""

    name: str
    is_well: bool | None
    """None: nobody knows, as the database is away."""
    what: str = ""
    since: datetime | None = None
    mend: str = ""
    link: str = ""


def of(wrong: list[str], now: datetime) -> dict[str, Any]:
    """All signs, after a look that found this wrong, as it can be printed."""
    signs = _signs(wrong, now)
    return {
        "is_well": not wrong and all(sign.is_well for sign in signs),
        "looked_at": now,
        "signs": [asdict(sign) for sign in signs],
    }


def _signs(wrong: list[str], now: datetime) -> list[Sign]:
    try:
        rows = list(notices.open_notices().order_by("pk"))
    except (DatabaseError, InterfaceError):
        away = vigil.DATABASE_AWAY
        database = Sign("database_away", False, away.what, now, away.mend)
        return [database, *(Sign(name, None) for name in SIGNS[1:])]
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.kind].append(row)
    # What is wrong and no notice says is that the look itself failed.
    unsaid = [text for text in wrong if text not in {row.what for row in rows}]
    own = [Sign(WATCH, False, text, now, "Look into its log.") for text in unsaid]
    signs = own or [Sign(WATCH, True)]
    for name in dict.fromkeys((*SIGNS, *found)):
        signs += [
            Sign(name, False, row.what, row.created_at, row.mend, row.link)
            for row in found.get(name, ())
        ] or [Sign(name, True)]
    return signs
