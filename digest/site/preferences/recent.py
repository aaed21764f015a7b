"""The daily editions of the last 30 days, up to the newest one: what rates and counts are of."""

from dataclasses import dataclass
from datetime import date, timedelta

from digest.models import Edition

DAYS = 30


@dataclass(frozen=True, slots=True)
class Recent:
    """The editions that have papers, newest first."""

    editions: tuple[int, ...]
    first: date
    last: date
    version: str
    """Another one as soon as another edition is closed: what was counted is kept by it."""

    @property
    def weeks(self) -> float:
        """How long the time is, at least one."""
        return max(((self.last - self.first).days + 1) / 7, 1)


def recent() -> Recent | None:
    """None before the first edition. One query."""
    closed = Edition.objects.filter(frequency=Edition.Frequency.DAILY, paper_count__gt=0)
    rows = list(closed.order_by("-date").values_list("pk", "date", "closed_at")[:DAYS])
    if not rows:
        return None
    newest, last, closed_at = rows[0]
    rows = [row for row in rows if row[1] > last - timedelta(days=DAYS)]
    version = f"{newest}.{len(rows)}.{closed_at.timestamp():.0f}"
    return Recent(tuple(row[0] for row in rows), rows[-1][1], last, version)
