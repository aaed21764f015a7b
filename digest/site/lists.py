"""A ranked list of papers on a page: its part that is shown, its counts, and its choice of topic."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, QuerySet, Sum
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from digest.models import EditionPaper, PaperTopic
from subscriptions.models import Topic

from . import presenting
from .presenting import MOST_BARS, SHOWN_FIRST, Link

PARAMETERS = ("topic", "page", "all")
"""What the query of such a page may have."""
_SLUG = re.compile(r"[-\w]{1,60}", re.ASCII)
_MOST_TOPICS = 10


@dataclass(frozen=True, slots=True)
class Filter:
    """A topic that a list can be narrowed down to."""

    slug: str
    name: str
    papers: int
    is_chosen: bool

    @property
    def unit(self) -> str:
        """What `papers` counts: a template takes ten times as long to find the word."""
        return ngettext("paper", "papers", self.papers)

    @property
    def query(self) -> str:
        return presenting.query(topic=self.slug)


def topic_of(request: HttpRequest) -> Topic | None:
    """The topic that the page was asked for; 404 for one that there is not."""
    slug = request.GET.get("topic", "")
    if not slug:
        return None
    found = Topic.objects.filter(slug=slug).first() if _SLUG.fullmatch(slug) else None
    if found is None:
        raise Http404
    return found


def of_topic(items: QuerySet[Any], topic: Topic | None) -> QuerySet[Any]:
    """Those of the papers, or of the places in an edition, that are about the topic."""
    if topic is None:
        return items
    paper = OuterRef("paper_id" if items.model is EditionPaper else "pk")
    return items.filter(Exists(PaperTopic.objects.filter(topic=topic, paper=paper)))


def filters(papers: QuerySet[Any, Any], chosen: Topic | None) -> list[Filter]:
    """The topics with most of the papers, and the chosen one."""
    counted = presenting.topic_counts(papers)
    chosen_slug = chosen.slug if chosen else ""
    shown = counted[:_MOST_TOPICS]
    shown += [entry for entry in counted[_MOST_TOPICS:] if entry["slug"] == chosen_slug]
    return [
        Filter(entry["slug"], entry["name"], entry["papers"], entry["slug"] == chosen_slug)
        for entry in shown
    ]


def context_of(
    request: HttpRequest, items: QuerySet[Any], topic: Topic | None, *, reason: str
) -> dict[str, Any]:
    """Rows, skyline, page, counts and filters of a ranked list of papers or of places in an
    edition. The first six, or a page of all; `reason` stands at the first one, if it has the most votes."""
    is_frozen = items.model is EditionPaper
    papers = items.values("paper_id" if is_frozen else "pk").order_by()
    everything, items = items, of_topic(items, topic)
    counts = items.order_by().aggregate(
        total=Count("pk"), votes=Sum("upvotes"), fewest=Min("upvotes"), most=Max("upvotes")
    )
    total = counts["total"]
    shows_all = "all" in request.GET or "page" in request.GET or total <= SHOWN_FIRST + 1
    page = presenting.page_of(items, request.GET.get("page"), total=total)
    make_rows: Any = presenting.rows_of_places if is_frozen else presenting.rows_of_papers
    rows = make_rows(page.object_list if shows_all else items[:SHOWN_FIRST])
    skyline = None
    if page.number == 1:
        if rows:
            # An editor may have put another paper before the one that has the most.
            is_most = rows[0].votes and rows[0].votes == counts["most"]
            said = rows[0].reason or (reason if is_most else "")
            rows[0] = replace(rows[0], is_lead=True, reason=said)
        votes = list(items.values_list("upvotes", flat=True)[:MOST_BARS])
        skyline = presenting.skyline(
            votes, shown=len(rows), total=total, fewest=counts["fewest"] or 0
        )
    return {
        "rows": rows,
        "page": page if shows_all else None,
        "start": page.start_index() if shows_all else 1,
        "total": total,
        "votes": counts["votes"] or 0,
        "rest": 0 if shows_all else total - SHOWN_FIRST,
        "all_query": presenting.query(topic=topic.slug if topic else "", all="1"),
        "skyline": skyline,
        **filter_context(papers, topic),
        "unfiltered_total": everything.count() if topic else total,
    }


def filter_context(papers: QuerySet[Any, Any], topic: Topic | None) -> dict[str, Any]:
    """What the links to topics of a list need, and those to its pages."""
    return {
        "filters": filters(papers, topic),
        "chosen_topic": topic,
        "page_query": presenting.query(topic=topic.slug if topic else "")[1:],
    }


def keeping(topic: Topic | None, links: Iterable[Link | None]) -> list[Link | None]:
    """The neighbours, narrowed down to the same topic."""
    query = presenting.query(topic=topic.slug) if topic else ""
    return [link and replace(link, url=link.url and link.url + query) for link in links]


def nothing_on(topic: Topic, name: str) -> dict[str, str]:
    """What stands where a list has no paper on the topic; `name` is the list's."""
    return {
        "title": _("Nothing on this topic"),
        "text": _("No paper of %(list)s is on %(topic)s.") % {"list": name, "topic": topic.label},
        "url": "?",
        "link": _("Show papers on all topics"),
    }
