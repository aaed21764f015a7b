"""What is forgotten each night: every room forgets what it keeps, and this calls them all. Deliveries, which
take longer: `delivery/keeping/purging.py`; readers: `subscriptions/services/purging.py`."""

from datetime import datetime, timedelta

from django.conf import settings

from digest.delivery import notices
from digest.delivery.esp import pacing
from digest.delivery.feedback import events
from digest.editions import audiences, opened
from digest.papers import fetching, trending
from subscriptions import logbook, searches
from subscriptions.door import lockout


def forget(now: datetime) -> dict[str, int]:
    """Afterwards events, notices and records of fetches are at most KEEP_EVENTS_DAYS old, and what
    operators did KEEP_LOG_DAYS; no audience repeats what a former reader followed, what was opened is
    as young as `opened.KEPT`, and sessions and searches that are over are gone. Returns how many rows of
    each were forgotten.
    """
    limit = now - timedelta(days=settings.KEEP_EVENTS_DAYS)
    logbook.end_sessions()
    searches.forget()
    return {
        "events": events.forget(limit),
        "fetches": fetching.forget(limit),
        "notices": notices.forget(limit),
        "day_counts": pacing.forget(now),
        "log_entries": logbook.forget(now - timedelta(days=settings.KEEP_LOG_DAYS)),
        "vote_snapshots": trending.forget(now),
        "audiences": audiences.forget(now),
        "opened_papers": opened.forget_old(now),
        "sign_in_attempts": lockout.forget(now),
    }
