"""The send of an edition in the admin: held and released by hand; and who is due in the next days."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from digest.delivery import because as reasons
from digest.delivery import dropping, figures
from digest.delivery.due import expecting
from digest.delivery.watching import watch
from digest.errors import UnfitReasonError
from digest.models import Edition
from digest.tasks import count_expected, wake_senders
from subscriptions.models import Subscriber

from . import edition_draft

logger = logging.getLogger(__name__)

_TITLES = {"hold": "Hold", "release": "Release", "drop": "Call off"}
_DAYS = ("Today, from now on", "Tomorrow", "The day after")
_RELOAD_AFTER = 5
"""Seconds after which the page looks whether readers are counted."""


def hold(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks why, then holds the send."""
    edition, back = _edition(request, edition_id)
    given = request.POST.get("because", "")
    if request.method != "POST":
        return _confirm(model_admin, request, edition, does="hold")
    try:
        because = reasons.cleaned(given)
    except UnfitReasonError as error:
        return _confirm(model_admin, request, edition, does="hold", said=str(error), because=given)
    if watch.hold(edition, because=because, now=timezone.now()):
        model_admin.log_change(request, edition, f"Held: {because}")
        messages.success(request, f"The edition {edition.name} is held.")
    else:
        messages.info(request, f"The edition {edition.name} was held already.")
    return back


def release(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks once more, then sends on."""
    edition, back = _edition(request, edition_id)
    if request.method != "POST":
        return _confirm(model_admin, request, edition, does="release")
    because = edition.held_because
    if watch.release(edition):
        model_admin.log_change(request, edition, f"Released; it was held: {because}")
        messages.success(request, f"The edition {edition.name} is sent on.")
        wake_senders()
    else:
        messages.info(request, f"The edition {edition.name} was not held.")
    return back


def drop(model_admin: ModelAdmin[Any], request: HttpRequest, edition_id: int) -> HttpResponse:
    """Asks once more, then calls the edition off."""
    edition, back = _edition(request, edition_id)
    if request.method != "POST":
        waiting = figures.ledger_of(edition).pending
        return _confirm(model_admin, request, edition, does="drop", waiting=waiting)
    because = edition.held_because
    if dropping.drop(edition, timezone.now(), most=dropping.AT_ONCE):
        model_admin.log_change(request, edition, f"Called off; it was held: {because}")
        messages.success(request, f"The edition {edition.name} is called off.")
    else:
        messages.info(request, f"The edition {edition.name} was not held.")
    return back


def _edition(request: HttpRequest, edition_id: int) -> tuple[Edition, HttpResponse]:
    if not edition_draft.may_edit(request):
        raise PermissionDenied
    edition = get_object_or_404(Edition, pk=edition_id)
    page = reverse("admin:digest_edition_change", args=[edition.pk])
    return edition, HttpResponseRedirect(page)


def _confirm(
    model_admin: ModelAdmin[Any], request: HttpRequest, edition: Edition, **what: Any
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"{_TITLES[what['does']]} {edition.name}",
        "edition": edition,
        "longest_reason": reasons.LONGEST,
        **what,
    }
    return render(request, "admin/digest/edition_hold.html", context)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a table with a bar beside its number."""

    name: str
    number: int
    length: int
    """Of 100."""


def expected(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """What will go: readers of the next days by hour, by rhythm and by topic."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    now = timezone.now()
    found = expecting.kept(now)
    if found is None or found.is_old(now):
        _count_anew()
    rhythms = dict(Subscriber.Frequency.choices)
    days = [
        {
            "day": each.day,
            "name": name,
            "readers": each.readers,
            "hours": _bars({f"{hour:02}:00": each.hours[hour] for hour in sorted(each.hours)}),
            "rhythms": [(rhythms[key], number) for key, number in each.rhythms.most_common()],
            "topics": _bars(dict(each.topics.most_common())),
        }
        for each, name in zip(found.days if found else (), _DAYS, strict=False)
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "What will go",
        "days": days,
        "counted_at": found.counted_at if found else None,
        "reload_after": _RELOAD_AFTER,
        "minutes": expecting.COUNTED_EVERY // timedelta(minutes=1),
        "coming": edition_draft.coming(now),
    }
    return render(request, "admin/digest/edition_expected.html", context)


def _count_anew() -> None:
    """In the background: nobody waits for a million readers to be counted. At most one a minute."""
    try:
        if cache.add("expected-digests-asked", 1, timeout=60):
            count_expected.delay()
    except (OperationalError, RedisError, OSError):
        logger.warning("broker or cache is away, readers are not counted anew")


def _bars(numbers: Counter[str] | dict[str, int]) -> list[Bar]:
    most = max(numbers.values(), default=0)
    return [
        Bar(name, number, round(100 * number / most)) for name, number in numbers.items() if number
    ]
