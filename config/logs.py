"""One line a record: time, level, logger, the constant message, then what was handed over beside it."""

import logging
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


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


class Formatter(logging.Formatter):
    """`08:15:02 INFO    digest.papers.ingest: papers stored new=12 bad=0`, in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC)
        beside = "".join(
            f" {name}={value}" for name, value in vars(record).items() if name not in _STANDARD
        )
        line = f"{at:%H:%M:%S} {record.levelname:7} {record.name}: {record.getMessage()}{beside}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configuration(level: str) -> dict[str, Any]:
    """Django's LOGGING: everything of `level` and above to standard error, a line each."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"()": "config.logs.Formatter"}},
        "filters": {"without_paths": {"()": "config.logs.WithoutPaths"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "plain",
                "filters": ["without_paths"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            "CSSUTILS": {"level": "CRITICAL"},
            # A title that is no LaTeX stays as it is written, which is no news.
            "pylatexenc": {"level": "CRITICAL"},
        },
    }
