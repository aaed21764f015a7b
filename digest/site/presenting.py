"""What the pages show, as plain values: rows of papers, skylines, page numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone

from digest.delivery.rendering import clip
from digest.delivery.wording import byline
from digest.models import EditionPaper, Listing, Paper, PaperTopic

PAGE_SIZE = 50
SHOWN_FIRST = 6
MOST_BARS = 60
_TOPICS_SHOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A paper in a list."""

    votes: int
    title: str
    url: str
    byline: str
    summary: str
    comments: int
    stars: int | None
    pdf_url: str
    code_url: str
    topics: tuple[tuple[str, str], ...]
    """Slug and name, the surest first."""
    is_lead: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A neighbour in a pager or a calendar; no `url` where there is nothing to see yet."""

    label: str
    url: str = ""
    weekday: str = ""


def short_day(day: date) -> str:
    """`Aug 20`."""
    return f"{day:%b} {day.day}"


def long_date(day: date) -> str:
    """`August 20, 2026`."""
    return f"{day:%B} {day.day}, {day.year}"


def paper_url(arxiv_id: str) -> str:
    """Our page of the paper."""
    return reverse("site:paper", args=[arxiv_id])


def rows_of_places(places: QuerySet[EditionPaper]) -> list[Row]:
    """Rows with the numbers that the edition froze. Three queries."""
    loaded = places.select_related("paper").prefetch_related("paper__paper_topics__topic")
    return [_row(place.paper, place) for place in loaded]


def rows_of_papers(papers: QuerySet[Paper]) -> list[Row]:
    """Rows with the papers' numbers of now. Three queries."""
    return [_row(paper, paper) for paper in papers.prefetch_related("paper_topics__topic")]


def _row(paper: Paper, numbers: Paper | EditionPaper) -> Row:
    entries = list(paper.paper_topics.all())[:_TOPICS_SHOWN]
    return Row(
        votes=numbers.upvotes,
        title=paper.title,
        url=paper_url(paper.arxiv_id),
        byline=byline(paper.authors),
        summary=clip(paper.summary or paper.abstract),
        comments=numbers.comments,
        stars=numbers.code_stars,
        pdf_url=paper.pdf_url,
        code_url=paper.code_url,
        topics=tuple((entry.topic.slug, entry.topic.name) for entry in entries),
    )


def skyline(votes: Sequence[int], *, shown: int) -> dict[str, Any] | None:
    """One bar for each paper, highest first; the first `shown` solid. None for fewer than three."""
    if len(votes) < 3 or not max(votes):  # noqa: PLR2004  two bars are no skyline
        return None
    drawn = votes[:MOST_BARS]
    step = 600 / len(drawn)
    bars = []
    for number, value in enumerate(drawn):
        height = max(56 * value / max(votes), 1.5)
        bars.append(
            {
                "x": round(number * step + 1, 1),
                "y": round(56 - height, 1),
                "width": round(step * 0.9, 1),
                "height": round(height, 1),
                "is_shown": number < shown,
            }
        )
    label = f"Votes for each of the {len(votes)} papers, from {max(votes)} down to {min(votes)}"
    return {"bars": bars, "label": label}


def page_of(items: Any, number: str | None) -> Page[Any]:
    """A page of 50; the nearest one for a number that is out of range or no number."""
    return Paginator(items, PAGE_SIZE).get_page(number)


def topic_counts(papers: QuerySet[Any, Any], *, most: int = 5) -> list[dict[str, Any]]:
    """The topics with most of these papers: slug, name, number of papers."""
    entries = PaperTopic.objects.filter(paper__in=papers).values("topic__slug", "topic__name")
    ranked = entries.annotate(papers=Count("pk")).order_by("-papers", "topic__name")
    return [
        {"slug": entry["topic__slug"], "name": entry["topic__name"], "papers": entry["papers"]}
        for entry in ranked[:most]
    ]


def sample_notice(is_sample: bool) -> str:
    """What stands above papers of the sample; "" above others."""
    if not is_sample:
        return ""
    now = timezone.now().astimezone(UTC)
    next_try = now.replace(minute=15) + timedelta(hours=1 if now.minute >= 15 else 0)  # noqa: PLR2004
    return (
        "This is the sample edition that ships with Daily Papers: today’s papers could not be "
        f"fetched. The next try is at {next_try:%H:%M} UTC."
    )


def is_nothing_fetched() -> bool:
    """Whether the archive holds the sample, and no more."""
    listings = Listing.objects.all()
    return listings.exists() and not listings.exclude(source=Listing.SAMPLE).exists()
