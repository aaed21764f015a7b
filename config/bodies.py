"""How large the body of a request may be: refused by its length, before a byte of it is read."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from subscriptions import limits

Answer = Callable[[HttpRequest], HttpResponseBase]

MOST_BYTES = 262_144
"""All of the preference centre, with every field full, is a tenth of it."""
_API = "/api/"
"""Says problems in its own form, by limits of its own."""
_DESK = "/admin/"
_DOOR = (f"{_DESK}login/", f"{_DESK}second-factor/")


def middleware(answer: Answer) -> Answer:
    """Who announces more than a form can hold, or not how much, is told so at once."""

    def measured(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_API):
            return answer(request)
        if limits.has_unknown_length(request):
            return _refusal(HTTPStatus.LENGTH_REQUIRED, "The length of the body has to be said.\n")
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        most = _most_of(request)
        if length.isdecimal() and int(length) > most:
            text = f"The body may have {most} bytes.\n"
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        return answer(request)

    return measured


def _most_of(request: HttpRequest) -> int:
    """In bytes. Providers report by the thousand, operators paste long lists of phrases; no more than is kept
    in memory, as files would be on the disk before anybody asks who sends them."""
    path = request.path_info
    is_inside = path.startswith(_DESK) and not path.startswith(_DOOR)
    has_session = settings.SESSION_COOKIE_NAME in request.COOKIES
    may_be_long = path.startswith("/webhooks/") or (is_inside and has_session)
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if may_be_long else MOST_BYTES


def _refusal(status: HTTPStatus, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
