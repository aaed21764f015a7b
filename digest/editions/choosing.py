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
    unwanted: Collection[int] = (),
) -> list[Card]:
    """The cards of the digest for this selection, best first; empty when nothing is for them.

    Papers that match what is followed, or are very much like what the reader liked, are ordered by
    `ranking.score`; the selection's dial says how
    much votes count, and whether other papers come along. Who follows nothing gets the most voted.
    Papers that were sent (ids), and those with fewer votes than the selection asks for, are passed
    over. Where there is anything, the papers that an editor pinned lead, but for those that the
    reader said they want less of (`unwanted`, ids), or that are like such. Each reason is the
    strongest one, in the selection's language.
    """
    with override(selection.language):
        liked = taste_scores(taste, papers.placed) if taste else {}
        pinned = papers.pinned & ~papers.among(unwanted) if papers.pinned else 0
        return _select(selection, papers, period, sent, liked, pinned)


def _select(  # noqa: PLR0917  each is another thing
    selection: Selection,
    papers: Candidates,
    period: Period,
    sent: Collection[int],
    liked: Mapping[int, float],
    pinned: int,
) -> list[Card]:
    allowed = papers.everything
    if selection.least_votes:
        allowed &= papers.with_at_least(selection.least_votes)
    if sent:
        allowed &= ~papers.among(sent)
    dial = _dial(selection)
    is_popular = dial.takes_others or not follows_anything(selection)
    popular = _popular(papers, by_speed=selection.trending, as_edited=is_popular)
    score = partial(_score, papers, popular=popular, liked=liked, dial=dial)
    scored = _matching(_wishes(selection, papers), papers, allowed, liked, score)
    if is_popular:
        scored |= {
            n: (score(n, ()), partial(_for_votes, papers, n, period))
            for n in bits(allowed)
            if n not in scored
        }
    if not scored:
        return []
    leading = pinned & allowed & ~_disliked(papers, liked)
    # Papers of several editions stand by votes, and these in the editor's order all the same.
    lead = sorted(bits(leading), key=lambda n: papers[n].rank)[: selection.length]
    order = sorted((n for n in scored if n not in lead), key=lambda n: (-scored[n][0], n))
    cards = [_card(papers[n], reasons.picked()) for n in lead]
    cards += [_card(papers[n], scored[n][1]()) for n in order[: selection.length - len(lead)]]
    if len(cards) < selection.length and dial.is_varied:
        others = allowed & papers.with_votes & ~sum(1 << n for n in scored) & ~leading
        others &= ~_disliked(papers, liked)
        cards += [_card(papers[n], reasons.different()) for n in _most_voted(papers, others)]
    return cards


def _popular(papers: Candidates, *, by_speed: bool, as_edited: bool) -> list[float]:
    """What the editor moved counts where popularity decides, and not where interest does."""
    if as_edited:
        return papers.edited_trend if by_speed else papers.edited_popularity
    return papers.trend if by_speed else papers.popularity


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
    return reasons.voted(papers.by_votes[n], paper.upvotes, period)


def _most_voted(papers: Candidates, some: int) -> list[int]:
    """The one of some that has the most votes, if any."""
    return sorted(bits(some), key=lambda n: papers.by_votes[n])[:1]


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
