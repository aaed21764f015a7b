"""How a feed is written: as Atom (RFC 4287) or as JSON Feed 1.1, and answered with what a feed reader
needs to ask again cheaply."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response, set_response_etag
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import format_html, format_html_join
from django.utils.http import http_date
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from digest.delivery.mails import wording
from digest.delivery.mails.rendering import clip
from digest.delivery.mails.wording import byline
from digest.editions import building
from digest.models import Edition, Paper
from subscriptions.schedule import long_date

KEPT_SECONDS = 900
JSON_TYPE = "application/feed+json"
JSON_VERSION = "https://jsonfeed.org/version/1.1"
_UNDATED = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of a feed that has no entries yet: the same each time that it is asked for."""
# XML 1.0 has no way to write these (section 2.2, Char).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A paper in a feed."""

    paper: Paper
    at: datetime
    """When it came into the feed."""
    reason: str = ""
    """Why it is in this reader's."""
    note: str = ""
    """The editor's, of the edition that begins with this entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a feed says, in whatever form it is written."""

    title: str
    subtitle: str
    home_url: str
    url: str
    entries: Sequence[Entry]

    @property
    def modified_at(self) -> datetime:
        """When anything that it says last changed, at the latest."""
        papers = (entry.paper.updated_at for entry in self.entries)
        return max(self.updated_at, *papers) if self.entries else _UNDATED

    @property
    def updated_at(self) -> datetime:
        """When the newest entry came in."""
        return max((entry.at for entry in self.entries), default=_UNDATED)


def time_in(edition: Edition, place: int) -> datetime:
    """When an entry came in: as its edition closed, by itself or by hand. A second earlier for each
    place, as feed readers sort by time: the best comes first."""
    closes_at = building.closes_at(edition.last_day)
    return min(edition.closed_at, closes_at) - timedelta(seconds=place)


def written(feed: Feed, form: str) -> HttpResponse:
    """The feed in that form, with the time when it last changed."""
    content, content_type = _FORMS[form](feed)
    response = HttpResponse(content, content_type=content_type)
    response["Last-Modified"] = http_date(feed.modified_at.timestamp())
    return response


def private(request: HttpRequest, feed: Feed, form: str) -> HttpResponse:
    """The feed for one reader alone, or 304 for who has it already (RFC 9110, section 13)."""
    response = written(feed, form)
    set_response_etag(response)
    response["Cache-Control"] = f"private, max-age={KEPT_SECONDS}"
    modified = int(feed.modified_at.timestamp())
    known = get_conditional_response(request, response["ETag"], modified, response)
    answer: HttpResponse = known or response
    return answer


class _Atom(Atom1Feed):
    """Django's Atom, with all authors of an entry, and a time even for a feed without entries."""

    def latest_post_date(self) -> datetime:
        found: datetime = self.feed["updated_at"]
        return found

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        for name in item["names"]:
            handler.startElement("author", {})
            handler.addQuickElement("name", name)
            handler.endElement("author")


def _atom(feed: Feed) -> tuple[str, str]:
    writer = _Atom(
        title=_xml(feed.title),
        link=feed.home_url,
        description="",
        subtitle=_xml(feed.subtitle) or None,
        language=get_language(),
        author_name="Daily Papers",
        feed_url=feed.url,
        feed_guid=feed.url,
        updated_at=feed.updated_at,
    )
    for entry in feed.entries:
        writer.add_item(
            title=_xml(entry.paper.title),
            link=_page(entry.paper),
            description=_xml(_html(entry)),
            unique_id=_identifier(entry.paper),
            pubdate=entry.at,
            updateddate=entry.at,
            categories=[_xml(name) for name in _topics(entry.paper)],
            names=[_xml(name) for name in entry.paper.authors],
        )
    return writer.writeString("utf-8"), writer.content_type


def _json(feed: Feed) -> tuple[str, str]:
    about = {
        "version": JSON_VERSION,
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.url,
        "description": feed.subtitle,
        "language": get_language(),
        "authors": [{"name": "Daily Papers", "url": settings.SITE_URL}],
        "items": list(map(_json_item, feed.entries)),
    }
    return json.dumps(about, ensure_ascii=False), JSON_TYPE


def _json_item(entry: Entry) -> dict[str, Any]:
    paper, at = entry.paper, entry.at.astimezone(UTC).isoformat(timespec="seconds")
    return {
        "id": _identifier(paper),
        "url": _page(paper),
        "external_url": paper.arxiv_url,
        "title": paper.title,
        "content_html": _html(entry),
        "summary": clip(paper.summary or paper.abstract),
        "date_published": at,
        "date_modified": at,
        "authors": [{"name": name} for name in paper.authors],
        "tags": _topics(paper),
    }


_FORMS = {"atom": _atom, "json": _json}


def _page(paper: Paper) -> str:
    return f"{settings.SITE_URL}{reverse('site:paper', args=[paper.arxiv_id])}"


def _identifier(paper: Paper) -> str:
    """A tag URI (RFC 4151): the same in every feed and for ever, as long as SITE_URL is."""
    return f"tag:{urlsplit(settings.SITE_URL).hostname},2026:papers/{paper.arxiv_id}"


def _topics(paper: Paper) -> list[str]:
    return [entry.topic.label for entry in paper.paper_topics.all()]


def _html(entry: Entry) -> str:
    """What the entry says, escaped: the reason, who wrote it, the abstract, where to read on."""
    paper = entry.paper
    links = [(_page(paper), _("Details")), (paper.arxiv_url, "arXiv"), (paper.pdf_url, "PDF")]
    if paper.code_url:
        links.append((paper.code_url, _("Code")))
    published = _("Published %(date)s") % {"date": long_date(paper.published_at.astimezone(UTC))}
    who_and_when = [text for text in (byline(paper.authors), published) if text]
    first = [entry.reason] if entry.reason else []
    paragraphs = [*first, " · ".join(who_and_when), paper.abstract or paper.summary]
    return format_html(
        "{}{}<p>{}</p>",
        _note(entry.note),
        format_html_join("", "<p>{}</p>", ((text,) for text in paragraphs if text)),
        format_html_join(" · ", '<a href="{}">{}</a>', links),
    )


def _note(note: str) -> str:
    paragraphs = [paragraph.split("\n") for paragraph in wording.paragraphs(note)]
    if not paragraphs:
        return ""
    return format_html(
        "<blockquote><p><strong>{}</strong></p>{}</blockquote>",
        _("A note from the editor"),
        format_html_join(
            "",
            "<p>{}</p>",
            ((format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines)),) for lines in paragraphs),
        ),
    )


def _xml(text: str) -> str:
    return _NOT_XML.sub("", text)
