"""Sentry, loaded only where SENTRY_DSN is set: errors go there, and nothing about a reader with them.

What was asked for (body, query, cookies, headers, path) is left out, values of variables are never
gathered, and every text that is left is masked as in our logs.
"""

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import ignore_logger

from digest import logs

_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
_ASKED = ("method", "route")
"""All that stays of a request."""
_CALLED = ("http.method", "status_code", "reason")
"""And of a call of ours, beside its host."""


def start(dsn: str, *, environment: str) -> None:
    """Afterwards errors of this process, and ERROR records of its log, are reported."""
    version = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    # Who forges a call is refused and logged; that is no error of ours.
    ignore_logger("django.security.*")
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=f"daily-papers@{version}",
        # Others would be loaded for every library that is here.
        auto_enabling_integrations=False,
        integrations=[DjangoIntegration(transaction_style="url"), CeleryIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=scrubbed,
        before_breadcrumb=_masked_crumb,
        shutdown_timeout=2,
    )


def scrubbed(event: Any, _hint: Any = None) -> Any:
    """The event without what a reader sent, and with every text in it masked."""
    asked = event.pop("request", {})
    event["request"] = {name: asked[name] for name in _ASKED if name in asked}
    event.pop("user", None)
    if request_id := logs.values().get("request_id"):
        event.setdefault("tags", {})["request_id"] = request_id
    # Ids that Sentry made are 32 letters, and stay.
    return logs.all_masked(event)


def _masked_crumb(crumb: Any, _hint: Any = None) -> Any:
    """What happened before an error; of an address that was called nothing stays but the host, since
    its path may be a secret, as that of a webhook is."""
    data = crumb.get("data") or {}
    if "url" in data:
        parts = urlsplit(str(data["url"]))
        host = parts.netloc.rpartition("@")[2]
        kept = {name: value for name, value in data.items() if name in _CALLED}
        crumb["data"] = kept | {"url": f"{parts.scheme}://{host}"}
    return logs.all_masked(crumb)
