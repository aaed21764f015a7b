"""`manage.py ledger`: what became of everyone who was due."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.delivery import ledger
from digest.management import editions


class Command(BaseCommand):
    help = "Prints the ledger of an edition, and whether it adds up; exit status 1 if it does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        found = ledger.of_edition(edition)
        self.stdout.write(json.dumps(found.as_json()) if options["json"] else str(found))
        if edition.forgetting_at is not None and not options["json"]:
            self.stdout.write(
                f"Counted on {edition.forgetting_at:%Y-%m-%d}, when its deliveries were forgotten."
            )
        if not found.is_balanced:
            raise CommandError("The ledger does not add up.")
