"""`python -m tests.flows.faults_seed`: closed editions, and two crowds of readers who are not due.

Runs in a process with the installation's settings. What the readers follow is stored for one of
each selection, which is all that planning reads.
"""

import itertools
import os
import sys
from datetime import UTC, date, datetime, timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

FIRST_DAY = date(2031, 3, 3)
"""Far from any day on which this runs: nobody is due by the clock."""
EDITIONS = 40
PAPERS = 3
FEW, MANY = 7, 9
"""The hours of the two crowds."""
READERS_OF_AUDIENCE = {"few": 25, "many": 100}


def seed(few: int, many: int) -> None:
    from digest.editions import building  # noqa: PLC0415  after the settings
    from digest.models import Listing, Paper, PaperTopic  # noqa: PLC0415
    from subscriptions.models import Topic  # noqa: PLC0415

    topics = list(Topic.objects.all()[:8])
    for number in range(EDITIONS):
        day = FIRST_DAY + timedelta(days=number)
        papers = [
            Paper(
                arxiv_id=f"31{number:02}.{place:05}",
                title=f"Paper {number}.{place}: an efficient harness for self-evolving systems",
                abstract="It measures what was only guessed before. " * 8,
                authors=["Ada Lovelace", "Alan Turing"],
                published_at=datetime(2031, 3, 1, tzinfo=UTC),
                upvotes=100 - place,
            )
            for place in range(PAPERS)
        ]
        Paper.objects.bulk_create(papers)
        PaperTopic.objects.bulk_create(
            PaperTopic(paper=paper, topic=topic, score=1.0, reason=topic.slug)
            for paper in papers
            for topic in topics
        )
        Listing.objects.bulk_create(
            Listing(paper=paper, source="hugging_face", listed_on=day) for paper in papers
        )
        building.build(day)
    _add_readers("few", FEW, few, topics)
    _add_readers("many", MANY, many, topics)


def _add_readers(crowd: str, hour: int, number: int, topics: list) -> None:
    from subscriptions.models import Subscriber, Subscription  # noqa: PLC0415
    from subscriptions.records import Rhythm, Selection  # noqa: PLC0415
    from subscriptions.services import slots  # noqa: PLC0415

    slot = slots.ensure(Rhythm("daily", hour, "UTC"), datetime(2040, 1, 1, tzinfo=UTC))
    subsets = itertools.chain.from_iterable(
        itertools.combinations(topics, size) for size in range(1, len(topics) + 1)
    )
    chosen = list(itertools.islice(subsets, max(1, number // READERS_OF_AUDIENCE[crowd])))
    keys = [Selection(topics=tuple(sorted(t.slug for t in subset))).key for subset in chosen]
    now = datetime(2031, 1, 1, tzinfo=UTC)
    Subscriber.objects.bulk_create(
        (
            Subscriber(
                email=f"{crowd}{n}@example{n % 100}.org", address_hash=f"{crowd}{n}",
                state="active", frequency="daily", hour=hour, timezone="UTC", slot=slot,
                confirmed_at=now, selection_key=keys[n % len(keys)],
            )
            for n in range(number)
        ),
        batch_size=2000,
    )  # fmt: skip
    firsts = Subscriber.objects.filter(slot=slot).order_by("pk")[: len(chosen)]
    Subscription.objects.bulk_create(
        Subscription(subscriber=reader, topic=topic)
        for reader, subset in zip(firsts, chosen, strict=False)
        for topic in subset
    )


if __name__ == "__main__":
    django.setup()
    seed(int(sys.argv[1]), int(sys.argv[2]))
