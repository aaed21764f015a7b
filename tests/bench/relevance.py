"""How well topics agree with labels, topic by topic, and how fast wishes are matched.

Topics: precision, recall and F1 over pairs of paper and topic, on papers that the model did not
learn from (cross-validation over all labelled papers), beside two baselines of the same run: bare
keywords, which take a topic whose name, or a noun of its description, stands in the text; and
categories, which take a topic for its arXiv categories alone.

Matching: 100,000 readers who follow five queries each, against an edition, by one index; beside a
reader's queries looked for in every text, as a loop over readers would do it.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from digest.papers.matching import Matchable, MatchIndex
from digest.papers.topics import TopicRule, labels, scoring, training
from digest.papers.topics.training import Example
from subscriptions import queries
from tests import recorded

SIZE = "100,000 readers"
HEADINGS = ("what", "precision", "recall", "F1", "pairs, or times the baseline")
CATALOGUE = Path(__file__).resolve().parents[2] / "subscriptions/data/topics.json"
READERS = 100_000
QUERIES_EACH = 5
PAPERS = 300
_NAIVE_READERS = 50


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table; `subscribers` is of no matter: there are 100,000 readers."""
    if not recorded.SHARED.exists():
        yield ("the labelled papers are not here", "", "", "", "")
        return
    catalogue = json.loads(CATALOGUE.read_text("utf-8"))
    rules = shipped_rules()
    records = recorded.papers()
    examples = labels.examples_from_files(labels.read(labels.FILE), records.values())
    ours, given = _ours(examples, rules)
    yield _row(f"all topics, {len(examples)} papers, cross-validated", ours)
    yield _row("  of them those labelled for us", given)
    yield _row("  phrases and categories, without the model", _tally(
        examples, lambda each: training.topics_of(each, rules)))  # fmt: skip
    yield _row("  bare keywords", _tally(examples, _by_names(catalogue)))
    yield _row("  categories only", _tally(examples, _by_categories(rules)))
    for slug in sorted(ours.wanted, key=lambda slug: -ours.wanted[slug]):
        yield _row(slug, ours, slug)
    yield from _matching([
        Matchable((each.title, each.abstract, *each.keywords), each.authors)
        for each in list(records.values())[:PAPERS]
    ])  # fmt: skip


def shipped_rules() -> list[TopicRule]:
    """Those of the catalogue that ships."""
    return [
        TopicRule(topic["slug"], tuple(topic["phrases"]), tuple(topic["categories"]))
        for topic in json.loads(CATALOGUE.read_text("utf-8"))
    ]


def _ours(examples: list[Example], rules: list[TopicRule]) -> tuple[scoring.Tally, scoring.Tally]:
    """Over all papers, and over those that came labelled with the task."""
    theirs = {recorded.papers()[label["id"]].title for label in recorded.labelled()}
    tally, given = scoring.Tally(), scoring.Tally()
    for example, predicted in training.cross_validated(examples, rules):
        tally.add(predicted, topics=example.topics, maybe=example.maybe)
        if example.title in theirs:
            given.add(predicted, topics=example.topics, maybe=example.maybe)
    return tally, given


def _tally(examples: Sequence[Example], predict: Callable[[Example], list[str]]) -> scoring.Tally:
    tally = scoring.Tally()
    for example in examples:
        tally.add(predict(example), topics=example.topics, maybe=example.maybe)
    return tally


def _by_names(catalogue: list[dict[str, str]]) -> Callable[[Example], list[str]]:
    patterns = {
        topic["slug"]: re.compile(
            "|".join(
                rf"\b{re.escape(part.strip().rstrip('s'))}"
                for part in re.split(r",| and ", f"{topic['name']},{topic['description']}".lower())
                if part.strip()
            )
        )
        for topic in catalogue
    }
    return lambda each: [
        slug
        for slug, pattern in patterns.items()
        if pattern.search(" ".join([each.title, each.abstract, *each.keywords]).lower())
    ]


def _by_categories(rules: list[TopicRule]) -> Callable[[Example], list[str]]:
    return lambda each: [
        rule.slug for rule in rules if any(name in rule.categories for name in each.categories)
    ]


def _row(name: str, tally: scoring.Tally, slug: str = "") -> tuple[str, ...]:
    found = tally.of(slug) if slug else tally.all
    return (
        name,
        *(f"{number:.2f}" for number in (found.precision, found.recall, found.f1)),
        f"{found.wanted:,}",
    )


def _matching(papers: list[Matchable]) -> Iterator[tuple[str, ...]]:
    followed = _followed(papers)
    started = time.perf_counter()
    index = MatchIndex(papers)
    matches = sum(index.matching(query).bit_count() for five in followed for query in five)
    seconds = time.perf_counter() - started
    distinct = len({query for five in followed for query in five})
    started = time.perf_counter()
    for five in followed[:_NAIVE_READERS]:
        _search_each(papers, five)
    naive = (time.perf_counter() - started) / _NAIVE_READERS * READERS
    yield (
        f"{READERS:,} readers with {QUERIES_EACH} queries ({distinct:,} different), {len(papers)} papers",
        f"{seconds:.1f} s", f"{matches:,} matches", "", f"{naive / seconds:,.0f}",
    )  # fmt: skip


def _search_each(papers: list[Matchable], wanted: Sequence[str]) -> int:
    """A loop over readers: each phrase is looked for in each text."""
    asked = [queries.read(query) for query in wanted]
    return sum(
        query.among(1, partial(_stands_in, " ".join(paper.texts).lower()))
        for paper in papers
        for query in asked
    )


def _stands_in(text: str, phrase: str) -> int:
    return int(re.search(rf"\b{re.escape(phrase.lower())}", text) is not None)


def _followed(papers: list[Matchable]) -> list[list[str]]:
    """Words and phrases of real titles, a few very often and most of them seldom, some joined."""
    chance = random.Random(7)
    phrases = sorted({
        " ".join(words[place : place + length])
        for paper in papers
        for words in [re.findall(r"[A-Za-z][\w-]+", paper.texts[0])]
        for length in (1, 2, 3)
        for place in range(len(words) - length + 1)
        if not words[place].isupper() or len(words[place]) > 3
    } - {"AND", "OR", "NOT"})  # fmt: skip
    chance.shuffle(phrases)
    weights = [1 / (n + 10) for n in range(len(phrases))]
    drawn = iter(chance.choices(phrases, weights, k=READERS * QUERIES_EACH * 2))

    def query() -> str:
        kind, first = chance.random(), next(drawn)
        if kind < 0.7:
            return first
        joined = "AND" if kind < 0.8 else "OR" if kind < 0.9 else "NOT"
        return f'"{first}" {joined} "{next(drawn)}"'

    return [[query() for _ in range(QUERIES_EACH)] for _ in range(READERS)]
