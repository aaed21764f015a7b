"""One line a record, for people or as JSON: time, level, logger, the constant message, then what was
handed over or bound beside it. The last thing that happens to a line is that addresses and tokens
are masked in it, whoever wrote it.
"""

import logging
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponseBase
from pythonjsonlogger.json import JsonFormatter

from digest import logs

FORMATS = ("console", "json")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}
_REFUSED = frozenset({400, 403})
_REQUEST_ID = re.compile(r"[\w-]{1,40}", re.ASCII)


class WithoutPaths(logging.Filter):
    """Takes addresses of pages out of Django's records: many of them hold a reader's token."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = record.__dict__.pop("request", None)
        if request is not None:
            match = getattr(request, "resolver_match", None)
            route = f"/{match.route}" if match else "an unknown address"
            # `Not Found: /the/path/` keeps its first words.
            words = record.getMessage().split(":", 1)[0]
            record.msg, record.args = "%s: %s", (words, route)
        return True


class WithoutRefusals(logging.Filter):
    """A line is enough of who may not see a page, and of a call that Django refuses, and a warning, as
    strangers can have it written: its traceback says where in our code that was found, which is no news."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_refused = getattr(record, "status_code", None) in _REFUSED
        if is_refused and record.name.startswith(("django.request", "django.security")):
            record.exc_info = record.exc_text = None
            record.levelno = min(record.levelno, logging.WARNING)
            record.levelname = logging.getLevelName(record.levelno)
        return True


class WithBound(logging.Filter):
    """Puts what is bound (`digest.logs.bound`) beside the message; what was handed over comes first."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in logs.values().items():
            vars(record).setdefault(name, value)
        return True


class Formatter(logging.Formatter):
    """`08:15:02 INFO    digest.papers.ingest: papers stored new=12 bad=0`, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC)
        beside = "".join(
            f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD
        )
        said = _shown(f"{record.getMessage()}{beside}")
        line = f"{at:%H:%M:%S} {record.levelname:7} {record.name}: {said}"
        if record.exc_info:
            # Set in, so that no error's own words begin a line as a record does.
            for each in self.formatException(record.exc_info).split("\n"):
                line += f"\n  {_shown(each)}"
        return logs.masked(line)


def _shown(text: str) -> str:
    """In one line, whoever wrote it: what would begin another, or steer a terminal, as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Json(JsonFormatter):
    """`{"time": …, "level": "INFO", "logger": …, "event": "papers stored", "new": 12, "bad": 0}`; an
    exception is an object with its type, message and traceback."""

    def __init__(self) -> None:
        names = {"levelname": "level", "name": "logger", "message": "event"}
        super().__init__(
            [*names],
            rename_fields=names,
            reserved_attrs=[*_STANDARD],
            timestamp="time",
            json_ensure_ascii=False,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """What stands in the line."""
        traceback = message_dict.pop("exc_info", "")
        at = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        super().add_fields(log_data, record, message_dict)
        log_data["time"] = at
        if record.exc_info and (error := record.exc_info[1]):
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            said = {"type": kind.removeprefix("builtins."), "message": str(error)}
            log_data["exception"] = said | {"traceback": traceback}

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The line as it may be seen, the time first."""
        first = {"time": log_data.pop("time")}
        return first | {name: logs.all_masked(value) for name, value in log_data.items()}


def formatter(form: str) -> logging.Formatter:
    """The formatter of LOG_FORMAT."""
    return Json() if form == "json" else Formatter()


def configuration(level: str, form: str) -> dict[str, Any]:
    """Django's LOGGING: everything of `level` and above to standard error, a line each."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "form": form}},
        "filters": {
            "without_paths": {"()": "config.logs.WithoutPaths"},
            "without_refusals": {"()": "config.logs.WithoutRefusals"},
            "with_bound": {"()": "config.logs.WithBound"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["without_paths", "without_refusals", "with_bound"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handlers would print paths, tokens and all, a second time.
            "django": {"handlers": [], "level": "INFO"},
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            # It tells of each sign-in at length; the desk's log has them.
            "axes": {"level": "WARNING"},
            "CSSUTILS": {"level": "CRITICAL"},
            # A title that is no LaTeX stays as it is written, which is no news.
            "pylatexenc": {"level": "CRITICAL"},
        },
    }


def with_request_id(
    answer: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: every record of a request carries its id. One that a proxy gave is kept, and the
    answer names it; of our own it says nothing, so that answers to two addresses stay the same.

    It stays bound when the answer is made, as Django logs what it was after all middleware.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        is_kept = bool(_REQUEST_ID.fullmatch(given))
        logs.bind(request_id=given if is_kept else secrets.token_hex(8))
        found = answer(request)
        if is_kept:
            found.headers["X-Request-ID"] = given
        return found

    return middleware


def _end_of_request(**_: Any) -> None:
    logs.clear()


request_finished.connect(_end_of_request)
