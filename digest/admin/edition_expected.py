"""What will go, in the admin: who is due in the next days, and which edition they would get."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from digest.delivery.due import expecting
from digest.delivery.due.expecting import EditionKey
from digest.models import Edition
from digest.tasks import count_expected
from subscriptions.models import Subscriber

from . import edition_draft

logger = logging.getLogger(__name__)

_DAYS = ("Today, from now on", "Tomorrow", "The day after")
_RELOAD_AFTER = 5
"""Seconds after which the page looks whether readers are counted."""
_ASKED = "expected-digests-asked"
_ONCE_IN = 60
"""Seconds in which they are counted once at most."""
_PATIENCE = timedelta(minutes=3)
"""How long it looks again by itself after the button."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a table with a bar beside its number."""

    name: str
    number: int
    length: int
    """Of 100."""
    said: str = ""
    url: str = ""


def page(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """Readers of the next days by edition, by hour, by rhythm and by topic; the button counts anew."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    now = timezone.now()
    if request.method == "POST":
        return _pressed(request, now)
    found = expecting.kept(now)
    if found is None or found.is_old(now):
        _count_anew()
    asked_at = _asked_at(request)
    is_waiting = asked_at is not None and (found is None or found.counted_at < asked_at)
    names = _Names(found.days if found else ())
    days = (
        [_shown(each, name, names) for each, name in zip(found.days, _DAYS, strict=False)]
        if found
        else []
    )
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "What will go",
        "days": days,
        "counted_at": found.counted_at if found else None,
        "is_waiting": is_waiting,
        "reloads": found is None or (is_waiting and asked_at and now - asked_at < _PATIENCE),
        "reload_after": _RELOAD_AFTER,
        "minutes": expecting.COUNTED_EVERY // timedelta(minutes=1),
        "coming": edition_draft.coming(now),
    }
    return render(request, "admin/digest/edition_expected.html", context)


def _pressed(request: HttpRequest, now: datetime) -> HttpResponse:
    address = reverse("admin:edition_expected")
    match _count_anew():
        case True:
            return HttpResponseRedirect(f"{address}?after={int(now.timestamp())}")
        case False:
            messages.info(request, "Readers were asked for within this minute; wait a moment.")
        case None:
            messages.error(request, "Not counted: the broker or the cache is away. Try it again.")
    return HttpResponseRedirect(address)


def _asked_at(request: HttpRequest) -> datetime | None:
    """When the button was pressed."""
    text = request.GET.get("after", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 11):  # noqa: PLR2004  until 2286
        return None
    return datetime.fromtimestamp(int(text), tz=timezone.get_current_timezone())


def _count_anew() -> bool | None:
    """In the background: nobody waits for a million readers to be counted. At most one a minute:
    False where that was less ago, None where it can't be asked for."""
    try:
        if not cache.add(_ASKED, 1, timeout=_ONCE_IN):
            return False
        try:
            count_expected.delay()
        except OperationalError:
            # Nobody was asked, so the next press need not wait.
            cache.delete(_ASKED)
            raise
    except (OperationalError, RedisError, OSError):
        logger.warning("broker or cache is away, readers are not counted anew")
        return None
    return True


class _Names:
    """Names and addresses of the editions that the days speak of. One query."""

    def __init__(self, days: Iterable[expecting.Day]) -> None:
        keys = {key for day in days for key in day.editions}
        rows = Edition.objects.filter(date__in={day for _, day in keys})
        self._closed = {(row.frequency, row.date): row for row in rows}

    def name(self, key: EditionKey) -> str:
        return edition_draft.title_of(Edition(frequency=key[0], date=key[1]))

    def names(self, keys: Iterable[EditionKey]) -> str:
        """`Nov 29, week 48`."""
        return ", ".join(_short(*key) for key in keys)

    def url(self, key: EditionKey) -> str:
        closed = self._closed.get(key)
        if closed:
            return reverse("admin:digest_edition_change", args=[closed.pk])
        return edition_draft.url_of(*key)

    def said(self, key: EditionKey) -> str:
        closed = self._closed.get(key)
        if closed is None:
            return "still open"
        return "closed" if closed.paper_count else "closed without papers: nothing of it goes"


def _short(frequency: str, day: date) -> str:
    if frequency == edition_draft.WEEKLY:
        return f"week {day.isocalendar().week}"
    return date_format(day, "SHORT_DATE_FORMAT")


def _shown(each: expecting.Day, name: str, names: _Names) -> dict[str, Any]:
    rhythms = dict(Subscriber.Frequency.choices)
    hours, editions, topics = each.hours, each.editions, each.topics
    return {
        "day": each.day,
        "name": name,
        "readers": each.readers,
        "editions": [
            _bar(
                names.name(key), number, editions.values(), said=names.said(key), url=names.url(key)
            )
            for key, number in editions.most_common()
        ],
        "hours": [
            _bar(
                f"{hour:02}:00",
                hours[hour],
                hours.values(),
                said=names.names(each.editions_of(hour=hour)),
            )
            for hour in sorted(hours)
        ],
        "rhythms": [
            _bar(
                str(rhythms[key]),
                number,
                each.rhythms.values(),
                said=names.names(each.editions_of(rhythm=key)),
            )
            for key, number in each.rhythms.most_common()
        ],
        "topics": [_bar(key, number, topics.values()) for key, number in topics.most_common()],
    }


def _bar(
    name: str, number: int, all_numbers: Iterable[int], *, said: str = "", url: str = ""
) -> Bar:
    return Bar(name, number, round(100 * number / max(all_numbers)), said, url)
