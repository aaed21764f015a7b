"""Plain records about readers that other rooms may hold: no Django, no I/O."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

_LATER: dict[str, object] = {
    "categories": (), "least_votes": 0, "format": "html", "language": "en",
    "organizations": (), "dial": 2, "taste": "", "trending": False, "counts_clicks": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a subscriber asked to be picked from an edition. Equal selections get the same digest."""

    topics: tuple[str, ...] = ()
    """Slugs, sorted."""
    keywords: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    length: int = 8
    """The most papers that a digest holds."""
    categories: tuple[str, ...] = ()
    """arXiv categories."""
    least_votes: int = 0
    """Papers with fewer votes are left out."""
    format: str = "html"
    """`html`, with the text beside it, or `text` alone."""
    language: str = "en"
    organizations: tuple[str, ...] = ()
    dial: int = 2
    """From 0, popular, to 4, personal."""
    trending: bool = False
    """Whether papers are popular for how fast votes come, instead of how many there are."""
    taste: str = ""
    """The mark of what was learned from the reader's opinions."""
    counts_clicks: bool = False
    """Whether the provider may count clicks: it is told for a whole call, so these go apart."""

    @property
    def key(self) -> str:
        """32 hex digits that are equal for equal selections, in whatever order they were chosen.

        What was added later counts only where it is not as it always was, so that keys stay.
        """
        parts = {
            name: sorted(value) if isinstance(value, list | tuple) else value
            for name, value in asdict(self).items()
            if name not in _LATER or value != _LATER[name]
        }
        canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a subscriber wants mail: how often, at which hour of which zone."""

    frequency: str
    """`daily`, `weekdays`, `weekly` (Monday), `weekly-2` (Tuesday) to `weekly-7`, `monthly`."""
    hour: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Preferences:
    """Everything that a subscriber chooses."""

    selection: Selection
    rhythm: Rhythm
    paused_until: date | None = None
    """The local day on which mail starts again."""
    learns: bool = False
    """Whether digests learn from the paper pages that the reader opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How a choice was made: what a consent record keeps besides who and when."""

    ip_address: str | None = None
    user_agent: str = ""
    page: str = ""
    text: str = ""
    """The exact words beside the button that was pressed."""
    text_version: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a signed link was made for, and when."""

    public_id: UUID
    token_version: int
    issued_at: datetime


class Standing(StrEnum):
    """Whether mail may go to a reader right now."""

    OK = "ok"
    LEFT = "left"
    """Unsubscribed, or not confirmed (any more)."""
    SUPPRESSED = "suppressed"


class Addressee(NamedTuple):
    """What a digest needs to know of the reader it goes to."""

    subscriber_id: int
    email: str
    public_id: UUID
    token_version: int
    frequency: str
    hour: int
    timezone: str
    since: date
    """The day (UTC) on which they confirmed, or else signed up."""
    standing: Standing
    counts_clicks: bool = False
