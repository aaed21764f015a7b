"""Keeps the `PaperTopic` rows of papers as rules, model and operators' corrections say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from digest.models import Paper, PaperTopic, TopicCorrection
from subscriptions.models import Topic

from . import model
from .matching import TopicMatch, match
from .rules import TopicRule

CHUNK = 200
BY_HAND = "by hand"
"""The reason of what an operator said."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What a `PaperTopic` row is to say."""

    score: float
    reason: str
    published_at: Any


def tag(paper_ids: Iterable[int]) -> None:
    """The papers' `PaperTopic` rows say what rules, model and corrections of this moment say.

    A second call, or one side by side, writes the same rows. The number of queries does not grow
    with the papers of a chunk.
    """
    topics = list(Topic.objects.order_by("position", "pk"))
    rules = [rule_of(topic) for topic in topics]
    topic_ids = {topic.slug: topic.pk for topic in topics}
    ids = sorted(set(paper_ids))
    for start in range(0, len(ids), CHUNK):
        _tag_chunk(ids[start : start + CHUNK], rules=rules, topic_ids=topic_ids)


def rule_of(topic: Topic) -> TopicRule:
    """What the topic says of itself."""
    return TopicRule(topic.slug, _strings(topic.phrases), _strings(topic.categories))


def _strings(value: Any) -> tuple[str, ...]:
    """The texts of a JSON field that people edit by hand; what is no list of texts says nothing."""
    entries = value if isinstance(value, list) else []
    return tuple(entry for entry in entries if isinstance(entry, str))


def matches_of(paper: Paper, rules: Sequence[TopicRule]) -> list[TopicMatch]:
    """The paper's topics by rules and model, best first."""
    return match(
        rules,
        title=paper.title,
        abstract=paper.abstract,
        keywords=_strings(paper.keywords),
        categories=_strings(paper.categories),
        model=model.current(),
    )


def _wanted(
    ids: Sequence[int], rules: Sequence[TopicRule], topic_ids: dict[str, int]
) -> dict[tuple[int, int], _Row]:
    """By paper and topic."""
    papers = Paper.objects.in_bulk(ids)
    wanted = {
        (paper.pk, topic_ids[found.slug]): _Row(found.score, found.reason[:120], paper.published_at)
        for paper in papers.values()
        for found in matches_of(paper, rules)
    }
    for said in TopicCorrection.objects.filter(paper_id__in=papers):
        pair = (said.paper_id, said.topic_id)
        if said.is_about:
            wanted[pair] = _Row(1.0, BY_HAND, papers[said.paper_id].published_at)
        else:
            wanted.pop(pair, None)
    return wanted


def _tag_chunk(ids: list[int], *, rules: Sequence[TopicRule], topic_ids: dict[str, int]) -> None:
    wanted = _wanted(ids, rules, topic_ids)
    with transaction.atomic():
        stored = {
            (row.paper_id, row.topic_id): row for row in PaperTopic.objects.filter(paper_id__in=ids)
        }
        stale = [row.pk for pair, row in stored.items() if pair not in wanted]
        if stale:
            PaperTopic.objects.filter(pk__in=stale).delete()
        # Sorted, so that two of us who write the same rows wait for one another in one order.
        PaperTopic.objects.bulk_create(
            [
                PaperTopic(
                    paper_id=paper_id,
                    topic_id=topic_id,
                    score=row.score,
                    reason=row.reason,
                    published_at=row.published_at,
                )
                for (paper_id, topic_id), row in sorted(wanted.items(), key=itemgetter(0))
                if _says_otherwise(stored.get((paper_id, topic_id)), row)
            ],
            update_conflicts=True,
            unique_fields=["paper", "topic"],
            update_fields=["score", "reason", "published_at"],
        )


def date_rows() -> int:
    """Afterwards every row says when its paper came out; returns how many did not, as those of a
    worker that ran older code for a while."""
    papers = Paper.objects.filter(pk=OuterRef("paper"))
    undated = PaperTopic.objects.filter(published_at=None)
    return undated.update(published_at=Subquery(papers.values("published_at")[:1]))


def _says_otherwise(stored: PaperTopic | None, row: _Row) -> bool:
    return stored is None or row != _Row(stored.score, stored.reason, stored.published_at)
