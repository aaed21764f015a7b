"""The plain records that stages hand to one another: no Django, no I/O."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How something that was looked at does."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"
    """It does not apply here, or can't be asked."""


class Finding(NamedTuple):
    """What a look at a part of the installation found: a line, and the mend where it needs one."""

    name: str
    state: Verdict
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRecord:
    """A paper as one source describes it: text as received, whitespace joined, nothing escaped.

    A number that the source does not know is None, a text that it does not know is empty.
    """

    arxiv_id: str
    """Without version, in arXiv's own spelling: `2608.16590` or `hep-ex/0406020`."""
    title: str
    abstract: str
    authors: tuple[str, ...]
    """Names in the order of the paper."""
    published_at: datetime
    """Aware, UTC: when the first version was submitted to arXiv."""
    listed_on: date | None = None
    """The day on whose list the source has it; None outside any day's list (trending)."""
    version: int | None = None
    summary: str = ""
    """One sentence, where the source writes one (Hugging Face: `ai_summary`)."""
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    """arXiv categories, the primary one first."""
    upvotes: int | None = None
    comments: int | None = None
    code_url: str = ""
    code_stars: int | None = None
    project_url: str = ""
    discussion_url: str = ""
    organization: str = ""


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry of a source that could not be read; the rest of the list still goes in."""

    entry_id: str
    """What the entry calls itself, or its place in the list (`#3`)."""
    reason: str


@dataclass(slots=True)
class FetchCounts:
    """What one fetch did to the archive, entry by entry."""

    new: int = 0
    updated: int = 0
    skipped: int = 0
    bad: int = 0

    def __str__(self) -> str:
        return f"{self.new} new, {self.updated} updated, {self.skipped} skipped, {self.bad} bad"


TODAY = "today"
WEEK = "week"
Period = date | str
"""The time that papers are from: TODAY, WEEK, or since a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionContent:
    """What a digest says about its edition."""

    name: str
    heading: str
    """`Thursday, August 20` or `Week 34, 2026`."""
    period: Period
    paper_count: int
    """Of the edition itself."""
    url: str
    late_count: int = 0
    """Papers of editions before it that come along, because their digest was too late."""
    is_sample: bool = False
    counts_clicks: bool = False
    """Whether there are readers whose clicks the provider counts."""
    note: str = ""
    """What an editor says on top of it: plain text, paragraphs apart by empty lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperContent:
    """What a card says about a paper, with the numbers as they were when the edition closed."""

    paper_id: int
    arxiv_id: str
    title: str
    authors: tuple[str, ...]
    summary: str
    upvotes: int
    comments: int
    code_stars: int | None
    url: str
    """Our own page of the paper."""
    arxiv_url: str
    pdf_url: str
    code_url: str


class Reader(NamedTuple):
    """What makes one reader's copy of a digest their own."""

    delivery_id: int
    subscriber_id: int
    email: str
    unsubscribe: str
    manage: str
    digest: str
    """Tokens of the links."""
    message_id: str
    confirmed_on: str
    next_digest: str
    batch_id: int = 0


class Result(StrEnum):
    """What became of an offer to the provider."""

    SENT = "sent"
    FAILED = "failed"
    """Surely not taken, and would not be taken again."""
    DEFERRED = "deferred"
    """Surely not taken; may be offered again."""
    UNCERTAIN = "uncertain"
    """No answer came: it may have been taken."""


class Outcome(NamedTuple):
    """What the provider said about one reader."""

    delivery_id: int
    batch_id: int
    result: Result
    provider: str
    message_id: str = ""
    detail: str = ""
    """The provider's words, without any address."""
    retry_after: float | None = None
    """Seconds, where the provider named them."""
    is_provider_down: bool = False
    """It surely took nothing, whoever the reader is: another provider may be asked."""
    is_dead_address: bool = False
    """There is no such mailbox."""
