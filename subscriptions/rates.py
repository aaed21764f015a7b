"""Limits as the settings and `limits` write them: `3/d`, `5/2h`."""

from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parsed(text: str) -> tuple[int, timedelta]:
    """How many in how long; the settings refuse any other form."""
    most, _, period = text.partition("/")
    return int(most), timedelta(seconds=int(period[:-1] or 1) * _SECONDS[period[-1]])
