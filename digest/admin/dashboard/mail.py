"""What became of the mail: shares of a week against the lines where a send is held, and when one of
the lines was crossed.

A day's share is that of the seven days that end with it, as the watch judges: complaints come days
after the mail, and a Sunday's few single messages are no base for any share.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.utils import formats

from digest.delivery import figures
from digest.delivery.watching import health
from digest.delivery.watching.health import Limit
from digest.models import DayCount

from . import charts
from .charts import Chart, Series

Kind = figures.Kind
WEEK = 7
_BELOW = "var(--color-primary-500)"
_LINES = ("#d19a1d", "#d0494e")
"""Of the lower and the upper line, and of what is over it; seen on white and in the dark."""


def of_last_days(now: datetime) -> dict[str, Any]:
    """The shares of a week, and charts of a month: two queries over kept numbers."""
    days = charts.last_days(now)
    since = days[0] - timedelta(days=WEEK - 1)
    taken: dict[date, int] = {}
    for day, number in DayCount.objects.filter(day__gte=since).values_list("day", "messages"):
        taken[day] = taken.get(day, 0) + number
    found = figures.by_day([str(kind) for kind in health.REPORTS], since=since)
    week = {str(kind): _week(found[kind], days[-1]) for kind in health.REPORTS}
    return {
        "shares": health.shares(week, _week(taken, days[-1])),
        "chart": _messages(days, taken, found[Kind.DELIVERED]),
        "limits": [
            _against(limit, days, found[kind], taken) for kind, limit in health.LIMITS.items()
        ],
    }


def _week(numbers: Mapping[date, int], last: date) -> int:
    return sum(numbers.get(last - timedelta(days=ago), 0) for ago in range(WEEK))


def _messages(
    days: Sequence[date], taken: Mapping[date, int], delivered: Mapping[date, int]
) -> Chart:
    series = [
        Series("handed over", [taken.get(day, 0) for day in days], "var(--color-base-400)"),
        Series(
            "reported as delivered",
            [delivered.get(day, 0) for day in days],
            "var(--color-primary-500)",
        ),
    ]
    return Chart(f"Messages in the last {charts.DAYS} days", days, series)


def _against(
    limit: Limit, days: Sequence[date], reports: Mapping[date, int], taken: Mapping[date, int]
) -> Chart:
    """The share of each day's week, and the lines that it must not cross."""
    pairs = [(_week(reports, day), _week(taken, day)) for day in days]
    found = [health.share(number, of) for number, of in pairs]
    crossed = [limit.crossed(number, of) for number, of in pairs]
    colors = dict(zip((at for at, _ in limit.lines), _LINES[-len(limit.lines) :], strict=True))
    lines = [
        Series(f"{what} {health.percent(at)}", [at * 100] * len(days), colors[at], is_line=True)
        for at, what in limit.lines
    ]
    bars = Series(
        f"{limit.name}, % of seven days",
        [round(part * 100, 3) for part in found],
        [colors[over[-1]] if over else _BELOW for over in crossed],
        words=[
            f"{part:.2%}{f', over {health.percent(over[-1])}' if over else ''}"
            for part, over in zip(found, crossed, strict=True)
        ],
    )
    title = f"{limit.name}: the share of seven days, against its line{'s' * (len(limit.lines) > 1)}"
    return Chart(title, days, [*lines, bars], _crossings(limit, days, crossed), is_share=True)


def _crossings(limit: Limit, days: Sequence[date], crossed: Sequence[list[float]]) -> list[str]:
    """When each line was crossed, the one that matters most first."""
    notes = []
    for at, _ in reversed(limit.lines):
        is_over = [at in lines for lines in crossed]
        stretches = [
            [day for day, _ in group]
            for over, group in groupby(zip(days, is_over, strict=True), key=lambda pair: pair[1])
            if over
        ]
        if stretches:
            when = ", ".join(_stretch(each, days[-1]) for each in stretches)
            notes.append(f"Over {health.percent(at)} {when}.")
    return notes or [f"Never over {health.percent(limit.lines[0][0])} in these {len(days)} days."]


def _stretch(over: Sequence[date], last: date) -> str:
    first, end = (formats.date_format(day, "SHORT_DATE_FORMAT") for day in (over[0], over[-1]))
    if over[-1] == last:
        return f"since {first}"
    return f"on {first}" if first == end else f"from {first} to {end}"
