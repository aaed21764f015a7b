"""`manage.py release_edition`: goes on with the send of an edition that was held, or calls it off."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from digest.delivery import dropping
from digest.delivery.watching import watch
from digest.management import editions, printing
from digest.tasks import wake_senders
from subscriptions import logbook


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
        because = edition.held_because
        with transaction.atomic():
            if options["drop"]:
                words, did = "is called off", "Called off"
                # What waits is given up below, in steps of its own.
                is_new = dropping.drop(edition, timezone.now(), most=0)
            else:
                words, did = "is sent on", "Released"
                is_new = watch.release(edition)
            if is_new:
                logbook.note(edition, f"{did}; it was held: {because}")
        if not options["drop"]:
            wake_senders()
        elif is_new:
            dropping.give_up(edition)
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
