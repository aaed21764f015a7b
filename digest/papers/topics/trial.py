"""Which of the newest papers a topic would take, before it is saved."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Max

from digest.models import Paper, TopicCorrection

from . import model
from .matching import least_of, score, weight_of
from .rules import Evidence, TopicRule, evidence, is_within

NEWEST = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """A paper that the topic takes."""

    paper: Paper
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class PhraseTrial:
    """What one phrase does."""

    text: str
    found_in: int
    """Papers that have it."""
    taken: Sequence[Paper]
    """Those of them that the topic takes."""
    within: str
    """Where it is in none by itself: a longer phrase of the topic that it is found in, and counts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the newest papers."""

    looked_at: int
    taken: Sequence[Taken]
    """The surest first."""
    kept_out: Sequence[Taken]
    """What rules and model would take, and an operator said is not about it."""
    added: Sequence[Paper]
    """What an operator said is about it, and rules and model would not take."""
    phrases: Sequence[PhraseTrial]
    """In the order in which they were written."""


def run(rule: TopicRule) -> Trial:
    """What the rule, and the model where it knows the topic, take of the newest papers beside the
    topics that these have. Three queries."""
    papers = list(
        Paper.objects.annotate(best=Max("paper_topics__score")).order_by("-published_at", "-pk")[
            :NEWEST
        ]
    )
    said = dict(
        TopicCorrection.objects.filter(topic__slug=rule.slug, paper__in=papers).values_list(
            "paper_id", "is_about"
        )
    )
    spoke = {paper.pk: _evidence(paper, rule) for paper in papers}
    found = [each for paper in papers if (each := _tried(paper, rule, spoke[paper.pk]))]
    found.sort(key=lambda each: -each.score)
    taken_ids = {each.paper.pk for each in found}
    taken = [each for each in found if said.get(each.paper.pk) is not False]
    return Trial(
        looked_at=len(papers),
        taken=taken,
        kept_out=[each for each in found if said.get(each.paper.pk) is False],
        added=[paper for paper in papers if said.get(paper.pk) and paper.pk not in taken_ids],
        phrases=_phrases(rule, spoke, [each.paper for each in taken]),
    )


def _phrases(
    rule: TopicRule, spoke: Mapping[int, Evidence | None], taken: Sequence[Paper]
) -> list[PhraseTrial]:
    having: dict[str, set[int]] = defaultdict(set)
    for pk, found in spoke.items():
        for word in found.weights if found else ():
            having[word].add(pk)
    return [
        PhraseTrial(
            text=phrase,
            found_in=len(having.get(phrase, ())),
            taken=[paper for paper in taken if paper.pk in having.get(phrase, ())],
            within=next((p for p in rule.phrases if p in having and is_within(phrase, p)), ""),
        )
        for phrase in dict.fromkeys(rule.phrases)
    ]


def _evidence(paper: Paper, rule: TopicRule) -> Evidence | None:
    return evidence(
        [rule],
        title=paper.title,
        abstract=paper.abstract,
        keywords=paper.keywords,
        categories=paper.categories,
    ).get(rule.slug)


def _tried(paper: Paper, rule: TopicRule, found: Evidence | None) -> Taken | None:
    opinions = model.current().opinions(
        title=paper.title, abstract=paper.abstract, keywords=paper.keywords
    )
    opinion = opinions.get(rule.slug)
    weight = (found.total if found else 0.0) + (opinion.weight if opinion else 0.0)
    best = weight_of(getattr(paper, "best", None) or 0.0)
    if weight < least_of(max(best, weight)):
        return None
    reason = found.reason if found else opinion.word if opinion else ""
    return Taken(paper, score(weight), reason)
