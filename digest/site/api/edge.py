"""The middleware that holds for every answer under `/api/`: limits on the way in; on the way out
problem details, what other origins may read, and what may be kept."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, set_response_etag
from django.utils.translation import get_language_from_request, override

from subscriptions import limits

from . import problems

Answer = Callable[[HttpRequest], HttpResponseBase]

PREFIX = "/api/"
MOST_BYTES = 16_384
"""No body that we take needs more."""
KEPT_SECONDS = 60
_PREFLIGHT_SECONDS = 86_400
_READING = ("GET", "HEAD")


def middleware(answer: Answer) -> Answer:
    """What is not under `/api/` passes through."""

    def at_the_edge(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return answer(request)
        # Before a language is chosen for the request: a thread still has that of the last one.
        with override(get_language_from_request(request)):
            refusal = _refusal(request)
        response = refusal or _answer(request, answer)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            response = _as_problem(request, response)
        return _finished(request, response)

    return at_the_edge


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    if request.method in _READING and (seconds := limits.seconds_until_api(request)):
        return problems.too_many(request, seconds=seconds)
    if limits.has_unknown_length(request):
        detail = "The length of the body has to be said."
        return problems.problem(request, HTTPStatus.LENGTH_REQUIRED, detail)
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        length = 0
    if length > MOST_BYTES:
        detail = f"The body may have {MOST_BYTES} bytes."
        return problems.problem(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return None


def _answer(request: HttpRequest, answer: Answer) -> HttpResponseBase:
    if request.method != "HEAD":
        return answer(request)
    # Ninja's operations know GET alone.
    request.method = "GET"
    try:
        return answer(request)
    finally:
        request.method = "HEAD"


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Django's own pages for errors become problem details, with the methods that are allowed."""
    if request.method == "OPTIONS" and response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        told: HttpResponseBase = HttpResponse(status=HTTPStatus.NO_CONTENT)
    elif response.headers.get("Content-Type") == problems.CONTENT_TYPE:
        told = response
    else:
        told = problems.problem(request, response.status_code)
    if "Allow" in response.headers:
        told["Allow"] = _allowed(response["Allow"])
    return told


def _allowed(methods: str) -> str:
    return "GET, HEAD, OPTIONS" if "GET" in methods else f"{methods}, OPTIONS"


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    can_be_read = request.method in _READING
    if can_be_read and response.status_code == HTTPStatus.OK:
        response = _kept(request, response)
    else:
        patch_cache_control(response, no_store=True)
    if can_be_read or "GET" in response.headers.get("Allow", ""):
        _open_to_all(request, response)
    return _without_body(response) if request.method == "HEAD" else response


def _kept(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """304 for a client that has it already."""
    patch_cache_control(response, public=True, max_age=KEPT_SECONDS)
    if not isinstance(response, HttpResponse):
        return response
    set_response_etag(response)
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _open_to_all(request: HttpRequest, response: HttpResponseBase) -> None:
    """Pages of other origins may read this: no cookie is looked at, and nothing changes by it."""
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Expose-Headers"] = "ETag, Retry-After"
    if request.method == "OPTIONS":
        response["Access-Control-Allow-Methods"] = "GET, HEAD"
        response["Access-Control-Allow-Headers"] = "If-None-Match"
        response["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)


def _without_body(response: HttpResponseBase) -> HttpResponseBase:
    """As GET would be answered, with its length, but for the body."""
    if isinstance(response, HttpResponse):
        length = len(response.content)
        response.content = b""
        response["Content-Length"] = str(length)
    return response
