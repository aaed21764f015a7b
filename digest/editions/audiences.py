"""Groups readers with equal selections, and picks the papers of an edition for each group."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache

from django.db.models import Exists, OuterRef, QuerySet

from digest.models import Audience, Edition, EditionPaper
from subscriptions import schedule, selectors
from subscriptions.models import Subscriber
from subscriptions.records import Selection

Card = tuple[int, str]
"""A paper's id and the reason why it is in this digest."""

CHUNK = 500
"""Audiences that are made at once."""
FORGOTTEN = "Picked for you"
"""The reason of a card when what the reader followed is forgotten."""
_HYPHENS = re.compile("[-\u2010-\u2015]")


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


def fold(text: str) -> str:
    """Lower case without diacritics, hyphens as spaces, for comparing names and phrases."""
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return " ".join(_HYPHENS.sub(" ", plain.casefold()).split())


def places_of(edition: Edition, since: date | None = None) -> QuerySet[EditionPaper]:
    """The edition's papers in their order; with those of the editions since a day, by votes."""
    if since is None:
        return edition.places.select_related("paper").order_by("rank")
    days = EditionPaper.objects.filter(
        edition__date__range=(since, edition.date), frequency=edition.frequency
    )
    return days.select_related("paper").order_by("-upvotes", "-edition__date", "rank")


def period_of(edition: Edition, since: date | None = None) -> str:
    """The time that the papers are from, in words."""
    if since is not None:
        return f"since {schedule.long_day(since)}"
    return "this week" if edition.frequency == Edition.Frequency.WEEKLY else "today"


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
    )


def select(
    selection: Selection, papers: Sequence[Candidate], *, period: str = "today"
) -> list[Card]:
    """The cards of the digest for this selection, best first; empty when nothing is for them.

    Followed authors and keywords come first, then followed topics, each in the edition's order;
    the most voted paper they would have missed closes the digest while there is room. Who follows
    nothing gets the edition's best.
    """
    if not (selection.topics or selection.keywords or selection.authors):
        return [
            (
                paper.paper_id,
                f"Most votes {period}" if n == 0 and paper.upvotes else _popular(period),
            )
            for n, paper in enumerate(papers[: selection.length])
        ]
    personal: list[Card] = []
    topical: list[Card] = []
    for paper in papers:
        if reason := _personal_reason(selection, paper):
            personal.append((paper.paper_id, reason))
        elif reason := _topic_reason(selection, paper):
            topical.append((paper.paper_id, reason))
    cards = (personal + topical)[: selection.length]
    if cards and len(cards) < selection.length:
        chosen = {paper_id for paper_id, _ in cards}
        missed = (paper for paper in papers if paper.upvotes and paper.paper_id not in chosen)
        cards += [(paper.paper_id, _popular(period)) for paper in [next(missed, None)] if paper]
    return cards


def _popular(period: str) -> str:
    return f"Popular {period}"


def _personal_reason(selection: Selection, paper: Candidate) -> str:
    for name in selection.authors:
        if fold(name) in paper.authors:
            return _by(name)
    for keyword in selection.keywords:
        if _phrase(keyword).search(paper.text):
            return _keyword(keyword)
    return ""


def _by(name: str) -> str:
    return f"By {name}, whom you follow"


def _keyword(text: str) -> str:
    return f"Your keyword: {text}"


def _topic_reason(selection: Selection, paper: Candidate) -> str:
    followed = frozenset(selection.topics)
    for slug, name in paper.topics.items():
        if slug in followed:
            return f"You follow {name}"
    return ""


@lru_cache(maxsize=10_000)
def _phrase(keyword: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(fold(keyword))}(?:e?s)?(?!\w)")


def ensure(
    edition: Edition,
    selection_keys: Iterable[str],
    *,
    since: date | None = None,
    one_of: Mapping[str, int] | None = None,
) -> None:
    """Afterwards the edition has an audience for each selection key that some reader has;
    `one_of` may name one by id.

    The number of queries grows with the chunks of CHUNK keys, so that memory is bounded. Two
    processes that ask at once make the same rows once.
    """
    keys = sorted(set(selection_keys))
    papers: list[Candidate] | None = None
    period = period_of(edition, since)
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = Audience.objects.filter(edition=edition, selection_key__in=chunk, since=since)
        missing = set(chunk) - set(rows.values_list("selection_key", flat=True))
        if not missing:
            continue
        if papers is None:
            papers = candidates(edition, since)
        Audience.objects.bulk_create(
            (
                Audience(
                    edition=edition,
                    selection_key=key,
                    since=since,
                    selection=asdict(selection),
                    cards=cards,
                    paper_count=len(cards),
                )
                for key, selection in selectors.selections(missing, one_of=one_of).items()
                for cards in [select(selection, papers, period=period)]
            ),
            ignore_conflicts=True,
        )


def forget_wishes() -> int:
    """Afterwards no audience holds keywords or names that no reader follows any more, as after an
    erasure; returns how many did. Their digests can still be read on the web.
    """
    readers = Subscriber.objects.filter(selection_key=OuterRef("selection_key"))
    orphans = Audience.objects.exclude(selection__keywords=[], selection__authors=[])
    forgotten = 0
    for audience in orphans.filter(~Exists(readers)).iterator():
        words, names = audience.selection["keywords"], audience.selection["authors"]
        private = {*map(_keyword, words), *map(_by, names)}
        audience.selection |= {"keywords": [], "authors": []}
        audience.cards = [
            [paper_id, FORGOTTEN if reason in private else reason]
            for paper_id, reason in audience.cards
        ]
        audience.save(update_fields=["selection", "cards"])
        forgotten += 1
    return forgotten
