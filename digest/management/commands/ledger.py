"""`manage.py ledger`: what became of everyone who was due."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.delivery import ledger
from digest.management import editions, printing


class Command(BaseCommand):
    help = "Prints the ledger of an edition, and whether it adds up; exit status 1 if it does not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        found = ledger.of_edition(edition)
        printing.tell(
            self.stdout,
            str(found),
            data=found.as_json(),
            is_json=options["json"],
            shown=printing.ledger_table(found),
        )
        if edition.forgetting_at is not None and not options["json"]:
            self.stdout.write(
                f"Counted on {edition.forgetting_at:%Y-%m-%d}, when its deliveries were forgotten."
            )
        if not found.is_balanced:
            raise CommandError("The ledger does not add up.")
