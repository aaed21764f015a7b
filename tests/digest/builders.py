"""Papers, listings and editions for tests: plain functions with sane defaults."""

import itertools
from datetime import UTC, date, datetime
from typing import Any

from digest.editions import building
from digest.models import Edition, Listing, Paper, PaperTopic
from subscriptions.models import Topic

_numbers = itertools.count(1)
PUBLISHED_AT = datetime(2026, 8, 18, tzinfo=UTC)


def make_paper(*, topics: list[Topic] | None = None, **fields: Any) -> Paper:
    number = next(_numbers)
    defaults = {
        "arxiv_id": f"2607.{number:05}",
        "title": f"Paper {number}",
        "abstract": "It measures what was only guessed before.",
        "authors": ["Ada Lovelace", "Alan Turing"],
        "published_at": PUBLISHED_AT,
        "upvotes": 1,
    }
    paper = Paper.objects.create(**defaults | fields)
    for topic in topics or []:
        PaperTopic.objects.create(paper=paper, topic=topic, score=1.0, reason=topic.slug)
    return paper


def make_listing(paper: Paper, day: date, *, source: str = "hugging_face") -> Listing:
    return Listing.objects.create(paper=paper, source=source, listed_on=day)


def make_edition(day: date, papers: list[Paper], *, frequency: str = "daily") -> Edition:
    """The closed edition of a day on which exactly these papers were listed."""
    for paper in papers:
        make_listing(paper, day)
    return building.build(day, frequency=frequency)
