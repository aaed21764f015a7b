"""`make bench`: each benchmark as a table, with ratios against a baseline of the same run."""

import argparse
import os
import sys
from types import ModuleType

import django
from rich.console import Console
from rich.table import Table

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.bench import (  # noqa: E402
    audiences,
    delivery,
    desk,
    events,
    faults,
    fuzz,
    load,
    meaning,
    pages,
    ranking,
    readers,
    relevance,
    rendering,
    scale,
    signup,
    smtp,
    timing,
    year,
)

BENCHES: dict[str, ModuleType] = {
    "rendering": rendering,
    "delivery": delivery,
    "audiences": audiences,
    "smtp": smtp,
    "events": events,
    "pages": pages,
    "relevance": relevance,
    "ranking": ranking,
    "meaning": meaning,
    "desk": desk,
    "readers": readers,
    "faults": faults,
    "scale": scale,
    "year": year,
    "fuzz": fuzz,
    "load": load,
    "signup": signup,
    "timing": timing,
}
SLOW = (
    "scale", "faults", "pages", "meaning", "desk", "readers", "year", "fuzz", "load", "signup", "timing",
)  # fmt: skip
"""Minutes long: only when they are asked for by name."""
HEADINGS = ("what", "figure", "ratio")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("bench", choices=["all", *BENCHES])
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--audiences", type=int, default=500)
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument(
        "--partitioned", action="store_true", help="divide the outbox first (delivery, year)"
    )
    parser.add_argument("--seconds", type=float, default=20, help="for each target (fuzz)")
    parser.add_argument("--seed", type=int, default=1, help="what decides the inputs (fuzz)")
    chosen = parser.parse_args()
    for name, bench in BENCHES.items():
        if name != chosen.bench and (chosen.bench != "all" or name in SLOW):
            continue
        options: dict[str, float] = {"audiences": chosen.audiences} if bench is delivery else {}
        if bench in (delivery, year):
            options["is_partitioned"] = chosen.partitioned
        size = f"{chosen.subscribers:,} subscribers"
        if bench in (pages, meaning):
            options, size = {"papers": chosen.papers}, f"{chosen.papers:,} papers"
        if bench is fuzz:
            options = {"seconds": chosen.seconds, "seed": chosen.seed}
        size = getattr(bench, "SIZE", size)
        headings = getattr(bench, "HEADINGS", HEADINGS)
        table = Table(*headings, title=f"{name}, {size}")
        for row in bench.run(subscribers=chosen.subscribers, **options):
            table.add_row(*row)
        Console().print(table)
    failed = [said for bench in (load, signup) for said in bench.failures]
    for said in failed:
        print(said, file=sys.stderr)
    if failed or fuzz.failures or timing.failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
