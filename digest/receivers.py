"""Anymail's webhooks and its tracking signal: translates events, has them stored, wakes a worker."""

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import Any

from anymail.exceptions import AnymailError
from anymail.signals import tracking
from celery import current_app
from django.conf import settings
from django.core.exceptions import (
    ImproperlyConfigured,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.dispatch import receiver
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
)
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from kombu.exceptions import OperationalError

from digest.delivery.esp import providers
from digest.delivery.feedback import intake, refusals, signing, watched
from subscriptions import limits

logger = logging.getLogger(__name__)

WAKE_SECONDS = 1.0
"""A process wakes a worker at most so often, and so long before the worker looks: what comes in
meanwhile is there by then."""
_PATIENCE = 60.0
"""Seconds without a try when the broker is away; the sweep finds what is stored."""

_gathered: ContextVar[list[intake.Report] | None] = ContextVar("gathered", default=None)
"""The events of the call that is being answered."""


@receiver(tracking)
def receive_event(event: Any, esp_name: str, **_: Any) -> None:
    """Anymail has checked the signature and the shared secret before it calls this, once an event;
    the events of one call are stored together."""
    if event.recipient == intake.PROBE:
        logger.info("webhook tried", extra={"provider": esp_name})
        return
    report = _report(event, esp_name)
    gathered = _gathered.get()
    if gathered is None:
        intake.store(watched.without([report]))
    else:
        gathered.append(report)


def _report(event: Any, esp_name: str) -> intake.Report:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    kind, reason = _verdict(event, esp_name)
    return intake.Report(
        provider=esp_name.lower().replace(" ", "_"),
        event_id=str(event.event_id or ""),
        type=kind,
        metadata={str(key): str(value) for key, value in metadata.items()},
        occurred_at=event.timestamp,
        reject_reason=reason,
        description=_words(event.description, event.mta_response),
    )


def _words(*said: object) -> str:
    """What was said, each once."""
    texts = dict.fromkeys(str(each).strip() for each in said if each)
    return " ".join(texts)


def _verdict(event: Any, esp_name: str) -> tuple[str, str]:
    """Anymail's type and reject reason, corrected where it files soft bounces under hard ones, or
    can't tell, though the ESP can."""
    kind, reason = str(event.event_type or "unknown"), str(event.reject_reason or "")
    tell = _IS_HARD.get(esp_name)
    if kind != "bounced" or tell is None or not isinstance(event.esp_event, Mapping):
        return kind, reason
    is_hard = tell(event.esp_event)
    if is_hard is None:
        return kind, reason
    return ("bounced", reason or "bounced") if is_hard else ("deferred", reason)


def _said(hard: str, soft: str, *keys: str) -> Callable[[Mapping[str, Any]], bool | None]:
    """Reads what stands under the keys, one inside the other: True for `hard`, False for `soft`,
    which may be several."""
    verdicts = {hard: True} | dict.fromkeys(soft.split("|"), False)

    def tell(raw: Mapping[str, Any]) -> bool | None:
        value: Any = raw
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return verdicts.get(str(value))

    return tell


_IS_HARD: Mapping[str, Callable[[Mapping[str, Any]], bool | None]] = {
    "Amazon SES": _said("Permanent", "Transient|Undetermined", "bounce", "bounceType"),
    "Brevo": _said("hard_bounce", "soft_bounce", "event"),
    "MailerSend": _said("activity.hard_bounced", "activity.soft_bounced", "type"),
    "Mailjet": _said("True", "False", "hard_bounce"),
    "Postmark": _said("HardBounce", "SoftBounce", "Type"),
    "Resend": _said("Permanent", "Transient|Undetermined", "data", "bounce", "type"),
    "SendGrid": _said("bounce", "blocked", "type"),
}


class _Waker:
    """Tells a worker that there are events, not once an event."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def wake(self) -> None:
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + WAKE_SECONDS
        try:
            current_app.send_task("digest.tasks.apply_events", countdown=WAKE_SECONDS, expires=60)
        except OperationalError:
            self._next_at = now + _PATIENCE
            logger.warning("broker is away, events wait for the sweep")


_waker = _Waker()


# What Anymail raises where a body is JSON of another form, or none: it was made for what providers say.
_UNREADABLE = (
    AnymailError,
    AssertionError,  # of Unisender Go's events, where there are none
    AttributeError,
    LookupError,
    OSError,  # of a time that no clock has
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


@cache
def _view_of(name: str) -> Callable[..., HttpResponseBase]:
    """What Anymail has for the provider's events. Loaded with the first of them: the libraries of all
    providers take a quarter of the time in which a process starts."""
    module = vars(import_module(f"anymail.webhooks.{name}"))
    (view,) = (module[each] for each in module if each.endswith("TrackingWebhookView"))
    return view.as_view()  # type: ignore[no-any-return]  # Anymail has no types


def _gathering(name: str) -> Callable[..., HttpResponseBase]:
    """The answer of Anymail's view, once all events of the call are committed; where they can't be stored it is
    a 500, after which the ESP tries again. 404 for a provider whose settings are not there, among them
    what proves that it calls; 400 for what nobody can read, or was signed too long ago.
    """

    @csrf_exempt
    def wrapped(request: HttpRequest) -> HttpResponseBase:
        if not signing.is_provable(name):
            raise Http404
        view = _view_of(name)
        reports: list[intake.Report] = []
        token = _gathered.set(reports)
        try:
            answer = view(request)
            stale = bool(reports) and signing.is_stale(request, str(reports[0].provider))
        except ImproperlyConfigured as error:
            raise Http404 from error
        except (SuspiciousOperation, Http404):
            raise
        except _UNREADABLE as error:
            logger.warning(
                "webhook can't be read",
                extra={"path": request.path_info, "error": type(error).__name__},
            )
            return HttpResponseBadRequest()
        finally:
            _gathered.reset(token)
        if stale:
            logger.warning("webhook call is stale", extra={"provider": reports[0].provider})
            return HttpResponse(status=HTTPStatus.BAD_REQUEST)
        if kept := watched.without(reports):
            intake.store(kept)
            _waker.wake()
        return answer

    return wrapped


_NAMES = frozenset(providers.PROVIDERS) - frozenset(providers.MIME_PROVIDERS)
"""The providers', which stand first in their addresses."""

urlpatterns: list[URLPattern] = [
    path(f"{name}/tracking/", _gathering(name), name=f"{name}_tracking_webhook")
    for name in sorted(_NAMES)
]
"""Anymail's addresses for events, as they are; we take no mail in."""

_PREFIX = "/webhooks/"
_VIEWS = {f"{_PREFIX}{pattern.pattern}": pattern.callback for pattern in urlpatterns}


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if limits.has_unknown_length(request):
        return HttpResponse(status=refusals.NO_LENGTH)
    return HttpResponse(status=refusals.TOO_LARGE) if _is_large(request) else None


def _is_large(request: HttpRequest) -> bool:
    """Whether the body is longer than any that is read; a form with files would be read all the same."""
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return not (length.isascii() and length.isdigit() and len(length) < 12) or int(length) > most  # noqa: PLR2004


def _status(error: Exception) -> int:
    if isinstance(error, RequestDataTooBig):
        return refusals.TOO_LARGE
    return HTTPStatus.NOT_FOUND if isinstance(error, Http404) else HTTPStatus.BAD_REQUEST


def _note_refusal(request: HttpRequest, status: int) -> None:
    """Counts what a provider posted and we did not take, also to an address that is not quite right."""
    name = request.path_info.removeprefix(_PREFIX).partition("/")[0]
    is_ours = request.method == "POST" and request.path_info.startswith(_PREFIX)
    if is_ours and name in _NAMES and 400 <= status < 500:  # noqa: PLR2004  HTTP's client errors
        refusals.note(name, status, timezone.now())


def short_way(answer: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware that answers webhooks before what only pages need: sessions, messages, CSRF and
    content policies. All of a morning's events come within minutes, each by a call of its own."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        view = _VIEWS.get(request.path_info)
        found: HttpResponseBase
        if view is None:
            found = answer(request)
            _note_refusal(request, found.status_code)
            return found
        try:
            found = _refusal(request) or view(request)
        except (RequestDataTooBig, SuspiciousOperation, Http404) as error:
            _note_refusal(request, _status(error))
            raise
        _note_refusal(request, found.status_code)
        # Or gunicorn would send it in pieces.
        found.headers.setdefault("Content-Length", str(len(getattr(found, "content", b""))))
        return found

    return middleware
