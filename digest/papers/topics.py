"""Stage two, after ingest: which topics of the catalogue a paper is about, by phrase and category.

The rules are the topics' own phrases and arXiv categories, which operators edit in the admin; out
come `PaperTopic` rows, each with a score and the words that gave it.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Subquery

from digest.models import Paper, PaperTopic
from subscriptions.models import Topic

MOST_TOPICS = 4
CHUNK = 200

TITLE_WEIGHT = 3.0
KEYWORD_WEIGHT = 1.0
ABSTRACT_WEIGHT = 1.0
REPEAT_WEIGHT = 0.5
MOST_REPEATS = 2
PRIMARY_CATEGORY_WEIGHT = 3.0
CATEGORY_WEIGHT = 1.5
CATEGORIES_READ = 3
ENOUGH = 2.5
"""The weight from which on a topic counts: a phrase in the title, or several below it."""
SHARE_OF_BEST = 0.3
"""A topic that weighs less than this share of the paper's best one is a side remark."""

_TOKEN = re.compile(r"[\w+#]+|[.,;:!?()\[\]|]")
_MUTE_E = re.compile(r"(?<=[hosxz])e$")
_NOT_PLURAL = frozenset({"news"})


@dataclass(frozen=True, slots=True)
class TopicRule:
    """What speaks for one topic. Hashable, so that what is made from it can be kept."""

    slug: str
    phrases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicMatch:
    """A topic that a paper is about."""

    slug: str
    score: float
    """0 to 1, rounded to two places; 0.5 and above, since less is no match."""
    reason: str
    """The phrase, as the rule has it, or the category that spoke loudest."""


@dataclass(slots=True)
class _Evidence:
    weights: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def total(self) -> float:
        return sum(self.weights.values())

    @property
    def reason(self) -> str:
        return max(self.weights, key=lambda word: (self.weights[word], len(word)))


def match(
    rules: Sequence[TopicRule],
    *,
    title: str,
    abstract: str = "",
    keywords: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> list[TopicMatch]:
    """The paper's topics, best first, at most `MOST_TOPICS`.

    Phrases match whole words whatever their case, plural or hyphens: "language model" is found in
    "Language-Models". Of two phrases of a topic that overlap, the longer counts.
    """
    evidence: dict[str, _Evidence] = defaultdict(_Evidence)
    index = _index(tuple(rules))
    for text, weight in (
        (title, TITLE_WEIGHT),
        ("|".join(keywords), KEYWORD_WEIGHT),
        (abstract, ABSTRACT_WEIGHT),
    ):
        for slug, phrase, count in _found(index, text):
            repeats = min(count - 1, MOST_REPEATS)
            evidence[slug].weights[phrase] += weight + REPEAT_WEIGHT * repeats
    for slug, category, weight in _categories_found(rules, categories):
        evidence[slug].weights[category] += weight
    return _best(rules, evidence)


def tag(paper_ids: Sequence[int]) -> None:
    """The papers' `PaperTopic` rows say what the rules of this moment say.

    A second call, or one side by side, writes the same rows. The number of queries does not grow
    with the papers of a chunk.
    """
    topics = list(Topic.objects.order_by("position", "pk"))
    rules = [
        TopicRule(topic.slug, _strings(topic.phrases), _strings(topic.categories))
        for topic in topics
    ]
    topic_ids = {topic.slug: topic.pk for topic in topics}
    ids = sorted(set(paper_ids))
    for start in range(0, len(ids), CHUNK):
        _tag_chunk(ids[start : start + CHUNK], rules=rules, topic_ids=topic_ids)


def _strings(value: Any) -> tuple[str, ...]:
    """The texts of a JSON field that people edit by hand; what is no list of texts says nothing."""
    entries = value if isinstance(value, list) else []
    return tuple(entry for entry in entries if isinstance(entry, str))


def _tag_chunk(ids: list[int], *, rules: Sequence[TopicRule], topic_ids: dict[str, int]) -> None:
    wanted = {
        (paper.pk, topic_ids[found.slug]): (found.score, found.reason[:120], paper.published_at)
        for paper in Paper.objects.filter(pk__in=ids)
        for found in match(
            rules,
            title=paper.title,
            abstract=paper.abstract,
            keywords=paper.keywords,
            categories=paper.categories,
        )
    }
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
                    score=score,
                    reason=reason,
                    published_at=published_at,
                )
                for (paper_id, topic_id), (score, reason, published_at) in sorted(wanted.items())
                if _says_otherwise(
                    stored.get((paper_id, topic_id)),
                    score=score,
                    reason=reason,
                    published_at=published_at,
                )
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


def _says_otherwise(row: PaperTopic | None, **said: Any) -> bool:
    return row is None or any(getattr(row, name) != value for name, value in said.items())


@dataclass(frozen=True, slots=True)
class _Index:
    """The phrases of all rules by their bare form, and the most words that one can span."""

    phrases: dict[str, list[tuple[str, str]]]
    longest: int


@lru_cache(maxsize=8)
def _index(rules: tuple[TopicRule, ...]) -> _Index:
    phrases: dict[str, list[tuple[str, str]]] = defaultdict(list)
    longest = 1
    for rule in rules:
        for phrase in rule.phrases:
            tokens = _tokens(phrase)
            if not tokens:
                continue
            phrases["".join(tokens)].append((rule.slug, phrase))
            # A phrase that is written as one word may stand in the text as two ("pre-training").
            longest = max(longest, len(tokens) + 1)
    return _Index(dict(phrases), longest)


def _tokens(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [_singular(token) for token in _TOKEN.findall(folded)]


def _singular(word: str) -> str:
    """One form for a word and its plural; that it is a word matters less than that it is one."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is")) or word in _NOT_PLURAL:  # noqa: PLR2004
        return word
    stem = word.removesuffix("s")
    if stem.endswith("ie"):
        return f"{stem[:-2]}y"
    # Since "meshes" loses "es" and "caches" only "s", "cache" gives up its "e" as well.
    return _MUTE_E.sub("", stem)


def _found(index: _Index, text: str) -> Iterator[tuple[str, str, int]]:
    """Topic, phrase and how often, for every phrase in the text.

    Runs of words are compared without what stands between them, which makes "fine-tuning",
    "fine tuning" and "finetuning" one; punctuation is a token of its own and parts sentences.
    """
    tokens = _tokens(text)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    taken: dict[str, int] = {}
    for start in range(len(tokens)):
        for end in range(min(start + index.longest, len(tokens)), start, -1):
            for slug, phrase in index.phrases.get("".join(tokens[start:end]), ()):
                if taken.get(slug, 0) <= start:
                    taken[slug] = end
                    counts[slug, phrase] += 1
    for (slug, phrase), count in counts.items():
        yield slug, phrase, count


def _categories_found(
    rules: Iterable[TopicRule], categories: Sequence[str]
) -> Iterator[tuple[str, str, float]]:
    """A rule's `q-bio` speaks for all of `q-bio.BM`, `q-bio.GN` and so on."""
    for rule in rules:
        for place, category in enumerate(categories[:CATEGORIES_READ]):
            if any(
                category == known or category.startswith(f"{known}.") for known in rule.categories
            ):
                yield rule.slug, category, CATEGORY_WEIGHT if place else PRIMARY_CATEGORY_WEIGHT


def _best(rules: Sequence[TopicRule], evidence: dict[str, _Evidence]) -> list[TopicMatch]:
    most = max((found.total for found in evidence.values()), default=0.0)
    least = max(ENOUGH, SHARE_OF_BEST * most)
    matches = [
        TopicMatch(rule.slug, _score(evidence[rule.slug].total), evidence[rule.slug].reason)
        for rule in rules
        if rule.slug in evidence and evidence[rule.slug].total >= least
    ]
    return sorted(matches, key=lambda found: -found.score)[:MOST_TOPICS]


def _score(weight: float) -> float:
    return round(weight / (weight + ENOUGH), 2)
