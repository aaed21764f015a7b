"""The operator's side of a reader: beside what `subscriptions` knows, each digest with its papers, their
reasons, and what the provider reported of it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from digest.models import Delivery
from subscriptions.admin import SubscriberAdmin
from subscriptions.admin.finding import is_id
from subscriptions.models import Subscriber

from . import sent
from .keyed import edition_day

admin.site.unregister(Subscriber)
_SHOWN = 10
"""Digests on a page."""


@admin.register(Subscriber)
class ReaderAdmin(SubscriberAdmin):
    def shown(self, request: HttpRequest, reader: Subscriber) -> dict[str, Any]:
        shown = super().shown(request, reader)
        messages = [message for message, _ in shown["sent_messages"]]
        reports = sent.reports("message", [message.pk for message in messages])
        shown["sent_messages"] = [(each, reports[each.pk]) for each in messages]
        if not request.user.has_perm("digest.view_delivery"):
            return shown | {"deliveries": None}
        before = request.GET.get("before", "")
        return shown | _deliveries(reader, int(before) if is_id(before) else None)


def _deliveries(reader: Subscriber, before: int | None) -> dict[str, Any]:
    """A page of them, the newest first: those of editions whose id is less than `before`."""
    rows = sent.with_all(Delivery.objects.filter(subscriber=reader))
    if before is not None:
        rows = rows.filter(edition_id__lt=before)
    found = list(rows.order_by("-edition_id")[: _SHOWN + 1])
    page = found[:_SHOWN]
    return {
        "deliveries": [(each, edition_day(each.delivery.edition)) for each in sent.shown(page)],
        "older": page[-1].edition_id if len(found) > _SHOWN else None,
        "is_older": before is not None,
    }
