"""How sends went and go: kept each minute, for whoever wants to see it at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q

from digest.delivery import notices
from digest.models import Batch, Edition, Fetch
from digest.papers import fetching

from . import deadman

_RECENT = timedelta(days=10)
_ALL_HOURS = timedelta(days=2)
"""After its end an edition is planned for readers of all hours and zones within so long."""
LATE = (
    "late",
    "unfinished",
    "unplanned",
    "no_edition",
    "no_papers",
    "no_fetch",
    "no_provider",
    "all_paused",
    "senders_silent",
    "beat_silent",
    "worker_silent",
    "broker_away",
)
"""The notices under which readers may wait for their mail."""


def keep(now: datetime) -> None:
    """Afterwards each edition that is being sent, or was a while ago, says when the newest of its
    batches was offered. A look at the batches of the last few editions, not at deliveries."""
    recent = Edition.objects.filter(due_count__gt=0, date__gt=(now - _RECENT).date())
    found = (
        Batch.objects.filter(edition__in=recent.filter(_may_change(now)), offered_at__isnull=False)
        .order_by()
        .values_list("edition_id")
        .annotate(at=Max("offered_at"))
    )
    for edition_id, at in found:
        is_older = Q(handed_at__isnull=True) | Q(handed_at__lt=at)
        Edition.objects.filter(is_older, pk=edition_id).update(handed_at=at)


def _may_change(now: datetime) -> Q:
    """Readers of all hours and zones get an edition within two days of its end; later only those who
    were held, or in doubt, and `counted_at` says that they were looked at."""
    is_new = Q(closed_at__gt=now - _ALL_HOURS) | Q(handed_at__isnull=True)
    return is_new | Q(counted_at__gt=F("handed_at"), is_counted=False)


def held() -> list[Edition]:
    """The editions whose send is stopped with something left of it."""
    stopped = Edition.objects.filter(_has_left(), held_at__isnull=False)
    return list(stopped.order_by("-date")[:20])


def held_for_now(now: datetime) -> set[int]:
    """The ids of all editions that are held, but for those whose readers had theirs, or did without."""
    may_come = Q(closed_at__gt=now - _ALL_HOURS)
    stopped = Edition.objects.filter(_has_left() | may_come, held_at__isnull=False)
    return set(stopped.values_list("pk", flat=True))


def _has_left() -> Q:
    unsettled = [Batch.State.OPEN, Batch.State.CLAIMED]
    return Q(Exists(Batch.objects.filter(edition=OuterRef("pk"), state__in=unsettled)))


@dataclass(frozen=True, slots=True)
class Source:
    """When a source's list was read to its end last, and whether that is as it should be."""

    name: str
    read_at: datetime | None
    is_well: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How all of it stands: the worst of what follows, and the sources, those that are not well first."""

    state: str
    """`held`, `late`, `unread` (of some source), `new` (nothing was read so far) or `well`."""
    sources: list[Source]

    @property
    def unread(self) -> list[str]:
        """The sources that were not read lately, by name."""
        return [each.name for each in self.sources if not each.is_well]


def is_read(read_at: datetime | None, now: datetime) -> bool:
    """Whether a source that was read to its end then was read lately."""
    return read_at is not None and read_at > now - deadman.FETCH_SILENCE


def judge(now: datetime) -> Standing:
    """How it stands now, for everybody to know."""
    sources = sorted(_sources(now), key=lambda each: each.is_well)
    return Standing(_state(sources), sources)


def _state(sources: list[Source]) -> str:
    if held():
        return "held"
    if notices.open_notices().filter(kind__in=LATE).exists():
        return "late"
    if all(each.read_at is None for each in sources):
        return "new"
    return "well" if all(each.is_well for each in sources) else "unread"


def _sources(now: datetime) -> list[Source]:
    found = []
    for source in settings.PAPER_SOURCES:
        clean = Fetch.objects.filter(source=source, error="", finished_at__isnull=False)
        newest = clean.order_by("-started_at").first()
        read_at = newest.started_at if newest else None
        found.append(Source(fetching.name_of(source), read_at, is_read(read_at, now)))
    return found
