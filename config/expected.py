"""What settings must look like beyond being read: URLs, rates, addresses, ranges."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from . import door, logs
from .environment import Environment

_WEB = ("https", "http")
_SMTP = ("smtp", "smtps", "submission")
_SMTP_FORM = "smtp://user:password@host:587?tls=1"
_URLS = {
    "SITE_URL": (_WEB, "https://papers.example.org"),
    "REDIS_URL": (("redis", "rediss", "unix"), "redis://host:6379/0"),
    "SMTP_URL": (_SMTP, _SMTP_FORM),
    "ALARM_SMTP_URL": (_SMTP, _SMTP_FORM),
    "ALARM_WEBHOOK_URL": (_WEB, "https://host/path"),
    "HEARTBEAT_URL": (_WEB, "https://host/path"),
    "PRIVACY_URL": (_WEB, "https://host/path"),
    "HUGGING_FACE_URL": (_WEB, "https://host"),
    "ARXIV_API_URL": (_WEB, "https://host"),
    "ARXIV_RSS_URL": (_WEB, "https://host"),
}
_RATES = ("SIGNUP_RATE_ADDRESS", "SIGNUP_RATE_CLIENT", "API_RATE")
_ADDRESS = r"[^\s@<>,]+@[^\s@<>,]+"
_PATTERNS = {
    "REPLY_TO": (rf"({_ADDRESS}|[^<>\r\n]*<{_ADDRESS}>)", "one address"),
    "UNSUBSCRIBE_EMAIL": (_ADDRESS, "a bare address"),
    "OPERATOR_EMAIL": (_ADDRESS, "a bare address"),
    "SENTRY_DSN": (r"https?://[^\s@/]+@[^\s@/]+/(\S+/)?\d+", "like https://key@host/7"),
    "LIST_ID": (r"[^<>\r\n]{0,150}<[\w.-]{3,100}>", "like Daily <daily.example.org>"),
}
"""Of what may be empty."""
_IN_HEADERS = ("DEFAULT_FROM_EMAIL", "POSTMARK_MESSAGE_STREAM", *_URLS, *_PATTERNS)
"""What stands in a header, or is where one is sent: a line break would begin another."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORTS = {"PORT": 1, "METRICS_PORT": 0}
"""The lowest number that each may be."""
_MOST_PORTS = 65_535
_CATEGORY = re.compile(r"[a-z-]+(\.[A-Za-z-]+)?")


def check(env: Environment, values: Mapping[str, Any]) -> None:
    """Notes with `env` every one of the settings `values` that was read well but makes no sense.

    What could not be read at all is None here, and noted already.
    """
    for name in _RATES:
        env.expect_rate(name, values[name])
    for name, least in _PORTS.items():
        port = least if values[name] is None else values[name]
        form = f"a number from {least} to {_MOST_PORTS}"
        env.expect(name, that=least <= port <= _MOST_PORTS, form=form)
    for name, (schemes, form) in _URLS.items():
        env.expect_url(name, values[name], schemes=schemes, form=f"like {form}")
    for name in _IN_HEADERS:
        is_line = not _CONTROL.search(values[name] or "")
        env.expect(name, that=is_line, form="one line, without control characters")
    for name, (pattern, form) in _PATTERNS.items():
        text = values[name]
        env.expect(name, that=not text or bool(re.fullmatch(pattern, text)), form=form)
    env.expect(
        "LOG_LEVEL",
        that=values["LOG_LEVEL"] in logging.getLevelNamesMapping(),
        form="one of DEBUG, INFO, WARNING, ERROR",
    )
    env.expect(
        "LOG_FORMAT",
        that=values["LOG_FORMAT"] in logs.FORMATS,
        form=f"one of {', '.join(logs.FORMATS)}",
    )
    env.expect(
        "SECOND_FACTOR",
        that=values["SECOND_FACTOR"] in door.FACTORS,
        form=f"one of {', '.join(door.FACTORS)}",
    )
    env.expect(
        "ARXIV_CATEGORIES",
        that=all(_CATEGORY.fullmatch(name) for name in values["ARXIV_CATEGORIES"]),
        form="like cs.AI,cs.CL",
    )
    proxies = values["TRUSTED_PROXIES"] or 0
    env.expect("TRUSTED_PROXIES", that=proxies >= 0, form="a number from 0")
