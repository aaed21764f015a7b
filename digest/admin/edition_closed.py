"""A closed edition in the admin, in words: what became of it, and what is in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format

from digest.delivery import batches, ledger
from digest.delivery.watching import health
from digest.models import Batch, Edition
from subscriptions import logbook, schedule

from . import edition_draft
from .dashboard import sending, stops

HELD = "Held: "
"""How the log says that somebody held an edition at the desk."""
_FIRST_BATCHES = 100
"""Among which the first one that was offered is looked for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an edition is, by the numbers that were counted last."""

    state: str
    """`sent`, `being sent`, `held`, `called off`, `empty`, …"""
    ledger: ledger.Ledger
    to_send: int
    percent: int
    """Of those to send to, who were sent to; rounded down."""

    @property
    def share(self) -> str:
        """`812 of 830, 97%`."""
        if not self.to_send:
            return ""
        return f"{self.ledger.sent:,} of {self.to_send:,}, {self.percent}%"


def title_of(edition: Edition) -> str:
    """`Sunday, Nov 29, 2026` or `Week 48, 2026`."""
    if edition.frequency == edition_draft.WEEKLY:
        return schedule.week_name(edition.date)
    return f"{schedule.weekday_name(edition.date)}, {date_format(edition.date, 'DATE_FORMAT')}"


def kind_of(edition: Edition) -> str:
    """`Daily`, `Weekly`, or `Daily, the sample`."""
    kind = str(edition.get_frequency_display())
    return f"{kind}, the sample" if edition.is_sample else kind


def with_counts(editions: QuerySet[Edition]) -> QuerySet[Edition]:
    """With all that `standing` needs, in one more query."""
    return editions.prefetch_related("counts")


def standing(edition: Edition) -> Standing:
    """Asks the database nothing where the edition came by `with_counts`."""
    kept = {(count.state, count.reason): count.number for count in edition.counts.all()}
    found = ledger.from_counts(edition, kept, due=edition.counted_due)
    to_send = found.to_send
    percent = found.sent * 100 // to_send if to_send else 0
    return Standing(_state(edition, found), found, to_send, percent)


def _state(edition: Edition, found: ledger.Ledger) -> str:
    if edition.dropped_at:
        return "called off"
    if edition.held_at:
        return "held"
    if not edition.paper_count:
        return "empty"
    if not edition.due_count:
        return "closed, nobody was due yet"
    if edition.counted_at is None or found.pending or edition.counted_due != edition.due_count:
        return "being sent"
    return f"sent, {found.uncertain:,} in doubt" if found.uncertain else "sent"


def held_by(edition: Edition) -> str:
    """Who holds it, in words; "" where it is not held."""
    if edition.held_at is None:
        return ""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Edition),
        object_id=str(edition.pk),
        action_time__gte=edition.held_at,
        change_message__startswith=HELD,
    )
    entry = entries.select_related("user").order_by("action_time").first()
    if entry is None:
        return "the watch over sends"
    name = entry.user.get_username()
    return name if name.startswith(logbook.BY_COMMAND) else f"{name}, at the desk"


def page(model_admin: ModelAdmin[Any], request: HttpRequest, edition: Edition) -> HttpResponse:
    """The edition; the caller has seen to it that it may be looked at."""
    now = standing(edition)
    goes = stops.some_way_goes(health.of_all(timezone.now()))
    may = request.user.has_perm
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{kind_of(edition)} edition",
        "name": title_of(edition),
        "edition": edition,
        "now": now,
        "sending": sending.of(edition, goes=goes, may=may) if edition.due_count else None,
        "may_come": _may_come(edition),
        "held_by": held_by(edition),
        "began_at": _began_at(edition),
        "is_over": bool(edition.due_count) and not now.ledger.pending,
        "places": list(edition.places.select_related("paper").order_by("rank")),
        "may_edit": edition_draft.may_edit(request),
    }
    return render(request, "admin/digest/edition_closed.html", context)


def _may_come(edition: Edition) -> bool:
    """Whether more readers may be due for it: until the next one with papers is closed."""
    if not edition.paper_count or edition.dropped_at or edition.forgetting_at:
        return False
    later = Edition.objects.filter(
        frequency=edition.frequency, date__gt=edition.date, paper_count__gt=0
    )
    return not later.exists()


def _began_at(edition: Edition) -> datetime | None:
    """When one of its first batches was offered to a provider; None before, and once they are
    forgotten."""
    first = Batch.objects.filter(pk__range=batches.ids_of(edition)).order_by("pk")
    offered = first.values_list("offered_at", flat=True)[:_FIRST_BATCHES]
    return min((at for at in offered if at), default=None)
