"""Forgets what nobody needs any more: events of long ago, what readers who are gone followed, what
others opened half a year ago, and what only said how things went. Deliveries: `purging.py`."""

from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.admin.models import LogEntry

from digest.editions import audiences, opened
from digest.models import DayCount, Event, Fetch, Notice
from digest.papers import trending

_PAGE = 10_000
_TWO_YEARS = timedelta(days=730)
"""How long it is kept how much a provider took on a day."""


def forget(now: datetime) -> dict[str, int]:
    """Afterwards events, notices and records of fetches are at most KEEP_EVENTS_DAYS old, and what
    operators did KEEP_LOG_DAYS; no audience repeats what a former reader followed, what was opened is
    as young as `opened.KEPT`, and sessions that are over are gone. Returns how many rows of each were
    forgotten.
    """
    limit = now - timedelta(days=settings.KEEP_EVENTS_DAYS)
    events = _forget_events(limit)
    old_log = LogEntry.objects.filter(action_time__lt=now - timedelta(days=settings.KEEP_LOG_DAYS))
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return {
        "events": events,
        "fetches": Fetch.objects.filter(started_at__lt=limit).delete()[0],
        "notices": Notice.objects.filter(created_at__lt=limit).delete()[0],
        "day_counts": DayCount.objects.filter(day__lt=(now - _TWO_YEARS).date()).delete()[0],
        "log_entries": old_log.delete()[0],
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
