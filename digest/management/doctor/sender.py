"""The way out and the way back: what each provider says of us, and whether its events come in."""

import time
from datetime import timedelta

import requests
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Max, Sum
from django.utils import timezone
from requests.auth import HTTPBasicAuth

from digest.delivery.esp import accounts, providers
from digest.delivery.feedback import signing, watched
from digest.errors import ProviderSettingsError
from digest.models import DayCount, Event
from digest.records import Finding

from . import probes
from .findings import SECONDS, Asked, Findings, saying

_OK = 200
_REFUSED = (400, 401, 403)
_NOT_FOUND = 404
_REDIRECTS = range(300, 400)
_QUIET = timedelta(days=2)


def check_providers(asked: Asked) -> Findings:
    """Each provider takes our key, and has nothing against us or the sender's domain."""
    _, _, fail, _ = saying("providers")
    for name in settings.EMAIL_PROVIDERS:
        if name not in providers.PROVIDERS:
            yield fail(f"{name} is no provider", "See docs/providers.md.")
            continue
        found = accounts.ask(name)
        yield Finding("providers", found.state, found.what, found.mend)


def check_tracking(asked: Asked) -> Findings:
    """Each provider is told with every message not to track, or has to be set so; and none reports opens
    or clicks all the same."""
    ok, warn, _, skipped = saying("tracking")
    try:
        for provider in providers.configured():
            name = provider.name
            if watched.was_told(name, timezone.now()):
                yield warn(
                    f"{name}: reported opens or clicks within a week, of which nothing is kept",
                    f"Switch open and click tracking off at {name}.",
                )
            elif provider.has_tracking:
                counted = (
                    ", but for clicks of readers who allow it" if settings.TRACK_CLICKS else ""
                )
                yield ok(f"{name}: is told with every message not to track{counted}")
            elif name in providers.MIME_PROVIDERS:
                yield ok(f"{name}: tracks nothing")
            else:
                yield skipped(
                    f"{name}: takes no word about tracking with a message, so it can't be seen from here",
                    f"Be sure that open and click tracking is off at {name}.",
                )
    except ProviderSettingsError:
        yield skipped("see providers")
    except DatabaseError:
        yield skipped("the database is away, or has no tables")


def by_api() -> list[str]:
    """The providers that report by webhook."""
    try:
        names = [provider.name for provider in providers.configured()]
    except ProviderSettingsError:
        return []
    return [name for name in names if name not in providers.MIME_PROVIDERS]


def check_webhooks(asked: Asked) -> Findings:
    """Each webhook can be reached from here, takes a signed event, and refuses a forged one."""
    _, _, _, skipped = saying("webhook")
    if not by_api():
        yield skipped(f"{', '.join(settings.EMAIL_PROVIDERS)} reports nothing by webhook")
    for name in by_api():
        yield _try(name)


def _try(name: str) -> Finding:
    _, _, fail, _ = saying("webhook")
    url = f"{settings.SITE_URL}/webhooks/{name}/tracking/"
    probe = probes.make(name, now=time.time())
    try:
        forged = _post(url, probes.forged(probe))
        taken = _post(url, probe) if probe.is_signed else None
    except requests.RequestException as error:
        reason = type(error).__name__
        return fail(f"{name}: {url} can't be reached ({reason})", "See what site says.")
    return _of_forged(name, forged) or _of_signed(name, taken)


def _of_forged(name: str, status: int) -> Finding | None:
    """What is wrong with the answer to a forged event; None for a refusal."""
    _, _, fail, _ = saying("webhook")
    if status in _REFUSED:
        return None
    if status == _OK:
        what = "anybody may report events"
        mend = "Set WEBHOOK_SECRET, or the provider's signing key, and restart."
    elif status == _NOT_FOUND and not signing.is_provable(name):
        what = "nothing would prove that it calls, so no event is taken"
        mend = "Set WEBHOOK_SECRET, or the provider's signing key, and restart."
    elif status == _NOT_FOUND:
        what = "there is no such page at SITE_URL"
        mend = "Restart the web process with the provider's settings, and check SITE_URL."
    elif status in _REDIRECTS:
        what = "is redirected, which no provider follows"
        mend = "Set SITE_URL to the final address, and TRUSTED_PROXIES behind a proxy."
    else:
        what = f"answers HTTP {status} to a forged event"
        mend = "See the log of the web process."
    return fail(f"{name}: {what}", mend)


def _of_signed(name: str, status: int | None) -> Finding:
    ok, warn, fail, _ = saying("webhook")
    if status is None:
        return warn(
            f"{name}: refuses what is forged; only the provider can sign what is not",
            "Let the provider send a test event, and see that it is taken.",
        )
    if status != _OK:
        return fail(
            f"{name}: refuses a signed event (HTTP {status})",
            "The web process has another secret or key, or something before it: restart it.",
        )
    return ok(f"{name}: takes a signed event and refuses a forged one")


def _post(url: str, probe: probes.Probe) -> int:
    """The status of the answer."""

    def with_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A function, or requests would look for a login in ~/.netrc where there is none.
        if probe.user:
            HTTPBasicAuth(probe.user, probe.password)(request)
        return request

    answer = requests.post(
        url,
        data=probe.body,
        headers=dict(probe.headers),
        auth=with_login,
        timeout=SECONDS,
        allow_redirects=False,
    )
    return answer.status_code


def check_events(asked: Asked) -> Findings:
    """Where mail went out lately, events came in."""
    ok, warn, _, skipped = saying("events")
    since = timezone.now() - _QUIET
    names = by_api()
    if not names:
        yield skipped("no provider reports by webhook")
    try:
        for name in names:
            # By its time and not by its number: this is asked once in a while.
            last = Event.objects.filter(provider=name).aggregate(at=Max("received_at"))["at"]
            days = DayCount.objects.filter(provider=name, day__gte=since.date())
            sent = days.aggregate(n=Sum("messages"))["n"] or 0
            if last is not None and last > since:
                yield ok(f"{name}: the last one came at {last:%Y-%m-%d %H:%M} UTC")
            elif sent:
                said = f"the last one on {last:%Y-%m-%d}" if last else "none ever"
                yield warn(
                    f"{name}: {sent:,} messages in two days and no event, {said}",
                    f"Give it {settings.SITE_URL}/webhooks/{name}/tracking/ for all events.",
                )
            else:
                yield skipped(f"{name}: nothing was sent lately that it could report on")
    except DatabaseError:
        yield skipped("the database is away, or has no tables")
