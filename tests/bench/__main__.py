"""`make bench`: each benchmark as a table, with ratios against a baseline of the same run."""

import argparse
import os

import django
from rich.console import Console
from rich.table import Table

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.bench import rendering  # noqa: E402  after the settings

BENCHES = {"rendering": rendering.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("bench", choices=["all", *BENCHES])
    parser.add_argument("--subscribers", type=int, default=10_000)
    chosen = parser.parse_args()
    for name, run in BENCHES.items():
        if chosen.bench not in ("all", name):
            continue
        table = Table(
            "what", "time", "speed-up", title=f"{name}, {chosen.subscribers:,} subscribers"
        )
        for row in run(subscribers=chosen.subscribers):
            table.add_row(*row)
        Console().print(table)


if __name__ == "__main__":
    main()
