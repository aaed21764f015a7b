"""What browsers are told that a page of ours may do, and may not."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_ERRORS = {404, 500}
Answer = Callable[[HttpRequest], HttpResponseBase]

DESK = "/admin/"

# A page loads our stylesheet, script and pictures, asks and posts to us, and frames a mail of the
# outbox; a page that shows a mail sets a policy of its own.
CONTENT_POLICY: Mapping[str, Any] = {
    "EXCLUDE_URL_PREFIXES": [DESK],
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "connect-src": ["'self'"],
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-src": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    },
}

# The desk's theme has its styles in the page and has Alpine run what its attributes say, which takes
# `unsafe-eval`: HTML that gets into a page of the desk is script there, with an `x-init`. This keeps out
# scripts of other hosts and those that stand in the page, so all text has to be escaped.
DESK_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

# What a browser can do that no page of ours needs, nor a page in a frame of ours.
NOT_NEEDED: Mapping[str, list[str]] = {
    "accelerometer": [],
    "autoplay": [],
    "camera": [],
    "display-capture": [],
    "encrypted-media": [],
    "geolocation": [],
    "gyroscope": [],
    "hid": [],
    "idle-detection": [],
    "local-fonts": [],
    "magnetometer": [],
    "microphone": [],
    "midi": [],
    "payment": [],
    "screen-wake-lock": [],
    "serial": [],
    "usb": [],
    "xr-spatial-tracking": [],
}

# Of what is no page: problems of the API, answers to webhooks, files.
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def middleware(answer: Answer) -> Answer:
    """No other site may load what we answer into a page of its own (CORP), but where a view says
    otherwise; and whatever comes without a policy has one."""

    def closed(request: HttpRequest) -> HttpResponseBase:
        response = answer(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        # Django's own pages of errors (DEBUG) have their styles in them.
        is_shown = settings.DEBUG and response.status_code in _ERRORS
        if "Content-Security-Policy" not in response.headers and not is_shown:
            is_desk = request.path_info.startswith(DESK)
            response["Content-Security-Policy"] = DESK_POLICY if is_desk else NOTHING
            response.headers.setdefault("X-Frame-Options", "DENY")
        return response

    return closed
