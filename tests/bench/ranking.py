"""How well digests are ordered, on SIMULATED readers: nDCG@10 of ours beside three others.

No real reader's clicks are known, so readers are made from the labelled papers. Each follows two
topics and, what no one is told, likes those of their papers best that are also about a third one,
and has no use for papers about a fourth. They said “more” of up to six and “less” of up to three
papers of the first half of the days; the others, in editions of forty, are ordered for them. The gain
of a paper is 3 for what they like best, 1 for what else is on their topics, 0 for all others.

Topics are those that matching gives to papers which the model did not learn from, never the labels.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from digest.editions import choosing, taste
from digest.editions.candidates import Candidate, Candidates, TopicTag
from digest.editions.taste import Model, Placed
from digest.papers.matching import Matchable
from digest.papers.topics import TopicRule, labels, training
from digest.papers.topics.matching import match
from digest.papers.topics.training import Example
from digest.papers.vectors import analysis, space
from subscriptions.records import Selection
from tests import recorded
from tests.bench.relevance import shipped_rules

HEADINGS = ("order", "nDCG@10", "after 1 click", "without clicks", "times votes only")
SIZE = "300 simulated readers"
READERS = 300
EDITION = 40
MORE, LESS = 6, 3


@dataclass(frozen=True)
class Reader:
    """A simulated one."""

    topics: tuple[str, str]
    likes: str
    dislikes: str

    def gain(self, example: Example) -> int:
        if self.dislikes in example.topics or not example.topics & {*self.topics}:
            return 0
        return 3 if self.likes in example.topics else 1


@dataclass(frozen=True)
class Corpus:
    """The labelled papers, in a fixed order that has nothing to do with their topics."""

    examples: list[Example]
    candidates: list[Candidate]
    placed: list[Placed]


Said = list[tuple[int, float]]
"""Places of papers, and 1 for “more”, -1 for “less”."""
Order = Callable[[Reader, Said, Sequence[int]], list[int]]


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table; `subscribers` is of no matter."""
    if not recorded.SHARED.exists():
        yield ("the labelled papers are not here", "", "", "", "")
        return
    corpus = _corpus(shipped_rules())
    baseline = 0.0
    for name, order in (
        ("votes only", _by_votes(corpus)),
        ("topics only, then votes", _by_topics(corpus)),
        ("arxiv-sanity's: an SVM a reader over TF-IDF", _by_svm(corpus)),
        ("ours, balanced", _ours(corpus, 2)),
        ("ours, personal", _ours(corpus, 4)),
    ):
        figures = [_judged(corpus, order, clicks) for clicks in (MORE + LESS, 1, 0)]
        baseline = baseline or figures[0]
        yield (name, *(f"{each:.3f}" for each in figures), f"{figures[0] / baseline:.2f}")


def _corpus(rules: list[TopicRule]) -> Corpus:
    records = {record.title: record for record in recorded.papers().values()}
    examples = labels.examples_from_files(labels.read(labels.FILE), recorded.papers().values())
    chance = random.Random(11)
    chance.shuffle(examples)
    model_of = _left_out(examples, rules)
    lsa = space.read(space.START.read_bytes())
    candidates, placed = [], []
    for number, each in enumerate(examples):
        found = match(
            rules, title=each.title, abstract=each.abstract, keywords=each.keywords,
            categories=each.categories, model=model_of[each.title],
        )  # fmt: skip
        record = records.get(each.title)
        candidates.append(Candidate(
            paper_id=number,
            upvotes=record.upvotes or 0 if record else 0,
            topics={one.slug: TopicTag(one.slug, one.score) for one in found},
            words=Matchable((each.title, each.abstract, *each.keywords)),
        ))  # fmt: skip
        terms = analysis.terms(
            (analysis.TITLE, each.title), (analysis.ABOUT, ". ".join(each.keywords)),
            (analysis.ABSTRACT, each.abstract),
        )  # fmt: skip
        dense = space.packed(lsa.vector(terms))
        placed.append(taste.place(analysis.packed(terms), lsa.name, dense))
    return Corpus(examples, candidates, placed)


def _left_out(examples: list[Example], rules: list[TopicRule]) -> dict[str, training.TopicModel]:
    """For each title a model that was trained without it."""
    found = {}
    slugs = [rule.slug for rule in rules]
    for fold in range(5):
        mine = examples[fold::5]
        titles = {each.title for each in mine}
        model = training.fit([each for each in examples if each.title not in titles], slugs)
        found |= dict.fromkeys(titles, model)
    return found


def _judged(corpus: Corpus, order: Order, clicks: int) -> float:
    chance = random.Random(3)
    half = len(corpus.examples) // 2
    slugs = sorted({slug for each in corpus.examples for slug in each.topics})
    scores = []
    while len(scores) < READERS:
        first, second, likes, dislikes = chance.sample(slugs, 4)
        reader = Reader((first, second), likes, dislikes)
        gains = [reader.gain(each) for each in corpus.examples]
        if (
            sum(gain == 3 for gain in gains[:half]) < 2
            or sum(gain == 3 for gain in gains[half:]) < 2
        ):
            continue
        more = [(n, 1.0) for n in range(half) if gains[n] == 3][:MORE]
        less = [(n, -1.0) for n in range(half) if dislikes in corpus.examples[n].topics][:LESS]
        said = [*more, *less][:clicks]
        for start in range(half, len(gains) - EDITION + 1, EDITION):
            edition = list(range(start, start + EDITION))
            ideal = _dcg(sorted((gains[n] for n in edition), reverse=True))
            if ideal:
                found = order(reader, said, edition)
                scores.append(_dcg([gains[n] for n in found]) / ideal)
    return fmean(scores)


def _dcg(gains: Sequence[int]) -> float:
    return sum((2**gain - 1) / math.log2(place + 2) for place, gain in enumerate(gains[:10]))


def _by_votes(corpus: Corpus) -> Order:
    return lambda _reader, _said, edition: sorted(
        edition, key=lambda n: -corpus.candidates[n].upvotes
    )


def _by_topics(corpus: Corpus) -> Order:
    return lambda reader, _said, edition: sorted(
        edition,
        key=lambda n: (
            not corpus.candidates[n].topics.keys() & {*reader.topics},
            -corpus.candidates[n].upvotes,
        ),
    )


def _by_svm(corpus: Corpus) -> Order:
    """As arxiv-sanity-lite does it: what was liked against everything else, by words alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    rows = TfidfVectorizer(
        ngram_range=(1, 2), stop_words="english", sublinear_tf=True, min_df=2, max_features=20_000
    ).fit_transform(f"{each.title} {each.abstract}" for each in corpus.examples)

    def order(_reader: Reader, said: Said, edition: Sequence[int]) -> list[int]:
        liked = [n for n, word in said if word > 0]
        if not liked:
            return list(edition)
        wanted = np.isin(np.arange(len(corpus.examples)), liked)
        model = LinearSVC(class_weight="balanced", max_iter=10_000, tol=1e-6, C=0.01)
        model.fit(rows, wanted)
        scores = model.decision_function(rows[list(edition)])
        return [edition[place] for place in np.argsort(-scores, kind="stable")]

    return order


def _ours(corpus: Corpus, dial: int) -> Order:
    def order(reader: Reader, said: Said, edition: Sequence[int]) -> list[int]:
        by_votes = sorted(edition, key=lambda n: -corpus.candidates[n].upvotes)
        papers = Candidates(tuple(corpus.candidates[n] for n in by_votes))
        papers.__dict__["placed"] = {n: corpus.placed[n] for n in by_votes}
        selection = Selection(topics=tuple(sorted(reader.topics)), length=10, dial=dial)
        cards = choosing.select(selection, papers, taste=_learned(corpus, said))
        return [card.paper_id for card in cards]

    return order


def _learned(corpus: Corpus, said: Said) -> Model | None:
    if not said:
        return None
    spoken = {n for n, _ in said}
    others = [n for n in range(len(corpus.examples) // 2) if n not in spoken][: taste.BACKGROUND]
    return taste.fit(
        [corpus.placed[n] for n, _ in said] + [corpus.placed[n] for n in others],
        [word for _, word in said] + [taste.UNSAID] * len(others),
        [1.0] * len(said) + [taste.UNSAID_WEIGHT] * len(others),
    )
