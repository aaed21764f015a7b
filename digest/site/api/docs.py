"""The description as a page to read: in the looks of the site, without scripts, and in the same words
as the OpenAPI document, which it is made from."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

EXAMPLES = {
    "list_papers": "?topic=agents&limit=5",
    "list_editions": "?frequency=weekly",
    "list_topics": "",
    "search_papers": "?q=language+models",
}
"""Requests that find something on most sites, by operation."""


class Page(DocsBase):
    """What Ninja asks for the page of its `docs_url`."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Every operation with what it takes and answers."""
        described = api.get_openapi_schema(path_params=kwargs)
        operations = [
            _operation(method, path, told)
            for path, methods in described["paths"].items()
            for method, told in methods.items()
        ]
        context = {
            "operations": operations,
            "canonical": f"{settings.SITE_URL}{request.path}",
            "openapi_url": reverse(f"{api.urls_namespace}:openapi-json"),
            "site_url": settings.SITE_URL,
        }
        return render(request, "web/site/api_docs.html", context)


def _operation(method: str, path: str, told: dict[str, Any]) -> dict[str, Any]:
    name = told["operationId"]
    return {
        "name": name,
        "method": method.upper(),
        "path": path,
        "summary": told["summary"],
        "description": _marked(told.get("description", "")),
        "parameters": [
            (
                parameter["name"],
                _kind(parameter["schema"]),
                _marked(parameter.get("description", "")),
            )
            for parameter in told["parameters"]
        ],
        "answers": [
            (status, _marked(answer["description"])) for status, answer in told["responses"].items()
        ],
        "example": f"{path}{EXAMPLES[name]}" if name in EXAMPLES else "",
    }


def _kind(schema: dict[str, Any]) -> str:
    """What a value looks like, in a few words."""
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if "minimum" in schema:
        usual = _("%(value)s by itself") % {"value": schema["default"]}
        return f"{schema['minimum']} … {schema['maximum']}, {usual}"
    return "YYYY-MM-DD" if schema.get("format") == "date" else _("text")


def _marked(text: str) -> str:
    """The description's Markdown, of which we use the backticks alone, as HTML."""
    marks = ("{}", "<code>{}</code>")
    parts = text.split("`")
    return format_html("".join(marks[n % 2] for n in range(len(parts))), *parts)
