"""`manage.py after_restore`: makes a restored database safe to send from."""

import argparse
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.delivery.keeping import restoring
from digest.delivery.watching import signs
from digest.management import arguments
from digest.models import Delivery
from digest.papers import fetching
from subscriptions import logbook

_SILENCE = 180
"""Seconds after which a worker that was seen counts as stopped: it is seen each minute."""


class Command(BaseCommand):
    help = (
        "Makes a restored database safe to send from. What may have been sent since the backup is "
        "put in doubt, and waits for settle_deliveries. Run it before any worker is started."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--stopped",
            type=arguments.moment,
            required=True,
            metavar="TIME",
            help="when the lost database sent its last digest, or later (ISO 8601)",
        )
        parser.add_argument(
            "--offline",
            action="store_true",
            help="don't read the lists of lost days anew; their digests are then not sent",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        stopped: datetime = options["stopped"]
        if stopped > timezone.now():
            raise CommandError("--stopped lies ahead; say when the lost database sent last.")
        _refuse_beside_workers()
        if not options["offline"]:
            self._fetch(stopped)
        found = restoring.settle(stopped)
        if found is None:
            self.stdout.write("That was done for this restore before; nothing is changed.")
            return
        logbook.note(
            Delivery,
            f"Made the database of a backup safe; the lost one was stopped at {stopped:%Y-%m-%d %H:%M} "
            f"UTC: {found.pending + found.due} deliveries are in doubt, {found.slots} groups of "
            "readers were moved on",
        )
        self.stdout.write(
            f"{found.pending} deliveries that the backup has as open may have been sent since: "
            f"they are in doubt\n"
            f"{found.due} deliveries that were due since the backup are in doubt, too\n"
            f"{found.slots} groups of readers were moved on to their next digest without one\n"
            f"{found.messages} single mails that waited are not sent\n"
            "See in the provider's log who got the digests, then type:\n"
            "  manage.py settle_deliveries --taken FILE   (a file with their addresses)\n"
            "  manage.py settle_deliveries --drop         (the others get nothing), or --release"
        )

    def _fetch(self, stopped: datetime) -> None:
        """The lists of the lost days, so that their editions can be made anew."""
        for day in restoring.lost_days(stopped):
            outcomes = fetching.fetch(day, source_names=settings.PAPER_SOURCES)
            for name, outcome in outcomes.items():
                if outcome.error:
                    self.stderr.write(f"{name} of {day} can't be read: {outcome.error}")


def _refuse_beside_workers() -> None:
    found = signs.seen()
    seen_at = found and found[signs.WORKER_SEEN]
    ago = (timezone.now() - seen_at).total_seconds() if seen_at else _SILENCE
    if ago < _SILENCE:
        raise CommandError(
            f"A worker was seen {ago:.0f} seconds ago. Stop every process, empty the database of "
            "Redis that REDIS_URL names (redis-cli -n NUMBER flushdb), and try again."
        )
