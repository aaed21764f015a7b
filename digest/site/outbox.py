"""The local outbox in the browser: each mail as HTML, as text and as source."""

import email
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from digest.delivery.esp import local_outbox

from . import presenting
from .digests import MAIL_POLICY

_VIEWS = ("html", "text", "source")


@dataclass(frozen=True, slots=True)
class Mail:
    key: str
    subject: str
    to: str
    sent_at: datetime | None


def _only_here(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view in embedded mode; elsewhere, whatever is asked and by whom, there is no such page."""

    # Or a form without a token would be told 403. None of these pages takes one.
    @csrf_exempt
    @wraps(view)
    def shown(request: HttpRequest, **which: str) -> HttpResponse:
        if not settings.DEBUG or "outbox" not in settings.EMAIL_PROVIDERS:
            raise Http404
        return view(request, **which)

    return shown


@_only_here
@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """All mails, the newest first."""
    box = local_outbox.maildir()
    # A Maildir key begins with the time of arrival.
    keys = sorted(box.iterkeys(), key=_arrival, reverse=True)
    page = presenting.page_of(keys, request.GET.get("page"))
    context = {"mails": [_summary(key) for key in page.object_list], "page": page, "page_query": ""}
    return render(request, "web/site/outbox.html", context)


def _arrival(key: str) -> tuple[int, str]:
    seconds, _, rest = key.partition(".")
    return (int(seconds) if seconds.isdigit() else 0, rest)


def _source(key: str) -> bytes:
    try:
        return local_outbox.maildir().get_bytes(key)
    except (KeyError, OSError, ValueError) as error:
        raise Http404 from error


def _read(key: str) -> EmailMessage:
    return email.message_from_bytes(_source(key), policy=policy.default)


def _summary(key: str) -> Mail:
    mail = _read(key)
    sent_at = parsedate_to_datetime(mail["Date"]) if mail["Date"] else None
    return Mail(key, str(mail["Subject"] or ""), str(mail["To"] or ""), sent_at)


@_only_here
@require_safe
@never_cache
def mail(request: HttpRequest, key: str, view: str = "html") -> HttpResponse:
    """One mail, looked at in one of three ways."""
    if view not in _VIEWS or "/" in key:
        raise Http404
    found = _read(key)
    part = found.get_body(("plain",))
    context = {
        "mail": _summary(key),
        "view": view,
        "views": _VIEWS,
        "text": part.get_content() if part else "",
        "source": _source(key).decode("utf-8", "replace") if view == "source" else "",
    }
    return render(request, "web/site/outbox_mail.html", context)


@_only_here
@require_safe
@never_cache
@xframe_options_sameorigin
def body(request: HttpRequest, key: str) -> HttpResponse:
    """The HTML part as a mail reader shows it: no scripts, nothing remote."""
    part = _read(key).get_body(("html",))
    if part is None:
        raise Http404
    response = HttpResponse(part.get_content())
    response["Content-Security-Policy"] = f"{MAIL_POLICY}; frame-ancestors 'self'"
    return response
