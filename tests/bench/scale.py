"""How a send grows: readers and audiences, each by a power of ten or more."""

from tests.bench import delivery
from tests.bench.installation import installation

HEADINGS = ("readers", "audiences", "planning", "send", "readers a second", "worker's memory")
SIZES = (10_000, 100_000, 1_000_000)
AUDIENCES = (1, 500, 100_000)


def run(*, subscribers: int) -> list[tuple[str, ...]]:
    """A row for each size up to `subscribers`, and each number of audiences that it can have."""
    rows = []
    for readers in SIZES:
        for audiences in AUDIENCES:
            if audiences <= readers <= subscribers:
                with installation(EMAIL_PROVIDERS="mailgun") as made:
                    found = delivery.measure(made, readers, audiences)
                rows.append(
                    (
                        f"{readers:,}",
                        f"{audiences:,}",
                        f"{found.planned:,.1f} s",
                        f"{found.seconds:,.1f} s",
                        f"{found.sent / found.seconds:,.0f}",
                        f"{found.peak_mib:,.0f} MiB",
                    )
                )
    return rows
