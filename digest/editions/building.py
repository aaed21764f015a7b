"""Closes editions: from the listings of a day, or of an ISO week, and what an editor decided, to
ranked and frozen papers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from digest.models import (
    Draft,
    Edition,
    EditionPaper,
    EditorChoice,
    Fetch,
    Listing,
    Paper,
)
from digest.papers import trending

from . import drafts

logger = logging.getLogger(__name__)

DAILY = Edition.Frequency.DAILY
WEEKLY = Edition.Frequency.WEEKLY
CATCH_UP_DAYS = 14
YEARS = range(1991, 2200)
"""Of editions that can be asked for: arXiv began in the first."""
_PAGE = 500
_SATURDAY = 5


def closes_at(day: date) -> datetime:
    """The moment (UTC) at which the daily edition of `day` closes by itself."""
    return datetime.combine(day + timedelta(days=1), settings.EDITION_CUTOFF, tzinfo=UTC)


def week_closes_at(monday: date) -> datetime:
    """The moment (UTC) at which the weekly edition that begins on `monday` closes by itself."""
    return closes_at(monday + timedelta(days=6))


def first_day(day: date, frequency: str) -> date:
    """The date an edition that covers `day` goes by: the day itself, or the Monday of its week."""
    return day - timedelta(days=day.weekday()) if frequency == WEEKLY else day


def build(day: date, *, frequency: str = DAILY) -> Edition:
    """Afterwards the edition that covers `day` is closed; an edition closed before is unchanged.

    An edition takes the papers listed on its day, or in its week, and those that missed the cutoff
    of an earlier one. A paper stands in at most one edition of a frequency, which the database
    holds to even while two processes build.
    """
    start = first_day(day, frequency)
    with transaction.atomic():
        edition, is_new = Edition.objects.get_or_create(frequency=frequency, date=start)
        if is_new:
            _freeze(edition)
    if is_new:
        logger.info(
            "edition closed", extra={"edition": edition.name, "papers": edition.paper_count}
        )
    return edition


@dataclass(frozen=True, slots=True)
class Contents:
    """What an edition is made of."""

    papers: list[Paper]
    """In their order."""
    choices: Mapping[int, EditorChoice]
    """What an editor decided, by paper id."""
    note: str


def contents(edition: Edition, draft: Draft | None) -> Contents:
    """What the edition would be made of if it closed now; it need not have a row. Three queries."""
    choices = drafts.choices_of(draft)
    wanted = _unused(edition).exclude(pk__in=drafts.left_out_of(edition))
    found = drafts.in_order(_candidates(edition, wanted), choices)
    return Contents(found, choices, draft.note if draft else "")


def as_if_closed(
    frequency: str, day: date, *, now: datetime
) -> tuple[Edition, list[EditionPaper] | None]:
    """The edition that covers `day`, and None; before it is closed one as it would be now, without
    a row, and its places."""
    start = first_day(day, frequency)
    closed = Edition.objects.filter(frequency=frequency, date=start).first()
    if closed:
        return closed, None
    edition = Edition(frequency=frequency, date=start, closed_at=now)
    made_of = contents(edition, drafts.of(edition))
    edition.paper_count, edition.note = len(made_of.papers), made_of.note
    return edition, places(edition, made_of, now=now)


def left_out(edition: Edition) -> QuerySet[Paper]:
    """The papers that an editor lately left out of it, or of an edition before, and may take back."""
    lately = drafts.left_out_of(edition, since=edition.date - timedelta(days=CATCH_UP_DAYS))
    unused = _unused(edition).filter(pk__in=lately)
    return _candidates(edition, unused).order_by("-upvotes", "-pk")


def places(edition: Edition, made_of: Contents, *, now: datetime) -> list[EditionPaper]:
    """The papers in their places with their numbers of `now`, not stored. One query."""
    counted = trending.counted([paper.pk for paper in made_of.papers], now)
    return [
        EditionPaper(
            edition=edition,
            paper=paper,
            frequency=edition.frequency,
            rank=rank,
            upvotes=paper.upvotes,
            comments=paper.comments,
            code_stars=paper.code_stars,
            speed=counted.get(paper.pk, (0, 0.0))[1],
            is_pinned=drafts.is_pinned(paper.pk, made_of.choices),
            is_moved=drafts.place_of(paper.pk, made_of.choices) is not None,
        )
        for rank, paper in enumerate(made_of.papers, start=1)
    ]


def _freeze(edition: Edition) -> None:
    draft = drafts.locked(edition)
    made_of = contents(edition, draft)
    EditionPaper.objects.bulk_create(
        places(edition, made_of, now=edition.closed_at), batch_size=_PAGE, ignore_conflicts=True
    )
    edition.paper_count = edition.places.count()
    edition.note = made_of.note if edition.paper_count else ""
    fetched = Listing.objects.filter(paper__places__edition=edition).exclude(source=Listing.SAMPLE)
    edition.is_sample = edition.paper_count > 0 and not fetched.exists()
    edition.save(update_fields=["paper_count", "is_sample", "note"])
    if made_of.choices:
        draft.choices.exclude(decision=EditorChoice.Decision.LEFT_OUT).delete()


def _unused(edition: Edition) -> QuerySet[Paper]:
    """The papers that stand in no edition of the frequency."""
    used = EditionPaper.objects.filter(frequency=edition.frequency, paper=OuterRef("pk"))
    return Paper.objects.filter(~Exists(used))


def _candidates(edition: Edition, unused: QuerySet[Paper]) -> QuerySet[Paper]:
    listed = Listing.objects.filter(paper=OuterRef("pk"))
    if edition.frequency == WEEKLY:
        return unused.filter(_in_week(edition, listed))
    own = unused.filter(Exists(listed.filter(listed_on=edition.date)))
    if edition.date.weekday() >= _SATURDAY and not own.exists():
        # Stragglers alone make no edition of a weekend day: most readers take no mail then, and on
        # Monday it would stand in the place of Friday's.
        return own
    # A day whose own edition is still open keeps its papers: they did not miss anything yet.
    closed = Edition.objects.filter(frequency=DAILY, date=OuterRef("listed_on"))
    late = listed.filter(Exists(closed), listed_on__lt=edition.date)
    return own | unused.filter(Exists(late))


def _in_week(edition: Edition, listed: QuerySet[Listing]) -> Q:
    """Listed in the week, or in a daily edition of it; and what the week before closed without."""
    before = edition.date - timedelta(days=7)
    is_before_closed = Edition.objects.filter(frequency=WEEKLY, date=before).exists()
    first = before if is_before_closed else edition.date
    in_days = listed.filter(listed_on__range=(first, edition.last_day))
    in_editions = EditionPaper.objects.filter(
        frequency=DAILY, paper=OuterRef("pk"), edition__date__range=(first, edition.last_day)
    )
    return Q(Exists(in_days)) | Q(Exists(in_editions))


def build_due(now: datetime) -> list[Edition]:
    """Closes every edition past its cutoff, oldest first; returns those that this call closed.

    It looks back `CATCH_UP_DAYS`, and no further than the day before the first fetch, so that a
    new installation does not record days on which it did not exist as empty. After a longer
    standstill the days whose lists were read before it are closed, too.
    """
    return [build(day, frequency=name) for day, name in due(now)]


def due(now: datetime) -> list[tuple[date, str]]:
    """The day and frequency of each edition that is past its cutoff and not closed."""
    last = (now - timedelta(days=1)).astimezone(UTC).date()
    if closes_at(last) > now:
        last -= timedelta(days=1)
    earliest = _first_known_day()
    if earliest is None:
        return []
    first = max(earliest, last - timedelta(days=CATCH_UP_DAYS))
    days = _left_open(earliest, first) + [
        first + timedelta(days=n) for n in range((last - first).days + 1)
    ]
    mondays = sorted({first_day(day, WEEKLY) for day in days})
    weeks = [monday for monday in mondays if monday + timedelta(days=6) <= last]
    wanted = [(day, DAILY) for day in days] + [(monday, WEEKLY) for monday in weeks]
    known = set(
        Edition.objects.filter(date__gte=min(days, default=first) - timedelta(days=6)).values_list(
            "date", "frequency"
        )
    )
    return [(day, name) for day, name in wanted if (day, name) not in known]


def _left_open(earliest: date, before: date) -> list[date]:
    """Days from `earliest` to `before` with a list, later than the last one closed by then."""
    closed = Edition.objects.filter(frequency=DAILY, is_sample=False, date__lt=before)
    newest_closed = closed.order_by("-date").values_list("date", flat=True).first()
    if newest_closed is None:
        return []
    after = max(newest_closed, earliest - timedelta(days=1))
    listed = _fetched().filter(listed_on__gt=after, listed_on__lt=before)
    return list(listed.order_by("listed_on").values_list("listed_on", flat=True).distinct())


def _fetched() -> QuerySet[Listing]:
    """The lists that were fetched from a source."""
    return Listing.objects.exclude(source__in=[Listing.SAMPLE, Listing.IMPORTED])


def _first_known_day() -> date | None:
    listed = _fetched().order_by("listed_on").values_list("listed_on", flat=True).first()
    started = Fetch.objects.order_by("started_at").values_list("started_at", flat=True).first()
    if listed is None or started is None:
        return listed
    # Older lists were asked for by hand; `build_edition` closes what is wanted of them.
    return max(listed, started.astimezone(UTC).date() - timedelta(days=1))


def newest(frequency: str, *, now: datetime | None = None) -> Edition | None:
    """The newest closed edition that has papers, closed by `now`; the sample only if no other."""
    editions = Edition.objects.filter(frequency=frequency, paper_count__gt=0)
    if now is not None:
        editions = editions.filter(closed_at__lte=now)
    return editions.order_by("is_sample", "-date").first()
