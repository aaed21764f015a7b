"""The order of papers: in an edition by votes, in a digest by a score.

The score is in the open (docs/relevance.md): popularity and interest, each from 0 to 1, weighed by
the reader's dial between popular and personal.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from digest.models import Paper

HOURS_AHEAD = 12
"""Votes count as they will stand in so many hours at the speed of now."""
SLOW_VOTE = 0.05
"""What a vote counts, whenever it came, where papers are ordered by how fast votes come."""
HALF_LIFE_DAYS = 14
"""An older paper needs twice the votes after so many days; a week's best is hardly touched by it."""

AUTHOR, KEYWORD, ORGANIZATION, CATEGORY = 0.95, 0.9, 0.7, 0.5
LIKED_STRENGTH = 0.3
"""How surely a paper is for a reader who follows what it has."""
TOPIC_LEAST, TOPIC_MORE = 0.25, 0.5
"""Of a topic: the least, and what a score of 1 adds."""
TASTE = 0.5
"""By how much taste moves the interest in a paper at most, up or down."""
LIKED, DISLIKED = 0.6, -0.3
"""From this taste on a paper is for a reader who follows nothing that it has; and below that one it
is not even taken as something different."""


@dataclass(frozen=True, slots=True)
class Dial:
    """What a step between popular and personal means."""

    popularity: float
    """How much votes weigh; interest weighs the rest of 1."""
    takes_others: bool = False
    """Whether papers that match nothing stand among those that do."""
    is_varied: bool = True
    """Whether there is a paper that is a little different, while there is room."""


DIALS = (
    Dial(0.85, takes_others=True, is_varied=False),
    Dial(0.6, takes_others=True, is_varied=False),
    Dial(0.35),
    Dial(0.2),
    Dial(0.05, is_varied=False),
)
"""From popular to personal (`Selection.dial`)."""


def ranked(papers: Iterable[Paper]) -> list[Paper]:
    """The papers by upvotes, most first; of equals the newer one first, as upstream lists them."""
    return sorted(
        papers,
        key=lambda paper: (paper.upvotes, paper.published_at, paper.arxiv_id),
        reverse=True,
    )


def popularity(numbers: Sequence[tuple[int, float, int]]) -> list[float]:
    """From 0 to 1 for each of these votes, votes an hour and days of age: the logarithm of the
    votes that are to come, as a share of the best one's."""
    weights = [
        math.log1p((votes + speed * HOURS_AHEAD) * 0.5 ** (days / HALF_LIFE_DAYS))
        for votes, speed, days in numbers
    ]
    most = max(weights, default=0.0)
    return [weight / most if most else 0.0 for weight in weights]


def trend(numbers: Sequence[tuple[int, float]]) -> list[float]:
    """From 0 to 1 for each of these votes and votes an hour: the logarithm of a day's votes at that
    speed, as a share of the best one's; where no speed is known, a vote counts a twentieth of one."""
    weights = [math.log1p(speed * 24 + votes * SLOW_VOTE) for votes, speed in numbers]
    most = max(weights, default=0.0)
    return [weight / most if most else 0.0 for weight in weights]


def topic_strength(score: float) -> float:
    """How surely a paper with this score on a topic is for the topic's followers."""
    return TOPIC_LEAST + TOPIC_MORE * score


def interest(strengths: Iterable[float], taste: float = 0.0) -> float:
    """From 0 to 1: what speaks for the paper taken together, as if each spoke on its own account,
    moved by the reader's taste (-1 to 1)."""
    doubt = math.prod(1 - strength for strength in strengths)
    return min(max(1 - doubt + TASTE * taste, 0.0), 1.0)


def score(popular: float, personal: float, dial: Dial) -> float:
    """What a digest is ordered by."""
    return dial.popularity * popular + (1 - dial.popularity) * personal
