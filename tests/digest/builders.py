"""Papers, listings and editions for tests: plain functions with sane defaults."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from digest.editions import building
from digest.models import Audience, Batch, Delivery, Edition, Listing, Paper, PaperTopic
from digest.papers import search, vectors
from subscriptions.models import Subscriber, Topic

_numbers = itertools.count(1)
OFFERED_AT = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)
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
        PaperTopic.objects.create(
            paper=paper,
            topic=topic,
            score=1.0,
            reason=topic.slug,
            published_at=paper.published_at,
        )
    search.index([paper.pk])
    vectors.write([paper.pk])
    return paper


def make_listing(paper: Paper, day: date, *, source: str = "hugging_face") -> Listing:
    return Listing.objects.create(paper=paper, source=source, listed_on=day)


def make_edition(day: date, papers: list[Paper], *, frequency: str = "daily") -> Edition:
    """The closed edition of a day on which exactly these papers were listed."""
    for paper in papers:
        make_listing(paper, day)
    return building.build(day, frequency=frequency)


def make_batch(
    readers: Sequence[Subscriber],
    day: date = date(2026, 8, 20),
    *,
    deliveries: str = "uncertain",
    **fields: Any,
) -> Batch:
    """A batch of the day's edition, offered by Mailgun at OFFERED_AT unless `fields` say otherwise;
    its deliveries are in the state `deliveries`."""
    edition, _ = Edition.objects.get_or_create(frequency="daily", date=day)
    audience, _ = Audience.objects.get_or_create(
        edition=edition, contents_key="0" * 32, defaults={"cards": []}
    )
    number = edition.batches.count()
    values = {
        "state": {"uncertain": "uncertain", "pending": "open"}.get(deliveries, "done"),
        "attempts": 1,
        "provider": "mailgun",
        "claimed_at": fields.get("offered_at", OFFERED_AT),
        "offered_at": OFFERED_AT,
    }
    batch = Batch.objects.create(
        pk=(edition.pk << 32) + number,
        edition=edition,
        audience=audience,
        size=len(readers),
        **values | fields,
    )
    Edition.objects.filter(pk=edition.pk).update(batch_count=number + 1)
    Delivery.objects.bulk_create(
        Delivery(
            edition=edition, audience=audience, batch=batch, subscriber=reader, state=deliveries
        )
        for reader in readers
    )
    return batch
