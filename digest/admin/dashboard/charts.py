"""Charts of the dashboard: numbers by day for Chart.js, and as a table for who reads them so."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import formats

DAYS = 30
GRAY = "#84938d"
"""Of the words in charts, which cannot tell light from dark."""
_OPTIONS: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {
            "align": "start",
            # By the dataset's own: a line is told from a bar.
            "labels": {"boxWidth": 10, "boxHeight": 10, "color": GRAY, "usePointStyle": True},
        }
    },
    "scales": {
        "x": {
            "grid": {"display": False},
            "ticks": {"color": GRAY, "maxRotation": 0, "maxTicksLimit": 7},
        },
        "y": {
            "beginAtZero": True,
            "border": {"display": False},
            "grid": {},
            "ticks": {"color": GRAY, "maxTicksLimit": 5, "precision": 0},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Series:
    """A number of each day."""

    label: str
    numbers: Sequence[float]
    color: str | Sequence[str]
    """One for all, or one a day; as CSS, `var(--…)` among it."""
    words: Sequence[str] = ()
    """As the table says them, where that is not the bare number."""
    is_line: bool = False
    """A line across the chart, that is in no table."""

    @property
    def dataset(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "label": self.label,
            "data": list(self.numbers),
            "backgroundColor": self.color,
            "borderColor": self.color,
        }
        if self.is_line:
            found |= {"type": "line", "borderDash": [5, 4], "borderWidth": 2, "pointRadius": 0}
        return found | {"pointStyle": "line" if self.is_line else "rect"}

    def said(self, place: int) -> str:
        """The number of a day, in words."""
        return self.words[place] if self.words else f"{self.numbers[place]:,}"


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers by day, for Chart.js, and for who reads them as a table."""

    title: str
    days: Sequence[date]
    all_series: Sequence[Series]
    notes: list[str] = field(default_factory=list)
    """What is to be seen in it, in words."""
    is_share: bool = False
    """Of percent, which have no whole steps."""

    @property
    def labels(self) -> list[str]:
        return [formats.date_format(day, "SHORT_DATE_FORMAT") for day in self.days]

    @property
    def series(self) -> list[Series]:
        """Those of the table."""
        return [each for each in self.all_series if not each.is_line]

    @property
    def data(self) -> str:
        datasets = [each.dataset for each in self.all_series]
        return json.dumps({"labels": self.labels, "datasets": datasets})

    @property
    def options(self) -> str:
        """Chart.js' own."""
        if not self.is_share:
            return json.dumps(_OPTIONS)
        scales = _OPTIONS["scales"]
        ticks = {"color": GRAY, "maxTicksLimit": 5}
        return json.dumps(_OPTIONS | {"scales": scales | {"y": scales["y"] | {"ticks": ticks}}})

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The days that have something, newest first."""
        rows = [
            (label, [each.said(place) for each in self.series])
            for place, label in enumerate(self.labels)
            if any(each.numbers[place] for each in self.series)
        ]
        return rows[::-1]


def last_days(now: datetime) -> list[date]:
    """The days that charts show, the newest last."""
    first = now.date() - timedelta(days=DAYS - 1)
    return [first + timedelta(days=number) for number in range(DAYS)]
