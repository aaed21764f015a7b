"""Which topics a paper is about: the rules' evidence and the model's opinion, taken together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .model import Opinion, TopicModel
from .rules import Evidence, TopicRule, evidence

MOST_TOPICS = 4
ENOUGH = 2.0
"""The weight from which on a topic counts: a phrase in the title, or several below it."""
SHARE_OF_BEST = 0.35
"""A topic that weighs less than this share of the paper's best one is a side remark,"""
SURELY = 4.5
"""unless it weighs as much as this."""


@dataclass(frozen=True, slots=True)
class TopicMatch:
    """A topic that a paper is about."""

    slug: str
    score: float
    """0 to 1, rounded to two places; 0.5 and above, since less is no match."""
    reason: str
    """The phrase, as the rule has it, the category, or the paper's own word, that spoke loudest."""


def match(
    rules: Sequence[TopicRule],
    *,
    title: str,
    abstract: str = "",
    keywords: Sequence[str] = (),
    categories: Sequence[str] = (),
    model: TopicModel | None = None,
) -> list[TopicMatch]:
    """The paper's topics, best first, at most `MOST_TOPICS`.

    Of a topic that the model does not know, as one that an operator added, the rules alone decide.
    """
    found = evidence(
        rules, title=title, abstract=abstract, keywords=keywords, categories=categories
    )
    opinions = model.opinions(title=title, abstract=abstract, keywords=keywords) if model else {}
    weighed = list(_weighed(rules, found, opinions))
    most = max((weight for _, weight, _ in weighed), default=0.0)
    least = least_of(most)
    matches = [
        TopicMatch(slug, score(weight), reason)
        for slug, weight, reason in weighed
        if weight >= least
    ]
    return sorted(matches, key=lambda each: -each.score)[:MOST_TOPICS]


def _weighed(
    rules: Sequence[TopicRule], found: Mapping[str, Evidence], opinions: Mapping[str, Opinion]
) -> Iterator[tuple[str, float, str]]:
    """Slug, weight and reason."""
    for rule in rules:
        said, opinion = found.get(rule.slug), opinions.get(rule.slug)
        weight = (said.total if said else 0.0) + (opinion.weight if opinion else 0.0)
        reason = said.reason if said else opinion.word if opinion else ""
        yield rule.slug, weight, reason


def least_of(most: float) -> float:
    """The weight that a topic needs beside one that weighs most."""
    return max(ENOUGH, min(SHARE_OF_BEST * most, SURELY))


def score(weight: float) -> float:
    """0.5 for just enough, nearer to 1 the more there is."""
    return round(weight / (weight + ENOUGH), 2)


def weight_of(score: float) -> float:
    """The weight behind a score, as far as two places tell."""
    return ENOUGH * score / (1 - score) if score < 1 else SURELY / SHARE_OF_BEST
