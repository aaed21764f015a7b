"""Forgets what nobody needs any more: events of long ago, and what readers who are gone followed."""

from datetime import datetime, timedelta

from django.conf import settings

from digest.editions import audiences
from digest.models import Event, Fetch


def forget(now: datetime) -> dict[str, int]:
    """Afterwards events and records of fetches are at most KEEP_EVENTS_DAYS old, and no audience
    tells what a former reader followed. Returns how many rows of each were forgotten.
    """
    limit = now - timedelta(days=settings.KEEP_EVENTS_DAYS)
    events, _ = Event.objects.filter(received_at__lt=limit, applied_at__isnull=False).delete()
    fetches, _ = Fetch.objects.filter(started_at__lt=limit).delete()
    return {"events": events, "fetches": fetches, "audiences": audiences.forget_wishes()}
