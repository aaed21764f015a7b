"""What goes into the API and what comes out, as the description tells it."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import BeforeValidator, Field, WithJsonSchema

from .paging import CURSOR_PATTERN, MOST_ITEMS

SLUG_PATTERN = "^[-a-zA-Z0-9_]{1,60}$"
ARXIV_ID_PATTERN = r"^([0-9]{4}\.[0-9]{4,5}|[a-z-]+(\.[A-Z]{2})?/[0-9]{7})$"
EDITION_PATTERN = "^[0-9]{4}-([0-9]{2}-[0-9]{2}|W[0-9]{2})$"
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_day(text: Any) -> Any:
    # Pydantic would take a number for seconds since 1970.
    if isinstance(text, str) and not _ISO_DAY.fullmatch(text):
        raise ValueError("a day is written YYYY-MM-DD")
    return text


Day = Annotated[
    date, BeforeValidator(_iso_day), WithJsonSchema({"type": "string", "format": "date"})
]
# The pattern is only told: what does not match it is not found, as it would be in an address.
ArxivId = Annotated[
    str,
    Field(description="arXiv id, without version"),
    WithJsonSchema({"type": "string", "pattern": ARXIV_ID_PATTERN}),
]
EditionName = Annotated[
    str,
    Field(description="`2026-08-20`, or of a week `2026-W34`"),
    WithJsonSchema({"type": "string", "pattern": EDITION_PATTERN}),
]
Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
Cursor = Annotated[str, Field(pattern=CURSOR_PATTERN, description="`next` of the page before")]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS)]


class Invalid(Schema):
    """One value that is wrong, and where it stands."""

    detail: str
    pointer: str | None = Field(None, description="JSON Pointer into the body")
    parameter: str | None = Field(None, description="Name in the query")


class Problem(Schema):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Invalid] | None = None


class PaperItem(Schema):
    """A paper; in an edition with its votes and comments as they were when that closed."""

    id: str = Field(description="arXiv id, without version")
    title: str
    abstract: str
    summary: str | None = Field(description="One sentence, where a source gave one")
    authors: list[str]
    published_on: date
    upvotes: int
    comments: int
    topics: list[str] = Field(description="Slugs, the surest first")
    categories: list[str] = Field(description="arXiv categories")
    url: str = Field(description="Our page")
    arxiv_url: str
    pdf_url: str
    code_url: str | None
    code_stars: int | None
    project_url: str | None
    discussion_url: str | None


class PaperPage(Schema):
    """Papers, and the cursor of the next page if there is one."""

    items: list[PaperItem]
    next: str | None


class SearchPage(PaperPage):
    """Papers that match, the best first; then those that are near."""

    total: int = Field(description="How many match, as far as they were counted")
    near: int = Field(
        description="How many that do not match follow them, since they are near in wording and meaning"
    )
    notes: list[str] = Field(description="What of the question was not understood")


class PaperList(Schema):
    """Papers, all of them."""

    items: list[PaperItem]


class EditionItem(Schema):
    """A day's or a week's papers, ranked and frozen."""

    name: str = Field(description="`2026-08-20`, or of a week `2026-W34`")
    frequency: str
    date: Day
    last_day: Day
    closed_at: datetime
    paper_count: int
    is_sample: bool
    note: str | None = Field(
        description="What the editor says on top of it: plain text, an empty line between paragraphs"
    )
    url: str


class EditionPage(Schema):
    """Editions, and the cursor of the next page if there is one."""

    items: list[EditionItem]
    next: str | None


class EditionDetail(EditionItem):
    """An edition with a page of its papers, by rank."""

    items: list[PaperItem]
    next: str | None


class TopicItem(Schema):
    """A topic of the catalogue."""

    slug: str
    name: str
    description: str
    url: str
    feed_url: str


class TopicList(Schema):
    """The catalogue."""

    items: list[TopicItem]


class SignUp(Schema):
    """Who wants mail, and about what."""

    email: str = Field(max_length=508, json_schema_extra={"format": "email"})
    topics: list[Slug] = Field(
        [], max_length=100, description="Slugs; those of no topic are passed over"
    )
    timezone: str = Field(
        "", max_length=64, description="Such as `Europe/Berlin`; one that is none is passed over"
    )


class Asked(Schema):
    """The one answer for every address."""

    detail: str
