"""`manage.py hold_edition`: stops the send of an edition."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from digest.delivery.watching import watch
from digest.management import arguments, editions, printing
from subscriptions import logbook


class Command(BaseCommand):
    help = "Stops the send of an edition; what a worker has in its hands is still sent."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)
        printing.add_json(parser)
        parser.add_argument(
            "--because",
            required=True,
            type=arguments.because,
            help="why, for whoever reads the log; no addresses",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        if edition.dropped_at:
            raise CommandError(f"Edition {edition.name} was called off: nothing of it is sent.")
        with transaction.atomic():
            is_new = watch.hold(edition, because=options["because"], now=timezone.now())
            if is_new:
                logbook.note(edition, f"Held: {options['because']}")
        words = "is held" if is_new else "was held already"
        printing.tell(
            self.stdout,
            f"{edition.frequency} edition {edition.name} {words}",
            data={
                "edition": edition.name,
                "frequency": edition.frequency,
                "is_held": True,
                "is_new": is_new,
            },
            is_json=options["json"],
        )
