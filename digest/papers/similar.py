"""Papers like a paper: near in words and meaning, and on the same topics.

Until the index of vectors was read, the words of titles stand in for it, weighed by how rare they are.
"""

from collections.abc import Iterable

from digest.models import Paper, PaperTopic

from . import search, vectors
from .search import words

MOST_WORDS = 8
"""Of title and keywords together, those of the title first."""
CANDIDATES = 40
"""The nearest papers, or those with most of the words in their titles; and as many of the newest ones
of its first topic."""
TOPIC_WEIGHT = 0.5
CATEGORY_WEIGHT = 0.2
"""Beside 1 for a paper that says the same."""

_SHORT = 2
_COMMON = frozenset(
    words.stems(
        "the and for with via from using use based into over through toward towards new novel are is "
        "can how what when why not all you your need your its it we our on in of to by as an at or do "
        "does more less than be beyond model models learning method approach paper study"
    )
)


def papers_like(paper: Paper, *, limit: int = 4) -> list[Paper]:
    """The papers most like it, the closest first; the same ones until others come.

    How near they are counts, then the topics that they share, and the first category.
    """
    scores = by_vectors(paper)
    if scores is None:
        scores = by_titles(paper)
    chosen = ranked(paper, scores)[:limit]
    found = Paper.objects.in_bulk(chosen)
    return [found[pk] for pk in chosen if pk in found]


def by_vectors(paper: Paper, *, most: int = CANDIDATES) -> dict[int, float] | None:
    """How near the nearest papers are, from 0 to 1; None until the index of vectors was read."""
    near = vectors.near_paper(paper.pk, most=most)
    return None if near is None else {other.paper_id: other.score for other in near}


def by_titles(paper: Paper, *, most: int = CANDIDATES) -> dict[int, float]:
    """The share that others have of the words of its title and keywords, rare ones counting more."""
    return search.sharing(_words(paper), most=most + 1)


def ranked(paper: Paper, scores: dict[int, float]) -> list[int]:
    """The papers of these scores, and the newest of its first topic, the most alike first; without
    those that have nothing but a category in common."""
    scores = scores.copy()
    topics = set(paper.paper_topics.values_list("topic_id", flat=True))
    first = paper.paper_topics.first()
    newest = PaperTopic.objects.filter(topic=first.topic_id if first else None)
    newest = newest.order_by("-published_at", "-paper_id")
    ids = {*scores, *newest.values_list("paper_id", flat=True)[: CANDIDATES + 1]} - {paper.pk}
    others = Paper.objects.filter(pk__in=ids).values_list("pk", "categories")
    shared = _topics(ids)
    for pk, categories in others:
        known = shared.get(pk, set())
        alike = len(topics & known) / max(len(topics | known), 1)
        has_category = bool(paper.categories) and paper.categories[:1] == categories[:1]
        scores[pk] = scores.get(pk, 0.0) + TOPIC_WEIGHT * alike + CATEGORY_WEIGHT * has_category
    scores.pop(paper.pk, None)
    best = sorted(scores, key=lambda pk: (-round(scores[pk], 6), -pk))
    return [pk for pk in best if scores[pk] > CATEGORY_WEIGHT]


def _words(paper: Paper) -> list[str]:
    """The stems that say what it is about."""
    keywords = [word for word in paper.keywords if isinstance(word, str)]
    stems = dict.fromkeys(words.stems(" ".join([paper.title, *keywords])))
    telling = [stem for stem in stems if len(stem) > _SHORT and stem not in _COMMON]
    return telling[:MOST_WORDS]


def _topics(paper_ids: Iterable[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = PaperTopic.objects.filter(paper_id__in=paper_ids).order_by()
    for paper_id, topic_id in rows.values_list("paper_id", "topic_id"):
        found.setdefault(paper_id, set()).add(topic_id)
    return found
