"""Picks the papers of an edition for a selection, best first, each with its reason."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from django.utils.translation import override

from digest.papers import trending
from digest.papers.matching import bits
from digest.records import TODAY, Period
from subscriptions.records import Selection

from . import ranking, reasons
from .candidates import Candidate, Candidates
from .reasons import Reason
from .taste import Model
from .taste import scores as taste_scores


class Card(NamedTuple):
    """A paper of a digest, why it is there, and where in the preferences that is tuned."""

    paper_id: int
    reason: str
    anchor: str = ""
    word: str = ""
    """The keyword or name in the reason that the reader wrote, if any."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """Something followed, the papers that have it (a bit each), and how surely they are wanted."""

    papers: int
    strength: float
    reason: Callable[[], Reason]
    slug: str = ""
    """Of a topic, whose papers are wanted as surely as they are about it."""

    def of(self, paper: Candidate) -> float:
        tag = paper.topics.get(self.slug) if self.slug else None
        return ranking.topic_strength(tag.score) if tag else self.strength


def select(
    selection: Selection,
    papers: Candidates,
    *,
    period: Period = TODAY,
    sent: Collection[int] = (),
    taste: Model | None = None,
) -> list[Card]:
    """The cards of the digest for this selection, best first; empty when nothing is for them.

    Papers that match what is followed, or are very much like what the reader liked, are ordered by
    `ranking.score`; the selection's dial says how
    much votes count, and whether other papers come along. Who follows nothing gets the most voted.
    Papers that were sent (ids), and those with fewer votes than the selection asks for, are passed
    over. Each reason is the strongest one, in the selection's language.
    """
    with override(selection.language):
        liked = taste_scores(taste, papers.placed) if taste else {}
        return _select(selection, papers, period, sent, liked)


def _select(
    selection: Selection,
    papers: Candidates,
    period: Period,
    sent: Collection[int],
    liked: Mapping[int, float],
) -> list[Card]:
    allowed = papers.everything
    if selection.least_votes:
        allowed &= papers.with_at_least(selection.least_votes)
    if sent:
        allowed &= ~papers.among(sent)
    dial = _dial(selection)
    popular = papers.trend if selection.trending else papers.popularity
    score = partial(_score, papers, popular=popular, liked=liked, dial=dial)
    scored = _matching(_wishes(selection, papers), papers, allowed, liked, score)
    if dial.takes_others or not follows_anything(selection):
        scored |= {
            n: (score(n, ()), partial(_for_votes, papers, n, period))
            for n in bits(allowed)
            if n not in scored
        }
    order = sorted(scored, key=lambda n: (-scored[n][0], n))[: selection.length]
    cards = [_card(papers[n], scored[n][1]()) for n in order]
    if cards and len(cards) < selection.length and dial.is_varied:
        others = allowed & papers.with_votes & ~sum(1 << n for n in scored)
        others &= ~_disliked(papers, liked)
        cards += [_card(papers[n], reasons.different()) for n in _most_voted(others)]
    return cards


def _dial(selection: Selection) -> ranking.Dial:
    # A step that a version to come may have counts as the nearest one.
    return ranking.DIALS[min(max(selection.dial, 0), len(ranking.DIALS) - 1)]


def _matching(
    wishes: list[_Wish],
    papers: Candidates,
    allowed: int,
    liked: Mapping[int, float],
    score: Callable[[int, list[float]], float],
) -> dict[int, tuple[float, Callable[[], Reason]]]:
    """Score and reason of each paper that has something followed, by its place."""
    having: dict[int, list[tuple[float, _Wish]]] = {}
    for wish in wishes:
        for n in bits(wish.papers & allowed):
            having.setdefault(n, []).append((wish.of(papers[n]), wish))
    if liked:
        strength = ranking.LIKED_STRENGTH
        for n in bits(allowed):
            if n not in having and liked.get(papers[n].paper_id, 0.0) >= ranking.LIKED:
                having[n] = [(strength, _Wish(1 << n, strength, reasons.liked))]
    return {
        n: (
            score(n, [strength for strength, _ in found]),
            max(found, key=itemgetter(0))[1].reason,
        )
        for n, found in having.items()
    }


def _score(
    papers: Candidates,
    n: int,
    strengths: Sequence[float],
    *,
    popular: Sequence[float],
    liked: Mapping[int, float],
    dial: ranking.Dial,
) -> float:
    personal = ranking.interest(strengths, liked.get(papers[n].paper_id, 0.0))
    return round(ranking.score(popular[n], personal, dial), 6)


def _wishes(selection: Selection, papers: Candidates) -> list[_Wish]:
    """What is followed and found, the strongest kinds first."""
    return [wish for wish in _asked(selection, papers) if wish.papers]


def _asked(selection: Selection, papers: Candidates) -> Iterator[_Wish]:
    index = papers.matches
    for name in selection.authors:
        yield _Wish(index.by(name), ranking.AUTHOR, partial(reasons.author, name))
    for text in selection.keywords:
        yield _Wish(index.matching(text), ranking.KEYWORD, partial(reasons.keyword, text))
    for name in selection.organizations:
        found = index.from_(name)
        yield _Wish(found, ranking.ORGANIZATION, partial(reasons.organization, name))
    for slug in selection.topics:
        if found := papers.on_topic.get(slug, 0):
            name = papers[next(bits(found))].topics[slug].name
            yield _Wish(found, 0.0, partial(reasons.topic, slug, name), slug)
    for category in selection.categories:
        found = papers.in_category.get(category, 0)
        yield _Wish(found, ranking.CATEGORY, partial(reasons.category, category))


def _disliked(papers: Candidates, liked: Mapping[int, float]) -> int:
    """The papers that are like what the reader wanted less of."""
    if not liked:
        return 0
    return papers.among(pk for pk, score in liked.items() if score <= ranking.DISLIKED)


def _for_votes(papers: Candidates, n: int, period: Period) -> Reason:
    paper = papers[n]
    if trending.is_rising(paper.upvotes, paper.speed):
        return reasons.rising()
    return reasons.voted(n, paper.upvotes, period)


def _most_voted(papers: int) -> list[int]:
    """The first one, as they are in the order of votes, if any."""
    return [next(bits(papers))] if papers else []


def _card(paper: Candidate, reason: Reason) -> Card:
    return Card(paper.paper_id, reason.text, reason.anchor, reason.word)


def follows_anything(selection: Selection) -> bool:
    """Whether the selection names anything that a paper can be for."""
    return any(
        (
            selection.topics,
            selection.keywords,
            selection.authors,
            selection.organizations,
            selection.categories,
        )
    )
