"""The plain records that stages hand to one another: no Django, no I/O."""

from dataclasses import dataclass
from datetime import date, datetime


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
