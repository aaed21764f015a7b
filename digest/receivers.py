"""Anymail's webhooks and its tracking signal: translates an event and hands it on."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import anymail.urls
from anymail.signals import tracking
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from digest.delivery import events


@receiver(tracking)
def receive_event(event: Any, esp_name: str, **_: Any) -> None:
    """Anymail has checked the signature and the shared secret before it calls this."""
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    events.record(
        events.Report(
            provider=esp_name.lower().replace(" ", "_")[:20],
            event_id=str(event.event_id or "")[:200],
            type=str(event.event_type or "unknown"),
            metadata={str(key): str(value) for key, value in metadata.items()},
            occurred_at=event.timestamp,
            reject_reason=str(event.reject_reason or ""),
            description="" if event.description is None else str(event.description),
        )
    )


def _is_set_up(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """404 in the place of an error page, for a provider whose settings are not there."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except ImproperlyConfigured as error:
            raise Http404 from error

    return wrapped


urlpatterns: list[URLPattern] = [
    path(str(pattern.pattern), _is_set_up(pattern.callback), name=pattern.name)
    for pattern in anymail.urls.urlpatterns
    if str(pattern.name).endswith("_tracking_webhook")
]
"""Anymail's addresses for events, as they are; we take no mail in."""
