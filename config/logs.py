"""One line a record: time, level, logger, the constant message, then what was handed over beside it."""

import logging
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "data"}


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
