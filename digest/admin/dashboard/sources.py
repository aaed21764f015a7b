"""When papers were read last from each source, and what stands in the way: each error once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db.models import Max

from digest.delivery.watching import standing
from digest.models import Fetch, Listing
from digest.papers import fetching

MOST_FETCHES = 200
"""Of each source that are looked at: a week of them, and no more however long it fails."""


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the table."""

    name: str
    clean: Fetch | None
    """The last one that came to its end."""
    failed: int
    """How often it did not since."""
    is_most: bool
    """Perhaps oftener: no more are looked at."""
    is_well: bool
    day: date | None
    papers: int


@dataclass(slots=True)
class Failure:
    """The same words of however many tries."""

    error: str
    names: list[str]
    number: int
    last_at: datetime


def all_sources(now: datetime) -> dict[str, list[Source] | list[Failure]]:
    """The sources in their order, and what they failed with since they were read last; three queries
    a source."""
    rows: list[Source] = []
    failures: dict[str, Failure] = {}
    for source in settings.PAPER_SOURCES:
        name = fetching.name_of(source)
        newest = list(Fetch.objects.filter(source=source).order_by("-started_at")[:MOST_FETCHES])
        clean = next((each for each in newest if each.finished_at and not each.error), None)
        since = newest[: newest.index(clean)] if clean else newest
        failed = [each for each in since if each.error]
        _note(failures, name, failed)
        listed = Listing.objects.filter(source=source)
        day = listed.aggregate(newest=Max("listed_on"))["newest"]
        rows.append(
            Source(
                name,
                clean,
                len(failed),
                len(newest) == MOST_FETCHES and clean is None,
                not failed and standing.is_read(clean.started_at if clean else None, now),
                day,
                listed.filter(listed_on=day).count() if day else 0,
            )
        )
    return {"rows": rows, "failures": list(failures.values())}


def _note(failures: dict[str, Failure], name: str, failed: Sequence[Fetch]) -> None:
    for fetch in failed:
        error = fetch.error.removeprefix(f"{name}: ")
        known = failures.setdefault(error, Failure(error, [], 0, fetch.started_at))
        known.number += 1
        known.last_at = max(known.last_at, fetch.started_at)
        if name not in known.names:
            known.names.append(name)
