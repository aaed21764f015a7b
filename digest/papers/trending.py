"""What is trending: votes by their age, and how fast they come, from snapshots that ingest keeps.

A vote weighs half after HALF_LIFE. Votes that came between two snapshots are as old as the middle of
the two; those before the first one as the paper. To the sum come the votes of the next hours at the
speed of the last day, and what Hugging Face's own order of trending papers says.
"""

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import transaction
from django.db.models import Q

from digest.models import Paper, VoteSnapshot

HALF_LIFE = timedelta(hours=48)
SPEED_OVER = timedelta(hours=24)
HOURS_AHEAD = 12
RANKED_FIRST = 20.0
"""What the first place in Hugging Face's order is worth, in votes of this hour."""
LEAST_HEAT = 0.5
"""Of a paper that is trending: half a vote of this hour."""
KEPT = timedelta(days=30)
DAYS = 7
"""A paper may begin to trend in the days after the one on which it was listed."""
MOST = 100
"""Papers of the page."""
LEAST_RISE = 10
"""Votes a day from which on a paper can rise fast."""
_PAGE = 500

Snapshot = tuple[datetime, int]
"""When, and how many votes."""


def keep(papers: Collection[Paper], now: datetime) -> None:
    """Afterwards it is known how many votes these papers have in this hour; in the transaction of
    whoever counted them."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = [
        VoteSnapshot(paper=paper, taken_at=hour, upvotes=paper.upvotes)
        for paper in sorted(papers, key=lambda paper: paper.pk)
    ]
    VoteSnapshot.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["paper", "taken_at"],
        update_fields=["upvotes"],
    )


def heat(
    published_at: datetime, snapshots: Sequence[Snapshot], *, rank: int | None, now: datetime
) -> float:
    """How much a paper is trending, in votes of this hour; snapshots are in order of time."""
    found = RANKED_FIRST / math.sqrt(rank) if rank else 0.0
    if snapshots:
        found += snapshots[0][1] * _share(published_at, now)
        found += sum(
            (votes - before) * _share(then + (at - then) / 2, now)
            for (then, before), (at, votes) in pairwise(snapshots)
        )
    return round(max(found + HOURS_AHEAD * speed(snapshots, now), 0.0), 6)


def _share(at: datetime, now: datetime) -> float:
    return float(0.5 ** (max(now - at, timedelta()) / HALF_LIFE))


def speed(snapshots: Sequence[Snapshot], now: datetime) -> float:
    """Votes an hour over the last day, or since the first snapshot, if that is an hour ago at least;
    never below 0."""
    since = now - SPEED_OVER
    earlier = [each for each in snapshots if each[0] <= since]
    later = [each for each in snapshots if since < each[0] <= now]
    first = earlier[-1] if earlier else later[0] if later else None
    if first is None or not later:
        return 0.0
    hours = (now - max(first[0], since)) / timedelta(hours=1)
    return max(later[-1][1] - first[1], 0) / hours if hours >= 1 else 0.0


def is_rising(upvotes: int, votes_an_hour: float) -> bool:
    """Whether so many votes came in the last day that it stands out: LEAST_RISE, and half of all."""
    a_day = votes_an_hour * 24
    return a_day >= LEAST_RISE and a_day >= upvotes / 2


def counted(paper_ids: Collection[int], now: datetime) -> dict[int, tuple[int, float]]:
    """The votes at that time, and votes an hour, of each paper that has a snapshot from before. One
    query."""
    return {
        pk: (before[-1][1], speed(before, now))
        for pk, found in _snapshots(paper_ids).items()
        if (before := [each for each in found if each[0] <= now])
    }


def warm(now: datetime) -> int:
    """Afterwards the papers' heat is as at `now`; returns how many are trending. A page of papers at
    a time, each a transaction."""
    wanted = Q(vote_snapshots__isnull=False) | Q(trending_rank__isnull=False) | Q(heat__gt=0)
    ids = list(Paper.objects.filter(wanted).order_by("pk").values_list("pk", flat=True).distinct())
    trending = 0
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        found = _snapshots(page)
        with transaction.atomic():
            papers = list(Paper.objects.select_for_update().filter(pk__in=page).order_by("pk"))
            for paper in papers:
                paper.heat = heat(
                    paper.published_at, found.get(paper.pk, ()), rank=paper.trending_rank, now=now
                )
                trending += paper.heat >= LEAST_HEAT
            Paper.objects.bulk_update(papers, ["heat"])
    return trending


def _snapshots(paper_ids: Collection[int]) -> dict[int, list[Snapshot]]:
    rows = VoteSnapshot.objects.filter(paper__in=paper_ids).order_by("paper", "taken_at")
    found: dict[int, list[Snapshot]] = {}
    for paper_id, taken_at, upvotes in rows.values_list("paper_id", "taken_at", "upvotes"):
        found.setdefault(paper_id, []).append((taken_at, upvotes))
    return found


def newest() -> list[int]:
    """The ids of the papers that are trending, the hottest first, the newer one of equals."""
    hot = Paper.objects.filter(heat__gte=LEAST_HEAT).order_by("-heat", "-published_at", "-pk")
    return list(hot.values_list("pk", flat=True)[:MOST])


def forget(now: datetime) -> int:
    """Afterwards no snapshot is older than KEPT; returns how many went."""
    old = VoteSnapshot.objects.filter(taken_at__lt=now - KEPT)
    gone, _ = old.delete()
    return gone
