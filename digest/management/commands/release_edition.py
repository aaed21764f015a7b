"""`manage.py release_edition`: goes on with the send of an edition that was held, or calls it off."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from digest.delivery import dropping
from digest.delivery.watching import watch
from digest.management import editions, printing
from digest.tasks import wake_senders


class Command(BaseCommand):
    help = "Goes on with the send of an edition that was held, or, with --drop, calls it off."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)
        parser.add_argument(
            "--drop", action="store_true", help="give it up: who did not get it by now never does"
        )
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        if options["drop"]:
            is_new = dropping.drop(edition, timezone.now())
            words = "is called off"
        else:
            is_new = watch.release(edition)
            words = "is sent on"
            wake_senders()
        printing.tell(
            self.stdout,
            f"{edition.frequency} edition {edition.name} {words if is_new else 'was not held'}",
            data={
                "edition": edition.name,
                "frequency": edition.frequency,
                "is_held": False,
                "is_new": is_new,
                "is_dropped": edition.dropped_at is not None or (is_new and options["drop"]),
            },
            is_json=options["json"],
        )
