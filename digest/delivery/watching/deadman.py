"""Tells the operator of what did not happen: no fetch, no papers, no edition by its time."""

from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings

from digest.delivery import notices
from digest.delivery.notices import Trouble
from digest.editions import building
from digest.models import Edition, Fetch, Listing

EDITION_GRACE = timedelta(minutes=30)
"""How long past its cutoff an edition may take: it is tried every five minutes."""
BEFORE_CUTOFF = timedelta(hours=2)
"""How long before the cutoff a source's list has to be there, so that somebody can still mend it."""
FETCH_SILENCE = timedelta(hours=3)
"""Papers are fetched every hour."""
_SATURDAY = 5
_DAYS_BACK = 3


def check_fetches(now: datetime) -> None:
    """Nothing was fetched for hours, as by a worker that is stuck."""
    newest = Fetch.objects.order_by("-started_at").values_list("started_at", flat=True)
    rows = [newest.filter(source=name).first() for name in settings.PAPER_SOURCES]
    seen = max((row for row in rows if row), default=None)
    found = {}
    if seen and seen < now - FETCH_SILENCE:
        found[""] = Trouble(
            what=f"No papers were fetched since {seen:%Y-%m-%d %H:%M} UTC.",
            mend="Are beat and a worker for the queue fetch running? Type: manage.py fetch_papers",
            link="/admin/digest/fetch/",
        )
    notices.stand("no_fetch", found, now=now)


def check_papers(now: datetime) -> None:
    """A source lists nothing of a day that it should, shortly before that day's edition closes, and
    until it is closed for a day."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    days = [yesterday - timedelta(days=n) for n in range(2)]
    found = {}
    for day in days:
        if day.weekday() >= _SATURDAY or now < building.closes_at(day) - BEFORE_CUTOFF:
            continue
        for source in settings.PAPER_SOURCES:
            if why := _why_empty(source, day):
                found[f"{source} {day}"] = Trouble(
                    what=f"{source} brought no papers of {day:%A}, {day}: {why}.",
                    mend="Is the source up, and can this machine reach it? Type: "
                    f"manage.py fetch_papers --date {day} --source {source}",
                    link=f"/admin/digest/fetch/?source__exact={source}",
                )
    # Of days before these nothing gets well any more, and nobody is told that it did.
    still = [f"{source} {day}" for source in settings.PAPER_SOURCES for day in days]
    notices.give_up("no_papers", but=still, now=now)
    notices.stand("no_papers", found, now=now)


def _why_empty(source: str, day: date) -> str:
    """Why the list of a working day is empty; "" where it is not, or the source itself rested.

    A source that was read to its end once the day was over, and has nothing, announced nothing: a
    holiday. The working days before it tell a holiday from a source that changed.
    """
    if Listing.objects.filter(source=source, listed_on=day).exists():
        return ""
    over_at = datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
    tries = Fetch.objects.filter(source=source, day=day).order_by("-started_at")
    newest = tries.first()
    if newest is None:
        # A new installation was not there to fetch earlier days.
        was_there = Fetch.objects.filter(source=source, started_at__lt=over_at).exists()
        return "nobody asked for them" if was_there else ""
    clean = tries.filter(error="", finished_at__isnull=False, started_at__gte=over_at, bad=0)
    if not clean.exists():
        return newest.error[:120] or (f"{newest.bad} bad entries" if newest.bad else "not read yet")
    before = _working_days_before(day)
    is_used = Listing.objects.filter(source=source, listed_on__lt=min(before)).exists()
    listed = Listing.objects.filter(source=source, listed_on__in=before)
    return "" if listed.exists() or not is_used else "as on the working days before"


def _working_days_before(day: date) -> list[date]:
    earlier = (day - timedelta(days=n) for n in range(1, 8))
    return [each for each in earlier if each.weekday() < _SATURDAY][:_DAYS_BACK]


def check_editions(now: datetime) -> None:
    """An edition is not closed by its time: of a week, of a working day, of any day with papers."""
    found = {}
    for day, frequency in building.due(now - EDITION_GRACE):
        is_weekend = frequency == building.DAILY and day.weekday() >= _SATURDAY
        if is_weekend and not Listing.objects.filter(listed_on=day).exists():
            continue
        edition = Edition(date=day, frequency=frequency)
        found[edition.name] = Trouble(
            what=f"The {frequency} edition {edition.name} is not closed, and nobody gets it.",
            mend="Are beat and a worker running? Type: "
            + notices.command("build_edition", edition),
            link="/admin/digest/edition/",
        )
    notices.stand("no_edition", found, now=now)
