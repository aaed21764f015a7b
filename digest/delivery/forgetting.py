"""Forgets what nobody needs any more: events of long ago, what readers who are gone followed, and what
others opened half a year ago."""

from datetime import datetime, timedelta

from django.conf import settings

from digest.editions import audiences, opened
from digest.models import Event, Fetch
from digest.papers import trending

_PAGE = 10_000


def forget(now: datetime) -> dict[str, int]:
    """Afterwards events and records of fetches are at most KEEP_EVENTS_DAYS old, no audience repeats
    what a former reader followed, and what was opened is as young as `opened.KEPT`. Returns how many
    rows of each were forgotten.
    """
    limit = now - timedelta(days=settings.KEEP_EVENTS_DAYS)
    events = _forget_events(limit)
    fetches, _ = Fetch.objects.filter(started_at__lt=limit).delete()
    return {
        "events": events,
        "fetches": fetches,
        "vote_snapshots": trending.forget(now),
        "audiences": audiences.forget(now),
        "opened_papers": opened.forget_old(now),
    }


def _forget_events(limit: datetime) -> int:
    """A page at a time from the oldest on, as there are millions, and no index on their time."""
    applied = Event.objects.filter(applied_at__isnull=False).order_by("pk")
    forgotten = 0
    while True:
        page = applied.values_list("pk", "received_at")[:_PAGE]
        old = [pk for pk, received_at in page if received_at < limit]
        if not old:
            return forgotten
        forgotten += Event.objects.filter(pk__in=old).delete()[0]
