"""What the pages behind signed links share: their headers, their evidence, their words."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from math import ceil
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django_stubs_ext import StrOrPromise

from subscriptions import addresses, forms, limits, schedule, selectors, services
from subscriptions.errors import TokenError, TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.records import Evidence
from subscriptions.tasks import wake_sender

View = Callable[..., HttpResponseBase]

LIKE_SECONDS = 0.05
RENEW = "renew"
"""The button that mails a link."""
MOST_HELD = 4
"""Answers that a process holds at once: half of its threads in deploy/."""
_MANY_MINUTES = 90
"""From here on a wait is told in hours."""
_holding = BoundedSemaphore(MOST_HELD)
_HOST = re.compile(r"[a-z0-9.-]{1,180}")

MAY_NOT_MAIL = gettext_lazy(
    "We may not mail this address any more: it bounced, or a mail was marked as spam."
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


def private_page(*methods: str) -> Callable[[View], View]:
    """A page whose link is its secret: not kept, not passed on, not indexed; 404 when forged.

    The link alone says who may act, so there is no CSRF cookie to check. A page elsewhere has nobody's
    browser act all the same, or it would be taken for that of whose link it was; mail providers, which
    are no browsers, may (RFC 8058).
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase
            if request.method == "POST" and is_from_elsewhere(request):
                response = render(request, "web/subscriptions/elsewhere.html", status=403)
            else:
                response = _answered(require_http_methods(methods)(view), request, *args, **kwargs)
            for name, value in _HEADERS.items():
                response[name] = value
            return response

        return csrf_exempt(wrapped)

    return decorate


def _answered(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, *args, **kwargs)
    except TokenError:
        return render(request, "web/subscriptions/broken_link.html", status=404)


def is_from_elsewhere(request: HttpRequest) -> bool:
    """Whether a page of another site has a browser ask for this."""
    return _is_of_ours(request) is False


def is_from_our_pages(request: HttpRequest) -> bool:
    """Whether a page of ours, and nothing else, has a browser ask for this."""
    return _is_of_ours(request) is True


def _is_of_ours(request: HttpRequest) -> bool | None:
    """Whether the page that asks is; None where nobody says which one, or no page does.

    Browsers name its site (Sec-Fetch-Site) to addresses that they trust, with https or on this machine,
    and its origin everywhere, but for pages that say no referrer: they have it say null.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return None if site == "none" else site == "same-origin"
    origin = request.headers.get("Origin", "null")
    return None if origin == "null" else origin == f"{request.scheme}://{request.get_host()}"


def in_like_time(view: View) -> View:
    """Answers a POST no sooner than LIKE_SECONDS, and a little at random: how long the database
    took would tell whether it knows the address.

    A form that comes back faster than people fill it in is answered when that time is over: where
    it was taken, which every client is allowed so often and no more, and where fewer
    than MOST_HELD wait, or many clients would leave no thread for readers.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        started = time.monotonic()
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            wanted = LIKE_SECONDS * random.uniform(1, 1.2)  # noqa: S311  noise, not a secret
            rest = max(wanted - (time.monotonic() - started), 0)
            is_taken = response.status_code == HTTPStatus.OK
            held = forms.seconds_to_wait(request.POST.get("stamp", "")) if is_taken else 0
            _wait(rest, held)
        return response

    return wrapped


def _wait(seconds: float, held: float) -> None:
    """So many seconds, or those to be held, if they are more and there is room for it."""
    if held <= seconds or not _holding.acquire(blocking=False):
        time.sleep(seconds)
        return
    try:
        time.sleep(held)
    finally:
        _holding.release()


def evidence(request: HttpRequest, text: StrOrPromise) -> Evidence:
    """How this request came about, for a consent record; the page without its token."""
    match = request.resolver_match
    return Evidence(
        ip_address=limits.client_address(request) or None,
        user_agent=request.headers.get("User-Agent", ""),
        page=f"/{match.route}" if match else "",
        text=str(text),
        text_version=forms.text_version(),
        language=get_language() or "",
    )


def sign_up_evidence(request: HttpRequest, headline: str = "") -> Evidence:
    """As `evidence`, with the page on which the form stood; of another site its name only.

    `headline` is what a form on another site, or in a frame there, said instead of ours. Our own pages
    have browsers say where they are; of a request that does not, the page is not known.
    """
    source = _split(request.headers.get("Referer", ""))
    if source.netloc == request.get_host():
        page = source.path
        # Of our own pages, that one alone has another.
        headline = headline if page == reverse("subscriptions:embed_form") else ""
    else:
        # A site may keep its pages to itself; its name comes with every form that it posts.
        host = source.hostname or _split(request.headers.get("Origin", "")).hostname or ""
        page = f"embed: {host}" if _HOST.fullmatch(host) else "unknown"
    return replace(evidence(request, forms.sign_up_text(headline)), page=page)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def slot_in_words(slot: datetime, zone: str, *, is_short: bool = False) -> str:
    """`Friday, August 21, at 07:30`, or without the `at`, in the reader's zone."""
    local = slot.astimezone(ZoneInfo(zone))
    words = _("%(day)s, %(time)s") if is_short else _("%(day)s, at %(time)s")
    return words % {"day": schedule.long_day(local), "time": f"{local:%H:%M}"}


def next_digest(subscriber: Subscriber, *, is_short: bool = False) -> str:
    """When the next digest comes, in words."""
    slot = selectors.next_digest_at(subscriber, timezone.now())
    return slot_in_words(slot, subscriber.timezone, is_short=is_short)


def zone_in_words(zone: str) -> str:
    """`Berlin time`."""
    if zone == "UTC":
        return "UTC"
    return _("%s time") % zone.rpartition("/")[2].replace("_", " ")


def expired(
    request: HttpRequest,
    error: TokenExpiredError,
    *,
    what: str,
    life: str,
    mail_new: Callable[[Subscriber], object] = services.request_link_for,
) -> HttpResponse:
    """The page for a link that has had its time, and what its button does: mail a new one."""
    subscriber = selectors.subscriber_with(error.holder.public_id)
    page = "web/subscriptions/expired.html"
    context = {"what": what, "life": life, "can_renew": subscriber is not None}
    if RENEW not in request.POST or subscriber is None:
        return render(request, page, context, status=410)
    return _mail_link(request, subscriber, page, context, mail_new)


def fresh_link(
    request: HttpRequest,
    subscriber: Subscriber,
    page: str = "web/subscriptions/fresh_link.html",
    **context: Any,
) -> HttpResponse:
    """The page for who holds a link that anybody may hold, and what its button does: a fresh one goes
    to the reader. It shows nothing that they chose; any other POST is refused."""
    context |= {"masked": addresses.masked(subscriber.email)}
    if request.method != "POST":
        return render(request, page, context)
    if RENEW not in request.POST:
        return render(request, page, context, status=403)
    return _mail_link(request, subscriber, page, context, services.request_link_for)


def _mail_link(
    request: HttpRequest,
    subscriber: Subscriber,
    page: str,
    context: dict[str, Any],
    mail_new: Callable[[Subscriber], object],
) -> HttpResponse:
    seconds = limits.seconds_until_client(request) or limits.seconds_until_mail(
        request, subscriber.email
    )
    if seconds:
        return too_many(request, page, context, seconds=seconds)
    mail_new(subscriber)
    wake_sender()
    return render(request, "web/subscriptions/link_sent.html", {"is_renewed": True})


def too_many(
    request: HttpRequest, page: str, context: dict[str, Any], *, seconds: int
) -> HttpResponse:
    """The same page again, with the line that says when to try again."""
    context = context | {"too_many": _try_again(seconds)}
    response = render(request, page, context, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(seconds)
    return response


def _try_again(seconds: int) -> str:
    """Rounded up, or a second try would come too early."""
    minutes, hours = ceil(seconds / 60), ceil(seconds / 3600)
    if minutes < _MANY_MINUTES:
        said = ngettext(
            "Too many tries for now. Please try again in %(number)d minute.",
            "Too many tries for now. Please try again in %(number)d minutes.",
            minutes,
        )
        return said % {"number": minutes}
    said = ngettext(
        "Too many tries for now. Please try again in %(number)d hour.",
        "Too many tries for now. Please try again in %(number)d hours.",
        hours,
    )
    return said % {"number": hours}


def masked_page(
    request: HttpRequest, name: str, subscriber: Subscriber, **context: Any
) -> HttpResponse:
    """A page about the subscriber, whose address it shows masked."""
    context |= {"subscriber": subscriber, "masked": addresses.masked(subscriber.email)}
    return render(request, f"web/subscriptions/{name}.html", context)
