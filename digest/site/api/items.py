"""Turns papers, editions and topics into what the API says about them."""

from collections.abc import Sequence
from datetime import UTC

from django.conf import settings
from django.urls import reverse

from digest.models import Edition, EditionPaper, Paper
from subscriptions.models import Topic

from .schemas import EditionItem, PaperItem, TopicItem


def papers(ids: Sequence[int]) -> list[PaperItem]:
    """The papers of these ids, in their order. Three queries, however many."""
    found = Paper.objects.prefetch_related("paper_topics__topic").in_bulk(ids)
    return [_paper(found[pk], found[pk]) for pk in ids if pk in found]


def places(chosen: Sequence[EditionPaper]) -> list[PaperItem]:
    """The papers of an edition with its own numbers; they come with their topics."""
    return [_paper(place.paper, place) for place in chosen]


def _paper(paper: Paper, numbers: Paper | EditionPaper) -> PaperItem:
    # Without the checks: these are our own rows, and there may be a hundred of them.
    return PaperItem.model_construct(
        id=paper.arxiv_id,
        title=paper.title,
        abstract=paper.abstract,
        summary=paper.summary or None,
        authors=paper.authors,
        published_on=paper.published_at.astimezone(UTC).date(),
        upvotes=numbers.upvotes,
        comments=numbers.comments,
        topics=[entry.topic.slug for entry in paper.paper_topics.all()],
        categories=paper.categories,
        url=_absolute("site:paper", paper.arxiv_id),
        arxiv_url=paper.arxiv_url,
        pdf_url=paper.pdf_url,
        code_url=paper.code_url or None,
        code_stars=numbers.code_stars,
        project_url=paper.project_url or None,
        discussion_url=paper.discussion_url or None,
    )


def edition(found: Edition) -> EditionItem:
    """The edition without its papers."""
    return EditionItem(
        name=found.name,
        frequency=found.frequency,
        date=found.date,
        last_day=found.last_day,
        closed_at=found.closed_at,
        paper_count=found.paper_count,
        is_sample=found.is_sample,
        note=found.note or None,
        url=f"{settings.SITE_URL}/papers/{found.name}/",
    )


def topic(found: Topic) -> TopicItem:
    """An entry of the catalogue."""
    return TopicItem(
        slug=found.slug,
        name=found.name,
        description=found.description,
        url=_absolute("site:topic", found.slug),
        feed_url=_absolute("site:topic_feed", found.slug, "atom"),
    )


def _absolute(name: str, *args: str) -> str:
    return f"{settings.SITE_URL}{reverse(name, args=args)}"
