"""`manage.py fetch_papers`: reads the sources' lists of a day."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.management import arguments
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

    def handle(self, *_: Any, **options: Any) -> None:
        day = options["date"] or timezone.now().date()
        names = [options["source"]] if options["source"] else settings.PAPER_SOURCES
        if unknown := [name for name in names if name not in fetching.SOURCES]:
            raise CommandError(f"PAPER_SOURCES: {unknown[0]!r} is none of {fetching.SOURCES}")
        outcomes = fetching.fetch(day, source_names=names)
        for name, outcome in outcomes.items():
            self.stdout.write(f"{name} {day}: {outcome.counts}")
        if errors := [outcome.error for outcome in outcomes.values() if outcome.error]:
            raise CommandError("; ".join(errors))
