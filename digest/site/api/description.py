"""The API as one thing: its operations, how it reads bodies and tells errors, and its description
(OpenAPI 3.1) with a page that shows it."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser

from . import problems, reading, subscribing

DESCRIPTION = """\
The archive of papers, its editions and topics, and a way to subscribe. Lists go on at `next`: pass it
as `cursor`. Errors are problem details (RFC 9457). Reading is open to every origin (CORS)."""

# Swagger UI sets styles on its elements and draws its icons from data: addresses.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "400": "The request could not be read",
    "429": "Too many requests; `Retry-After` says when to come back",
    "500": "Our fault",
}


class _JsonParser(Parser):
    """Takes bodies that say that they are JSON, and no others: a form of another site can't."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise HttpError(415, "The body must be application/json.")
        return json.loads(request.body)


class _Docs(Swagger):
    template = "web/site/api_docs.html"


def _with_its_policy(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response["Content-Type"].startswith("text/html"):
            response["Content-Security-Policy"] = _DOCS_POLICY
        return response

    return wrapped


class _Api(NinjaAPI):
    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """Ninja's description, made true where it can't know: the errors that every operation may
        answer with, and their media type."""
        schema = super().get_openapi_schema(**kwargs)
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                _complete(operation, can_be_cached=method == "get")
        return schema

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The function's name: clients that are made from the description call it so."""
        return operation.view_func.__name__


def _complete(operation: dict[str, Any], *, can_be_cached: bool) -> None:
    for parameter in operation["parameters"]:
        _without_null(parameter["schema"])
    told = {str(status): answer for status, answer in operation["responses"].items()}
    if operation["parameters"]:
        told.setdefault("422", {"description": "Values that are not as described"})
    for status, words in _ALWAYS.items():
        told.setdefault(status, {"description": words})
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for status, answer in told.items():
        if status >= "400":
            answer["content"] = {problems.CONTENT_TYPE: problem}
    seconds = {"schema": {"type": "integer"}, "required": True}
    told["429"]["headers"] = {"Retry-After": seconds}
    if can_be_cached:
        told["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        told["304"] = {"description": "As the client has it already (`If-None-Match`)"}
    operation["responses"] = dict(sorted(told.items()))


def _without_null(schema: dict[str, Any]) -> None:
    """A query has no null: what may be left out is left out."""
    kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema |= kinds[0]
    if schema.get("default", 0) is None:
        del schema["default"]


api = _Api(
    title="Daily Papers",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    parser=_JsonParser(),
    docs=_Docs({"validatorUrl": None, "deepLinking": True}),
    docs_decorator=_with_its_policy,
)
api.add_router("", reading.router, tags=["Reading"])
api.add_router("", subscribing.router, tags=["Subscribing"])
api.exception_handler(ValidationError)(problems.of_validation)
api.exception_handler(HttpError)(problems.of_http_error)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.problem(request, 404, str(error))
