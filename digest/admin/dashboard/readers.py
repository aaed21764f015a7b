"""How many readers there are, and who came and left."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from digest.delivery import figures

from . import charts
from .charts import Chart, Series

Kind = figures.Kind
_JOINED = (Kind.CONFIRMED, Kind.IMPORTED, Kind.RESUBSCRIBED)
_LOST = (Kind.UNSUBSCRIBED, Kind.SUPPRESSED)


def of_last_days(now: datetime) -> dict[str, Any]:
    """What stands about readers; all of it was counted before."""
    days = charts.last_days(now)
    kinds = [str(kind) for kind in (Kind.SIGNED_UP, *_JOINED, *_LOST)]
    found = figures.by_day(kinds, since=days[0])
    joined, lost = summed(days, found, _JOINED), summed(days, found, _LOST)
    signed_up = sum(found[Kind.SIGNED_UP].values())
    confirmed = sum(found[Kind.CONFIRMED].values())
    title = f"Readers who came and left in the last {charts.DAYS} days"
    series = [
        Series("came", joined, "var(--color-primary-500)"),
        Series("left", lost, "var(--color-base-400)"),
    ]
    return {
        "now": figures.readers(),
        "signed_up": signed_up,
        "joined": sum(joined),
        "lost": sum(lost),
        "rate": f"{min(confirmed / signed_up, 1):.0%}" if signed_up else "",
        "chart": Chart(title, days, series),
    }


def summed(
    days: Sequence[date], found: Mapping[str, Mapping[date, int]], kinds: Sequence[Kind]
) -> list[int]:
    """The numbers of each day, of all these kinds."""
    return [sum(found[kind].get(day, 0) for kind in kinds) for day in days]
