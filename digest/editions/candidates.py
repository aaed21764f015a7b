"""The papers of an edition, made ready once for all readers whom papers are picked for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import overload

from django.db.models import QuerySet, prefetch_related_objects

from digest.models import Edition, EditionPaper
from digest.papers import trending
from digest.papers.matching import Matchable, MatchIndex
from digest.records import TODAY, WEEK, Period

from . import ranking, taste


@dataclass(frozen=True, slots=True)
class TopicTag:
    """A topic that a paper is about."""

    name: str
    score: float
    """How surely: 0.5 to 1."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper of the edition, as far as choosing needs it."""

    paper_id: int
    upvotes: int
    topics: dict[str, TopicTag]
    """By slug, the surest first."""
    words: Matchable
    categories: tuple[str, ...] = ()
    """arXiv categories, the primary one first."""
    days_old: int = 0
    """Between the day it was listed on and the edition's."""
    speed: float = 0.0
    """Votes an hour, when the edition closed that is picked for."""
    is_pinned: bool = False
    """Whether it leads every digest of the edition that is picked for."""
    rank: int = 0
    """Its place in that edition, from 1; 0: it stands in an earlier one."""
    is_moved: bool = False
    """Whether an editor gave it its place in that edition."""


@dataclass(frozen=True)
class Candidates(Sequence[Candidate]):
    """The papers to pick from in their order, which is that of their votes but for what an editor
    pinned or moved, and which of them are what."""

    papers: tuple[Candidate, ...] = field(default=())

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | Sequence[Candidate]:
        return self.papers[index]

    def __len__(self) -> int:
        return len(self.papers)

    @cached_property
    def everything(self) -> int:
        """All of them, a bit each."""
        return (1 << len(self.papers)) - 1

    @cached_property
    def matches(self) -> MatchIndex:
        """Which of them have a phrase, an author or an organisation."""
        return MatchIndex(paper.words for paper in self.papers)

    @cached_property
    def on_topic(self) -> dict[str, int]:
        """Slug to papers, a bit each."""
        return _by_name((n, slug) for n, paper in enumerate(self.papers) for slug in paper.topics)

    @cached_property
    def in_category(self) -> dict[str, int]:
        """arXiv category to papers, a bit each."""
        return _by_name(
            (n, name) for n, paper in enumerate(self.papers) for name in paper.categories
        )

    @cached_property
    def with_votes(self) -> int:
        """Those that somebody voted for."""
        return self.with_at_least(1)

    def with_at_least(self, votes: int) -> int:
        """Those with so many votes."""
        return sum(1 << n for n, paper in enumerate(self.papers) if paper.upvotes >= votes)

    @cached_property
    def popularity(self) -> list[float]:
        """Of each, from 0 to 1 (`ranking.popularity`)."""
        numbers = [(paper.upvotes, paper.speed, paper.days_old) for paper in self.papers]
        return ranking.popularity(numbers)

    @cached_property
    def pinned(self) -> int:
        """Those that lead every digest."""
        return sum(1 << n for n, paper in enumerate(self.papers) if paper.is_pinned)

    @cached_property
    def pinned_ids(self) -> tuple[int, ...]:
        """The same, as ids."""
        return tuple(paper.paper_id for paper in self.papers if paper.is_pinned)

    @cached_property
    def by_votes(self) -> list[int]:
        """The place of each among all by votes, from 0."""
        order = sorted(range(len(self.papers)), key=lambda n: -self.papers[n].upvotes)
        return [place for _, place in sorted(zip(order, range(len(order)), strict=True))]

    @cached_property
    def edited_popularity(self) -> list[float]:
        """The same where digests follow the editor's order."""
        return self._as_edited(self.popularity)

    @cached_property
    def edited_trend(self) -> list[float]:
        """The same as `trend` where digests follow the editor's order."""
        return self._as_edited(self.trend)

    def _as_edited(self, popular: Sequence[float]) -> list[float]:
        """One that was moved is as popular as the most popular that stands after it by its votes."""
        edited, most = list(popular), 0.0
        for n in reversed(range(len(self.papers))):
            if self.papers[n].is_moved:
                edited[n] = most
            else:
                most = max(most, popular[n])
        return edited

    @cached_property
    def trend(self) -> list[float]:
        """Of each, from 0 to 1: its popularity by how fast votes come (`ranking.trend`)."""
        return ranking.trend([(paper.upvotes, paper.speed) for paper in self.papers])

    @cached_property
    def placed(self) -> dict[int, taste.Placed]:
        """By id, as numbers, for readers whose taste is known. One query."""
        return taste.placed([paper.paper_id for paper in self.papers])

    def among(self, ids: Iterable[int]) -> int:
        """Those of the papers with these ids."""
        wanted = set(ids)
        return sum(1 << n for n, paper in enumerate(self.papers) if paper.paper_id in wanted)


def _by_name(pairs: Iterable[tuple[int, str]]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for number, name in pairs:
        found[name] |= 1 << number
    return dict(found)


def places_of(edition: Edition, since: date | None = None) -> QuerySet[EditionPaper]:
    """The edition's papers in their order; with those of the editions since a day, by votes."""
    if since is None:
        return edition.places.select_related("paper").order_by("rank")
    days = EditionPaper.objects.filter(
        edition__date__range=(since, edition.date), frequency=edition.frequency
    )
    return days.select_related("paper").order_by("-upvotes", "-edition__date", "rank")


def period_of(edition: Edition, since: date | None = None) -> Period:
    """The time that the papers are from."""
    if since is not None:
        return since
    return WEEK if edition.frequency == Edition.Frequency.WEEKLY else TODAY


def trending_since(edition: Edition, since: date | None = None) -> date | None:
    """The day from which on a digest picks papers that goes by how fast votes come, where others
    pick from `since` on: a daily one takes what trends now of the last `trending.DAYS`."""
    if edition.frequency != Edition.Frequency.DAILY:
        return since
    return min(since or edition.date, edition.date - timedelta(days=trending.DAYS - 1))


def as_at_close(edition: Edition, places: Iterable[EditionPaper]) -> list[EditionPaper]:
    """The places, those of other editions with the votes and the speed that their papers had when
    this one closed, as far as they are known; nothing is stored. One query at most beside them."""
    found = list(places)
    others = [place for place in found if place.edition_id != edition.pk]
    counted = (
        trending.counted([place.paper_id for place in others], edition.closed_at) if others else {}
    )
    for place in others:
        place.upvotes, place.speed = counted.get(place.paper_id, (place.upvotes, 0.0))
    return found


def of(
    edition: Edition, since: date | None = None, *, own: Sequence[EditionPaper] | None = None
) -> Candidates:
    """The papers to pick from in their order; five queries at most, however many papers. Of an
    edition that is not closed yet, `own` are its papers."""
    return among(with_topics(edition, since, own=own), edition, since)


def among(places: Iterable[EditionPaper], edition: Edition, since: date | None) -> Candidates:
    """The papers in these places, which came from `with_topics`."""
    return Candidates(tuple(_candidate(place, edition, since) for place in places))


def with_topics(
    edition: Edition, since: date | None = None, *, own: Sequence[EditionPaper] | None = None
) -> list[EditionPaper]:
    """The places that `of` makes candidates of."""
    found = list(own or ())
    prefetch_related_objects(found, "paper__paper_topics__topic")
    if own is None or since is not None:
        stored = places_of(edition, since).select_related("edition")
        stored = stored.prefetch_related("paper__paper_topics__topic")
        found += as_at_close(edition, stored)
    if since is not None:
        found.sort(key=lambda place: -place.upvotes)
    return found


def _candidate(place: EditionPaper, edition: Edition, since: date | None) -> Candidate:
    paper = place.paper
    is_own = place.edition_id == edition.pk
    return Candidate(
        paper_id=paper.pk,
        upvotes=place.upvotes,
        topics={
            entry.topic.slug: TopicTag(entry.topic.name, entry.score)
            for entry in paper.paper_topics.all()
        },
        words=Matchable(
            (paper.title, paper.abstract, *paper.keywords), tuple(paper.authors), paper.organization
        ),
        categories=tuple(paper.categories),
        days_old=max((edition.date - place.edition.date).days, 0),
        speed=place.speed,
        is_pinned=is_own and place.is_pinned,
        rank=place.rank if is_own else 0,
        # Papers of several editions stand in the order of their votes.
        is_moved=is_own and place.is_moved and since is None,
    )
