"""The API as one thing: its operations, how it reads bodies and tells errors, and its description
(OpenAPI 3.1)."""

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser

from . import docs, problems, reading, subscribing

DESCRIPTION = """\
The archive of papers, its editions and topics, and a way to subscribe. Lists go on at `next`: pass it
as `cursor`. Errors are problem details (RFC 9457). Reading is open to every origin (CORS)."""

_WORDS = {
    "400": "The request can’t be read",
    "404": "There is no such thing",
    "411": "The body does not say its length",
    "413": "The body is too long",
    "415": "The body is not `application/json`",
    "422": "A value is not as described; `errors` has its place",
    "429": "Too many requests; `Retry-After` says when to come back",
    "500": "Our fault",
}
_ALWAYS = ("400", "429", "500")


class _JsonParser(Parser):
    """Takes bodies that say that they are JSON, and no others: a form of another site can't."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise HttpError(415, "The body must be application/json.")
        return json.loads(request.body)


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
        if "description" in parameter["schema"]:
            parameter["description"] = parameter["schema"]["description"]
    told = {str(status): answer for status, answer in operation["responses"].items()}
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for status in {*_ALWAYS, *(["422"] if operation["parameters"] else []), *told}:
        if status >= "400":
            told[status] = {
                "description": _WORDS[status],
                "content": {problems.CONTENT_TYPE: problem},
            }
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
    docs=docs.Page(),
)
api.add_router("", reading.router, tags=["Reading"])
api.add_router("", subscribing.router, tags=["Subscribing"])
api.exception_handler(ValidationError)(problems.of_validation)
api.exception_handler(HttpError)(problems.of_http_error)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.problem(request, 404, str(error))
