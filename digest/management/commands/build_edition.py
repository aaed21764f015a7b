"""`manage.py build_edition`: closes an edition."""

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.editions import building
from digest.management import arguments, printing
from digest.models import Edition


class Command(BaseCommand):
    help = (
        "Closes the edition of a date at once: ranks its papers. Closing it again changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--date", type=arguments.day, help="the day, as YYYY-MM-DD (yesterday, in UTC)"
        )
        parser.add_argument(
            "--frequency",
            choices=Edition.Frequency.values,
            default=Edition.Frequency.DAILY,
            help="daily, or weekly: the ISO week that holds the date",
        )
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        today = timezone.now().date()
        day = options["date"] or today - timedelta(days=1)
        if day > today:
            raise CommandError(f"{day} has not begun; its edition can't be closed yet.")
        edition = building.build(day, frequency=options["frequency"])
        papers = f"{edition.paper_count} papers" if edition.paper_count else "empty, not sent"
        printing.tell(
            self.stdout,
            f"{edition.frequency} edition {edition.name}: {papers}",
            data={
                "edition": edition.name,
                "frequency": edition.frequency,
                "papers": edition.paper_count,
            },
            is_json=options["json"],
        )
