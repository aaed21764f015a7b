"""The site as the world sees it: whether it answers at SITE_URL, over https, and takes one click."""

import socket
import ssl
import time
from urllib.parse import urlsplit

import requests
from django.conf import settings

from .findings import SECONDS, Asked, Findings, saying

_OK, _NOT_FOUND, _NOT_READY = 200, 404, 503
_REDIRECTS = range(300, 400)
_LEAST_DAYS = 14
_DAY = 86_400
_NOBODYS_TOKEN = "A" * 43
"""As long as those of unsubscribe links, and signed by nobody."""


def _get(path: str) -> requests.Response:
    return requests.get(f"{settings.SITE_URL}{path}", timeout=SECONDS, allow_redirects=False)


def check_site(asked: Asked) -> Findings:
    """It answers at SITE_URL, and finds database, broker and a worker."""
    ok, _, fail, _ = saying("site")
    url = settings.SITE_URL
    try:
        alive = _get("/healthz")
        if alive.status_code != _OK or alive.text != "ok":
            yield fail(
                f"{url}/healthz answers HTTP {alive.status_code}, not as we do",
                "Check SITE_URL, ALLOWED_HOSTS, and what the proxy passes on.",
            )
            return
        ready = _get("/readyz")
    except requests.exceptions.SSLError:
        yield fail(f"{url} has a certificate that is not believed", "Renew it, with its chain.")
        return
    except requests.RequestException as error:
        start = "make run" if settings.EMBEDDED else "Start the web process and its proxy."
        yield fail(f"{url} can't be reached ({type(error).__name__})", start)
        return
    if ready.status_code == _OK:
        yield ok(f"{url} answers")
    elif away := _away(ready):
        yield fail(f"{url} misses: {', '.join(away)}", "See what is said of them here.")
    else:
        yield fail(
            f"{url}/readyz answers HTTP {ready.status_code}, not as we do",
            "Check what the proxy passes on, and the web process' log.",
        )


def _away(ready: requests.Response) -> list[str]:
    """What an answer of ours says is missing; nothing where it is none of ours."""
    try:
        said = ready.json() if ready.status_code == _NOT_READY else None
    except ValueError:
        return []
    return [str(n) for n, state in said.items() if state != "ok"] if isinstance(said, dict) else []


def check_https(asked: Asked) -> Findings:
    """The certificate lasts, and browsers are told to insist on https."""
    ok, warn, fail, skipped = saying("https")
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme != "https":
        if settings.DEBUG:
            yield skipped("SITE_URL is http, which is enough for trying it")
        else:
            yield fail("SITE_URL is http: no mail reader offers one click", "Serve it by https.")
        return
    try:
        days = _days_left(str(parts.hostname), parts.port or 443)
        kept = _get("/").headers.get("Strict-Transport-Security", "")
    except (OSError, requests.RequestException) as error:
        yield fail(f"can't be spoken ({type(error).__name__})", "See what is said of site.")
        return
    if days < _LEAST_DAYS:
        yield warn(f"the certificate ends in {days} days", "See why it is not renewed by itself.")
    if "max-age=" not in kept or "max-age=0" in kept:
        yield warn("browsers are not told to insist on it", "Set SECURE_HSTS_SECONDS=31536000.")
    else:
        yield ok(f"the certificate lasts {days} days, and browsers insist on it")


def _days_left(host: str, port: int) -> int:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as link,
    ):
        ends = str((link.getpeercert() or {}).get("notAfter", ""))
    return int((ssl.cert_time_to_seconds(ends) - time.time()) // _DAY)


def check_one_click(asked: Asked) -> Findings:
    """A POST to an unsubscribe link reaches our page as mail readers send it (RFC 8058): over https,
    without a redirect, a cookie or a challenge. Its token is nobody's, so that it changes nothing."""
    ok, warn, fail, _ = saying("one_click")
    try:
        answer = requests.post(
            f"{settings.SITE_URL}/unsubscribe/{_NOBODYS_TOKEN}/",
            data={"List-Unsubscribe": "One-Click"},
            timeout=SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        yield fail(f"the link can't be reached ({type(error).__name__})", "See what site says.")
        return
    is_ours = answer.headers.get("X-Robots-Tag") == "noindex"
    if answer.status_code in _REDIRECTS:
        yield fail(
            "the link is redirected, which mail readers do not follow",
            "Set SITE_URL to the final address, and TRUSTED_PROXIES behind a proxy.",
        )
    elif answer.status_code != _NOT_FOUND or not is_ours:
        yield fail(
            f"something else answers the link (HTTP {answer.status_code})",
            "Let POST to /unsubscribe/ through the proxy, without a challenge or a login.",
        )
    elif urlsplit(settings.SITE_URL).scheme != "https" and not settings.DEBUG:
        yield warn("the link works, but by http, and is not offered", "Serve it by https.")
    else:
        yield ok("the link is reached, and takes a POST as it is")
