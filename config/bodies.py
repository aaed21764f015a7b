"""How large the body of a request may be: refused by its length, before a byte of it is read."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

Answer = Callable[[HttpRequest], HttpResponseBase]

MOST_BYTES = 262_144
"""All of the preference centre, with every field full, is a tenth of it."""
_OTHERS = ("/webhooks/", "/admin/", "/api/")
"""Have limits of their own: providers report by the thousand, operators paste long lists of phrases, and
the API says problems in its own form."""


def middleware(answer: Answer) -> Answer:
    """Who announces more than a form can hold is told so at once."""

    def measured(request: HttpRequest) -> HttpResponseBase:
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        is_too_long = length.isdecimal() and int(length) > MOST_BYTES
        if is_too_long and not request.path_info.startswith(_OTHERS):
            text = f"The body may have {MOST_BYTES} bytes.\n"
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
        return answer(request)

    return measured
