"""Errors as problem details (RFC 9457): one form for whatever goes wrong."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja.errors import HttpError, ValidationError

CONTENT_TYPE = "application/problem+json"
_INVALID = 422


def problem(request: HttpRequest, status: int, detail: str = "", **members: Any) -> HttpResponse:
    """The answer for an error. Its type is `about:blank`, which says no more than its status does,
    so its title is HTTP's own phrase."""
    body = {
        "type": "about:blank",
        "title": _phrase(status),
        "status": status,
        "detail": detail or _usual_detail(status),
        "instance": request.path,
        **members,
    }
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def _phrase(status: int) -> str:
    # RFC 9110 has renamed what older libraries still call otherwise.
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    return renamed.get(status) or HTTPStatus(status).phrase


def _usual_detail(status: int) -> str:
    details = {
        400: _("The request could not be read."),
        404: _("There is nothing at this address."),
        405: _("This address does not know this method."),
        500: _("Something went wrong on our side. It has been noted."),
    }
    return details.get(status) or _phrase(status)


def too_many(request: HttpRequest, *, seconds: int) -> HttpResponse:
    """The answer to a client that has asked too often; it says when to come back."""
    detail = _("Too many requests. Please come back later.")
    answer = problem(request, HTTPStatus.TOO_MANY_REQUESTS, detail)
    answer["Retry-After"] = str(seconds)
    return answer


def invalid(request: HttpRequest, errors: Iterable[dict[str, str]]) -> HttpResponse:
    """The answer to values that are not what the description asks for, each with its place."""
    detail = _("Some values are not as described.")
    return problem(request, _INVALID, detail, errors=list(errors))


def of_validation(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What Ninja found wrong: a `pointer` (RFC 6901) into the body, or the name of a `parameter`."""
    return invalid(request, map(_place_and_reason, error.errors))


def _place_and_reason(found: dict[str, Any]) -> dict[str, str]:
    where, name, *path = map(str, found["loc"])
    if where == "body":
        return {"pointer": "#" + "".join(f"/{step}" for step in path), "detail": found["msg"]}
    return {"parameter": name, "detail": found["msg"]}


def of_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What an operation, or the reader of its body, refused."""
    # Ninja wraps whatever its parser raises; ours knows better than that it is a bad request.
    cause = error.__cause__
    told = cause if isinstance(cause, HttpError) else error
    detail = _("The body is not JSON.") if told.status_code == HTTPStatus.BAD_REQUEST else str(told)
    return problem(request, told.status_code, detail)
