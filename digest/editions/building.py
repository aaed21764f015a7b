"""Closes editions: from the listings of a day, or of an ISO week, to ranked and frozen papers."""

import logging
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from digest.models import Edition, EditionPaper, Fetch, Listing, Paper
from digest.papers import trending

from .ranking import ranked

logger = logging.getLogger(__name__)

DAILY = Edition.Frequency.DAILY
WEEKLY = Edition.Frequency.WEEKLY
CATCH_UP_DAYS = 14
_PAGE = 500
_SATURDAY = 5


def closes_at(day: date) -> datetime:
    """The moment (UTC) at which the daily edition of `day` closes by itself."""
    return datetime.combine(day + timedelta(days=1), settings.EDITION_CUTOFF, tzinfo=UTC)


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


def _freeze(edition: Edition) -> None:
    papers = ranked(_candidates(edition))
    counted = trending.counted([paper.pk for paper in papers], edition.closed_at)
    places = [
        EditionPaper(
            edition=edition,
            paper=paper,
            frequency=edition.frequency,
            rank=rank,
            upvotes=paper.upvotes,
            comments=paper.comments,
            code_stars=paper.code_stars,
            speed=counted.get(paper.pk, (0, 0.0))[1],
        )
        for rank, paper in enumerate(papers, start=1)
    ]
    EditionPaper.objects.bulk_create(places, batch_size=_PAGE, ignore_conflicts=True)
    edition.paper_count = edition.places.count()
    fetched = Listing.objects.filter(paper__places__edition=edition).exclude(source=Listing.SAMPLE)
    edition.is_sample = edition.paper_count > 0 and not fetched.exists()
    edition.save(update_fields=["paper_count", "is_sample"])


def _candidates(edition: Edition) -> QuerySet[Paper]:
    used = EditionPaper.objects.filter(frequency=edition.frequency, paper=OuterRef("pk"))
    unused = Paper.objects.filter(~Exists(used))
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
