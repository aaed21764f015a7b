"""Trains the topic model from labelled papers. Only here is scikit-learn needed for topics: reading
the model takes numpy alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from .matching import match
from .model import TopicModel, terms
from .rules import TopicRule

LEAST_PAPERS = 3
"""A word that fewer papers have tells nothing about the next one."""
STRENGTH = 10.0
"""The inverse of the regularization (scikit-learn's C)."""
ENOUGH_PAPERS = 20
"""A topic that learned from fewer is believed less where it speaks against a paper."""


@dataclass(frozen=True, slots=True)
class Example:
    """A paper, and the topics that somebody who read it gave it."""

    title: str
    abstract: str
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    topics: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    """Neither right nor wrong: left out of these topics' training."""


def cross_validated(
    examples: Sequence[Example], rules: Sequence[TopicRule], *, folds: int = 10
) -> Iterator[tuple[Example, list[str]]]:
    """Each example with its topics by rules and a model that was trained on the others, fold by
    fold: every tenth paper in an order that the papers' titles shuffle."""
    order = sorted(range(len(examples)), key=lambda n: blake2b(examples[n].title.encode()).digest())
    slugs = [rule.slug for rule in rules]
    for fold in range(folds):
        left_out = order[fold::folds]
        others = [examples[n] for n in sorted(set(order) - set(left_out))]
        model = fit(others, slugs)
        for n in left_out:
            yield examples[n], topics_of(examples[n], rules, model)


def topics_of(
    example: Example, rules: Sequence[TopicRule], model: TopicModel | None = None
) -> list[str]:
    """The slugs that matching gives the example."""
    found = match(
        rules,
        title=example.title,
        abstract=example.abstract,
        keywords=example.keywords,
        categories=example.categories,
        model=model,
    )
    return [each.slug for each in found]


def fit(examples: Sequence[Example], slugs: Sequence[str]) -> TopicModel:
    """The model of these papers for these topics. The same papers make the same model. ValueError
    where fewer than two papers have a word in common."""
    # A second, and 80 MB: nothing that sends or answers should pay for it.
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    counted = [terms(each.title, each.abstract, each.keywords) for each in examples]
    vectorizer = TfidfVectorizer(
        analyzer=_elements, sublinear_tf=True, min_df=LEAST_PAPERS, dtype=np.float32
    )
    columns = vectorizer.fit_transform(counted)
    fitted = [_fit_topic(columns, examples, slug) for slug in slugs]
    return TopicModel(
        tuple(slugs),
        {str(term): int(place) for term, place in vectorizer.vocabulary_.items()},
        vectorizer.idf_.astype(np.float32),
        np.array([weights for weights, _, _ in fitted], np.float32),
        np.array([bias for _, bias, _ in fitted], np.float32),
        np.array([min(papers / ENOUGH_PAPERS, 1) for _, _, papers in fitted], np.float32),
    )


def _elements(counted: Any) -> list[str]:
    return list(counted.elements())


def _fit_topic(columns: Any, examples: Sequence[Example], slug: str) -> tuple[Any, float, int]:
    """Weights, bias, and how many papers are about the topic."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  as above

    rows = [n for n, each in enumerate(examples) if slug not in each.maybe]
    is_about = np.array([slug in examples[n].topics for n in rows], bool)
    papers = int(is_about.sum())
    if papers < LEAST_PAPERS or papers == len(rows):
        # Nothing to learn from: without trust, and with a bias against it, the rules alone decide.
        return np.zeros(columns.shape[1], np.float32), -2.0, 0
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", solver="liblinear")
    model.fit(columns[rows], is_about)
    return model.coef_[0], float(model.intercept_[0]), papers
