"""One paper, and the topics."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from pylatexenc.latexencode import unicode_to_latex

from digest.delivery.rendering import clip
from digest.models import Edition, Listing, Paper, PaperTopic
from subscriptions.models import Topic
from subscriptions.schedule import long_day

from . import calendars, presenting

FOLDED_AFTER = 30
_MORE = 4


@require_safe
def paper(request: HttpRequest, arxiv_id: str) -> HttpResponse:
    """One paper with all that we know of it."""
    found = get_object_or_404(Paper, arxiv_id=arxiv_id)
    topics = list(Topic.objects.filter(paper_topics__paper=found).order_by("-paper_topics__score"))
    fold = len(found.authors) > FOLDED_AFTER
    context = {
        "paper": found,
        "summary": clip(found.summary or found.abstract or found.title),
        "first_authors": found.authors[:10] if fold else found.authors,
        "more_authors": found.authors[10:] if fold else [],
        "topics": topics,
        "edition": _edition_link(found),
        "bibtex": bibtex(found),
        "more": _more(found, topics),
        "sample_notice": presenting.sample_notice(_is_of_the_sample(found)),
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/paper.html", context)


def _is_of_the_sample(paper: Paper) -> bool:
    sources = set(paper.listings.values_list("source", flat=True))
    return sources == {Listing.SAMPLE}


def _edition_link(paper: Paper) -> dict[str, str] | None:
    edition = paper.editions.filter(frequency=Edition.Frequency.DAILY).first()
    if edition is None:
        return None
    return {"url": calendars.day_url(edition.date), "label": long_day(edition.date)}


def _more(paper: Paper, topics: list[Topic]) -> dict[str, Any]:
    if not topics:
        return {}
    since = timezone.now() - timedelta(days=365)
    others = (
        Paper.objects.filter(published_at__gte=min(since, paper.published_at - timedelta(days=30)))
        .exclude(pk=paper.pk)
        .filter(topics=topics[0])
        .annotate(shared=Count("topics", filter=Q(topics__in=topics)))
        .order_by("-shared", "-upvotes", "-published_at")
    )
    return {"topic": topics[0], "rows": presenting.rows_of_papers(others[:_MORE])}


def bibtex(paper: Paper) -> str:
    """A BibTeX entry for a preprint, as arXiv itself gives it."""
    first = paper.authors[0] if paper.authors else "anonymous"
    word = next((word for word in paper.title.split() if len(word) > 3), "paper")  # noqa: PLR2004
    key = "".join(
        char
        for char in f"{first.split()[-1]}{paper.published_at.year}{word}".lower()
        if char.isascii() and char.isalnum()
    )
    authors = " and ".join(unicode_to_latex(name) for name in paper.authors)
    lines = [
        f"@misc{{{key or 'paper'},",
        f"  title  = {{{unicode_to_latex(paper.title)}}},",
        f"  author = {{{authors}}},",
        f"  year   = {{{paper.published_at.year}}},",
        f"  eprint = {{{paper.arxiv_id}}},",
        "  archivePrefix = {arXiv},",
        f"  url    = {{{paper.arxiv_url}}}",
        "}",
    ]
    return "\n".join(lines)


def _recent() -> QuerySet[PaperTopic]:
    """The topics of the papers of the last seven days that have a list."""
    listings = Listing.objects.order_by("-listed_on")
    end = listings.values_list("listed_on", flat=True).first() or timezone.now().date()
    days = (end - timedelta(days=6), end)
    ids = listings.filter(listed_on__range=days).order_by().values("paper_id")
    return PaperTopic.objects.filter(paper__in=ids).order_by()


@require_safe
def topics(request: HttpRequest) -> HttpResponse:
    """The catalogue."""
    counted = dict(_recent().values_list("topic").annotate(papers=Count("pk")))
    found = Topic.objects.order_by("position", "name")
    context = {
        "topics": [(topic, counted.get(topic.pk, 0)) for topic in found],
        "nav_current": "topics",
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/topics.html", context)


@require_safe
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    """One topic, its newest papers first."""
    found = get_object_or_404(Topic, slug=slug)
    papers = Paper.objects.filter(
        pk__in=PaperTopic.objects.filter(topic=found).values("paper")
    ).order_by("-published_at", "-upvotes", "-arxiv_id")
    page = presenting.page_of(papers, request.GET.get("page"))
    shown: Any = page.object_list
    context = {
        "topic": found,
        "sample_notice": presenting.sample_notice(presenting.is_nothing_fetched()),
        "recent": _recent().filter(topic=found).count(),
        "rows": presenting.rows_of_papers(shown),
        "page": page,
        "page_query": "",
        "start": page.start_index(),
        "nav_current": "topics",
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/topic.html", context)
