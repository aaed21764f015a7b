"""The send of an edition in the admin: held, released and called off by hand."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from digest.delivery import because as reasons
from digest.delivery import dropping, figures
from digest.delivery.watching import watch
from digest.errors import UnfitReasonError
from digest.models import Edition
from digest.tasks import wake_senders

from . import edition_closed, edition_draft
from .dashboard import stops

_TITLES = {"hold": "Hold", "release": "Release", "drop": "Call off"}


def hold(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks why, then holds the send."""
    edition, back = _edition(request, edition_id)
    given = request.POST.get("because", "")
    if request.method != "POST" or edition.held_at or edition.dropped_at:
        return _confirm(model_admin, request, edition, does="hold")
    try:
        because = reasons.cleaned(given)
    except UnfitReasonError as error:
        return _confirm(model_admin, request, edition, does="hold", said=str(error), because=given)
    with transaction.atomic():
        # Together: who holds it is read in the log.
        is_new = watch.hold(edition, because=because, now=timezone.now())
        if is_new:
            model_admin.log_change(request, edition, f"{edition_closed.HELD}{because}")
    if is_new:
        messages.success(request, f"Held {_name(edition)}.")
    else:
        messages.info(
            request, f"Nothing to do: {_name(edition)} was held already, or is called off."
        )
    return back


def release(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks once more, then sends on."""
    edition, back = _edition(request, edition_id)
    if request.method != "POST":
        return _confirm(model_admin, request, edition, does="release")
    seen, because = _seen(request, edition), edition.held_because
    with transaction.atomic():
        is_new = seen is not None and watch.release(edition, seen=seen)
        if is_new:
            model_admin.log_change(request, edition, f"Released; it was held: {because}")
    if not is_new:
        return _not_done(model_admin, request, edition, does="release") or back
    messages.success(request, f"Released {_name(edition)}: it is sent on.")
    wake_senders()
    return back


def drop(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks once more, then calls the edition off."""
    edition, back = _edition(request, edition_id)
    if request.method != "POST":
        return _confirm(model_admin, request, edition, does="drop")
    seen, because = _seen(request, edition), edition.held_because
    with transaction.atomic():
        # What waits is given up below, in steps of its own.
        is_new = seen is not None and dropping.drop(edition, timezone.now(), seen=seen, most=0)
        if is_new:
            model_admin.log_change(request, edition, f"Called off; it was held: {because}")
    if not is_new:
        return _not_done(model_admin, request, edition, does="drop") or back
    dropping.give_up(edition, most=dropping.AT_ONCE)
    messages.success(request, f"Called off {_name(edition)}.")
    return back


def _seen(request: HttpRequest, edition: Edition) -> datetime | None:
    """When the hold began, where it is the one that the form was about."""
    return edition.held_at if request.POST.get("held_at") == stops.hold_of(edition) else None


def _not_done(
    model_admin: ModelAdmin[Any], request: HttpRequest, edition: Edition, *, does: str
) -> HttpResponse | None:
    """Asks again, about the hold that is there now; None, with a line, where there is none."""
    edition.refresh_from_db()
    if edition.held_at:
        return _confirm(model_admin, request, edition, does=does, another=True)
    messages.info(request, f"Nothing to do: {_name(edition)} was not held.")
    return None


def _edition(request: HttpRequest, edition_id: int) -> tuple[Edition, HttpResponse]:
    if not edition_draft.may_edit(request):
        raise PermissionDenied
    edition = get_object_or_404(Edition, pk=edition_id)
    page = reverse("admin:digest_edition_change", args=[edition.pk])
    return edition, HttpResponseRedirect(page)


def _name(edition: Edition) -> str:
    kind = edition.get_frequency_display().lower()
    return f"the {kind} edition of {edition_closed.title_of(edition)}"


def _confirm(
    model_admin: ModelAdmin[Any], request: HttpRequest, edition: Edition, **what: Any
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{_TITLES[what['does']]} {_name(edition)}",
        "edition": edition,
        "name": _name(edition),
        "hold": stops.hold_of(edition),
        "waiting": figures.ledger_of(edition).pending if what["does"] == "drop" else 0,
        "held_by": edition_closed.held_by(edition),
        "longest_reason": reasons.LONGEST,
        **what,
    }
    return render(request, "admin/digest/edition_hold.html", context)
