"""`manage.py fetch_papers`: reads the sources' lists of a day."""

import argparse
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.management import arguments, printing
from digest.papers import fetching


class Command(BaseCommand):
    help = (
        "Stores or updates the papers that the sources list on a day. A source that fails stops no "
        "other and keeps what it got; the exit status is 1, and the next call completes it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--date", type=arguments.day, help="the day, as YYYY-MM-DD (today, in UTC)"
        )
        parser.add_argument(
            "--source", choices=fetching.SOURCES, help="only this one (all of PAPER_SOURCES)"
        )
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        day = options["date"] or timezone.now().date()
        names = [options["source"]] if options["source"] else settings.PAPER_SOURCES
        if unknown := [name for name in names if name not in fetching.SOURCES]:
            raise CommandError(f"PAPER_SOURCES: {unknown[0]!r} is none of {fetching.SOURCES}")
        outcomes = fetching.fetch(day, source_names=names)
        printing.tell(
            self.stdout,
            "\n".join(f"{name} {day}: {outcome.counts}" for name, outcome in outcomes.items()),
            data={
                "date": day,
                "sources": {
                    name: {**asdict(outcome.counts), "error": outcome.error}
                    for name, outcome in outcomes.items()
                },
            },
            is_json=options["json"],
            shown=printing.counts_table({n: o.counts for n, o in outcomes.items()}, first="source"),
        )
        if errors := [outcome.error for outcome in outcomes.values() if outcome.error]:
            raise CommandError("; ".join(errors))
