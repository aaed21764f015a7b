"""Picks the papers of an edition for a selection, best first, each with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

from digest.models import Edition, EditionPaper
from digest.records import TODAY, WEEK, Period
from subscriptions import queries, schedule
from subscriptions.catalogue import translated
from subscriptions.queries import fold
from subscriptions.records import Selection

Card = tuple[int, str]
"""A paper's id and the reason why it is in this digest."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper of the edition, as far as choosing needs it."""

    paper_id: int
    upvotes: int
    topics: dict[str, str]
    """Slug to name, the surest first."""
    text: str
    """Title, abstract and keywords, folded."""
    authors: frozenset[str]
    """Folded names."""
    categories: tuple[str, ...] = ()
    """arXiv categories, the primary one first."""


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


def candidates(edition: Edition, since: date | None = None) -> list[Candidate]:
    """The papers to pick from, best first; three queries, however many papers."""
    places = places_of(edition, since).prefetch_related("paper__paper_topics__topic")
    return [_candidate(place) for place in places]


def _candidate(place: EditionPaper) -> Candidate:
    paper = place.paper
    return Candidate(
        paper_id=paper.pk,
        upvotes=place.upvotes,
        topics={entry.topic.slug: entry.topic.name for entry in paper.paper_topics.all()},
        text=fold(" ".join([paper.title, paper.abstract, *paper.keywords])),
        authors=frozenset(map(fold, paper.authors)),
        categories=tuple(paper.categories),
    )


def select(
    selection: Selection, papers: Sequence[Candidate], *, period: Period = TODAY
) -> list[Card]:
    """The cards of the digest for this selection, best first; empty when nothing is for them.

    Followed authors and keywords come first, then followed topics and categories, each in the
    edition's order; the most voted paper they would have missed closes the digest while there is
    room. Who follows nothing gets the edition's best. Papers with fewer votes than the selection
    asks for are passed over. The reasons are in the selection's language.
    """
    with override(selection.language):
        return _select(selection, papers, period)


def _select(selection: Selection, papers: Sequence[Candidate], period: Period) -> list[Card]:
    if selection.least_votes:
        papers = [paper for paper in papers if paper.upvotes >= selection.least_votes]
    if not follows_anything(selection):
        return [
            (
                paper.paper_id,
                _most_voted(period) if n == 0 and paper.upvotes else _popular(period),
            )
            for n, paper in enumerate(papers[: selection.length])
        ]
    wishes = _Wishes.of(selection)
    personal: list[Card] = []
    topical: list[Card] = []
    for paper in papers:
        if reason := _personal_reason(wishes, paper):
            personal.append((paper.paper_id, reason))
        elif reason := _topic_reason(wishes, paper):
            topical.append((paper.paper_id, reason))
    cards = (personal + topical)[: selection.length]
    if cards and len(cards) < selection.length:
        chosen = {paper_id for paper_id, _ in cards}
        missed = (paper for paper in papers if paper.upvotes and paper.paper_id not in chosen)
        cards += [(paper.paper_id, _popular(period)) for paper in [next(missed, None)] if paper]
    return cards


def follows_anything(selection: Selection) -> bool:
    """Whether the selection names anything that a paper can be for."""
    return bool(selection.topics or selection.keywords or selection.authors or selection.categories)


def _most_voted(period: Period) -> str:
    if isinstance(period, date):
        return _("Most votes since %(day)s") % {"day": schedule.long_day(period)}
    return _("Most votes this week") if period == WEEK else _("Most votes today")


def _popular(period: Period) -> str:
    if isinstance(period, date):
        return _("Popular since %(day)s") % {"day": schedule.long_day(period)}
    return _("Popular this week") if period == WEEK else _("Popular today")


def forgotten() -> str:
    """The reason of a card when what the reader followed is forgotten."""
    return _("Picked for you")


@dataclass(frozen=True, slots=True)
class _Wishes:
    """A selection made ready once for the papers of a month."""

    names: tuple[tuple[str, str], ...]
    """Folded, and as they were written."""
    keywords: tuple[tuple[queries.Query, str], ...]
    topics: frozenset[str]
    categories: frozenset[str]

    @classmethod
    def of(cls, selection: Selection) -> "_Wishes":
        return cls(
            tuple((fold(name), name) for name in selection.authors),
            tuple((queries.read(keyword), keyword) for keyword in selection.keywords),
            frozenset(selection.topics),
            frozenset(selection.categories),
        )


def _personal_reason(wishes: _Wishes, paper: Candidate) -> str:
    for folded, name in wishes.names:
        if folded in paper.authors:
            return _by(name)
    for query, keyword in wishes.keywords:
        if query.matches(paper.text):
            return _keyword(keyword)
    return ""


def _by(name: str) -> str:
    return _("By %(name)s, whom you follow") % {"name": name}


def _keyword(text: str) -> str:
    return _("Your keyword: %(text)s") % {"text": text}


def _topic_reason(wishes: _Wishes, paper: Candidate) -> str:
    for slug, name in paper.topics.items():
        if slug in wishes.topics:
            return _("You follow %(name)s") % {"name": translated(name)}
    for category in paper.categories:
        if category in wishes.categories:
            return _("You follow %(name)s") % {"name": category}
    return ""
