"""`manage.py release_edition`: goes on with the send of an edition that was held."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from digest.delivery import watch
from digest.management import editions, printing
from digest.tasks import wake_senders


class Command(BaseCommand):
    help = "Goes on with the send of an edition that was held."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        is_new = watch.release(edition)
        words = "is sent on" if is_new else "was not held"
        wake_senders()
        printing.tell(
            self.stdout,
            f"{edition.frequency} edition {edition.name} {words}",
            data={
                "edition": edition.name,
                "frequency": edition.frequency,
                "is_held": False,
                "is_new": is_new,
            },
            is_json=options["json"],
        )
