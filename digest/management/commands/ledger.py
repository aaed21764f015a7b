"""`manage.py ledger`: what became of everyone who was due."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.delivery import ledger
from digest.editions import building
from digest.management import arguments
from digest.models import Edition


class Command(BaseCommand):
    help = "Prints the ledger of an edition, and whether it adds up; exit status 1 if it does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", type=arguments.day, help="the edition's day (the newest)")
        parser.add_argument(
            "--frequency", choices=Edition.Frequency.values, default=Edition.Frequency.DAILY
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        frequency = options["frequency"]
        if options["date"] is None:
            edition = building.newest(frequency)
        else:
            day = building.first_day(options["date"], frequency)
            edition = Edition.objects.filter(frequency=frequency, date=day).first()
        if edition is None:
            raise CommandError(
                f"No {frequency} edition of {options['date'] or 'any day'} is closed."
            )
        found = ledger.of_edition(edition)
        self.stdout.write(json.dumps(found.as_json()) if options["json"] else str(found))
        if not found.is_balanced:
            raise CommandError("The ledger does not add up.")
