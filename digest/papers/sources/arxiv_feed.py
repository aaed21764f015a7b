"""Reads arXiv's feeds: the API's Atom in both dialects, and the announcements as Atom or RSS.

Elements are found by namespace and name, never by place: the dialects order them differently.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from digest.errors import SourceError, SourceRefusedError
from digest.records import BadEntry, PaperRecord

from . import base, elements

_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_SEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_ID = re.compile(r"(?:abs/|arXiv\.org:)(?P<id>.{1,40})$")
_ANNOUNCED = re.compile(r"^arXiv:\S+ Announce Type: \S+ Abstract:\s*")
_REPLACEMENTS = frozenset({"replace", "replace-cross"})


@dataclass(slots=True)
class Feed:
    """A feed as far as it could be read."""

    entries: list[etree._Element] = field(default_factory=list)
    total: int | None = None
    """How many results the whole query has, where the feed says so."""
    day: date | None = None
    """The feed's own day, in the zone that it writes its time in."""
    error: str = ""
    """Why it ends before its end; the entries before that are whole."""


def read(body: bytes) -> Feed:
    """The feed in these bytes; SourceError when there is none, SourceRefusedError for the error
    entry with which arXiv answers a query that it does not understand."""
    start = body.lstrip(b"\xef\xbb\xbf \r\n\t")[:2000].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise SourceError("arXiv: a web page instead of a feed; is access denied?")
    feed = Feed()
    try:
        _collect(feed, body)
    except etree.XMLSyntaxError as error:
        feed.error = f"arXiv: the feed is broken in line {error.lineno}"
        if not feed.entries and feed.total is None and feed.day is None:
            raise SourceError(f"{feed.error}; nothing in it can be read") from error
    _check_error_entry(feed)
    return feed


def _collect(feed: Feed, body: bytes) -> None:
    for element in elements.ended(body):
        tag, parent = element.tag, element.getparent()
        is_head = parent is not None and parent.tag in (f"{_ATOM}feed", "channel")
        if tag in (f"{_ATOM}entry", "item"):
            feed.entries.append(element)
        elif tag == f"{_SEARCH}totalResults":
            feed.total = _number(element.text)
        elif is_head and tag in (f"{_ATOM}updated", "pubDate"):
            feed.day = _day(element.text)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() and len(text) < 12 else None  # noqa: PLR2004


def _day(text: str | None) -> date | None:
    try:
        return datetime.fromisoformat((text or "").strip()).date()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime((text or "").strip()).date()
    except (ValueError, OverflowError):
        return None


def _check_error_entry(feed: Feed) -> None:
    for entry in feed.entries:
        if "/api/errors" in (entry.findtext(f"{_ATOM}id") or ""):
            said = " ".join((entry.findtext(f"{_ATOM}summary") or "an error").split())
            raise SourceRefusedError(f"arXiv: does not understand the query: {said[:200]}")


def parse(feed: Feed, day: date | None) -> Iterator[PaperRecord | BadEntry]:
    """The papers of the feed, without those that are only new versions."""
    for number, entry in enumerate(feed.entries, start=1):
        if (entry.findtext(f"{_ARXIV}announce_type") or "").strip() in _REPLACEMENTS:
            continue
        try:
            yield _record(entry, day)
        except base.EntryError as error:
            given = entry.findtext(f"{_ATOM}id") or entry.findtext("guid") or ""
            name = base.one_line(given.rsplit("/", 1)[-1])[:40]
            yield BadEntry(name or f"#{number}", str(error))


def parse_whole(feed: Feed, day: date | None) -> Iterator[PaperRecord | BadEntry]:
    """As `parse`; raises SourceError at the end of a feed that breaks off."""
    yield from parse(feed, day)
    if feed.error:
        raise SourceError(f"{feed.error}; {len(feed.entries)} entries before that were taken")


def _record(entry: etree._Element, day: date | None) -> PaperRecord:
    is_rss = entry.tag == "item"
    space = "" if is_rss else _ATOM
    given = _ID.search((entry.findtext("guid" if is_rss else f"{_ATOM}id") or "").strip())
    arxiv_id, version = base.arxiv_id(given["id"] if given else None)
    text = entry.findtext("description" if is_rss else f"{_ATOM}summary")
    return PaperRecord(
        arxiv_id=arxiv_id,
        version=version,
        title=base.title(entry.findtext(f"{space}title")),
        abstract=_ANNOUNCED.sub("", base.abstract(text)),
        authors=_authors(entry),
        published_at=_published_at(entry, is_rss=is_rss),
        listed_on=day,
        categories=_categories(entry),
    )


def _published_at(entry: etree._Element, *, is_rss: bool) -> datetime:
    if not is_rss:
        return base.moment(entry.findtext(f"{_ATOM}published") or entry.findtext(f"{_ATOM}updated"))
    return base.mail_moment(entry.findtext("pubDate"))


def _authors(entry: etree._Element) -> tuple[str, ...]:
    found: list[object] = [
        author.findtext(f"{_ATOM}name") for author in entry.iterfind(f"{_ATOM}author")
    ]
    if not any(found):
        # Announcements name all in one element; affiliations stand in brackets, with commas.
        creators = ",".join(element.text or "" for element in entry.iterfind(f"{_DC}creator"))
        named = re.sub(r"\([^()]*\)", "", base.one_line(creators))
        found = [*named.split(",", base.MOST_AUTHORS)]
    return base.names(found)


def _categories(entry: etree._Element) -> tuple[str, ...]:
    primary = [element.get("term") for element in entry.iterfind(f"{_ARXIV}primary_category")]
    terms = [element.get("term") for element in entry.iterfind(f"{_ATOM}category")]
    plain = [element.text for element in entry.iterfind("category")]
    return base.categories(term for term in (*primary, *terms, *plain) if term)
