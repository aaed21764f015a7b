"""The desk's first page: whether today's edition went out and to whom, and what needs a person.

It reads kept numbers and a few rows by index, so that it answers at once for a million readers.
"""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from digest.delivery import notices
from digest.delivery.watching import health
from digest.models import Notice

from . import mail, readers, sending, sources, stops


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the context of the admin's index what this person may see."""
    now = timezone.now()
    may = request.user.has_perm
    shown: dict[str, Any] = {"now": now}
    sees_editions, sees_providers = may("digest.view_edition"), may("digest.view_providerplan")
    ways = health.of_all(now) if sees_editions or sees_providers else []
    if sees_editions:
        shown["stops"] = stops.found(ways, may)
        goes = stops.some_way_goes(ways)
        shown |= {"sendings": sending.newest(goes=goes, may=may), "queue": sending.queue(now)}
        shown["mail"] = mail.of_last_days(now)
    if may("digest.view_notice"):
        shown["wrong"] = list(notices.open_notices().order_by("-pk"))
        shown["told"] = list(Notice.objects.exclude(lasts=True, ended_at=None).order_by("-pk")[:5])
    if sees_providers:
        shown["providers"] = ways
    if may("digest.view_fetch"):
        shown["sources"] = sources.all_sources(now)
    if sees_editions or may("subscriptions.view_subscriber"):
        shown["readers"] = readers.of_last_days(now)
    return context | {"desk": shown, "title": "Dashboard"}
