"""`manage.py settle_deliveries`: what an operator does with uncertain deliveries."""

import argparse
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.delivery import settling
from digest.editions import building
from digest.management import arguments, printing
from digest.models import Batch, Delivery, Edition
from digest.tasks import wake_senders
from subscriptions import addresses, logbook


def _addresses(path: str) -> Iterator[str]:
    """What looks like an address in a file, whatever stands around it; `-`: of standard input."""
    if path == "-":
        for line in sys.stdin:
            yield from addresses.IN_TEXT.findall(line)
        return
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                yield from addresses.IN_TEXT.findall(line)
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}") from error


class Command(BaseCommand):
    help = "Settles uncertain deliveries, of which nobody knows whether the provider took them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", type=arguments.day, help="only of this edition (all)")
        parser.add_argument(
            "--frequency", choices=Edition.Frequency.values, default=Edition.Frequency.DAILY,
            help="of the edition that --date names (daily)",
        )  # fmt: skip
        parser.add_argument("--batch", type=int, help="only of this batch, by its number")
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument(
            "--release", action="store_true", help="send again; a reader may get a second copy"
        )
        way.add_argument(
            "--drop", action="store_true", help="give up; a reader may have got nothing"
        )
        way.add_argument(
            "--taken", metavar="FILE", help="those to the addresses in FILE, such as an extract of "
            "the provider's log, count as sent"
        )  # fmt: skip
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        settling.find_stale(timezone.now())
        deliveries = Delivery.objects.all()
        about: Batch | Edition | type[Edition] = Edition
        if options["date"]:
            frequency = options["frequency"]
            first_day = building.first_day(options["date"], frequency)
            self._refuse_forgotten(first_day, frequency)
            deliveries = deliveries.filter(edition__date=first_day, edition__frequency=frequency)
            editions = Edition.objects.filter(date=first_day, frequency=frequency)
            about = editions.first() or Edition
        if options["batch"] is not None:
            batch = Batch.objects.filter(pk=options["batch"]).first()
            if batch is None:
                raise CommandError(f"There is no batch {options['batch']}.")
            about = batch
            deliveries = deliveries.filter(batch_id=options["batch"])
        if options["taken"]:
            number = settling.accept_to(_addresses(options["taken"]), deliveries)
            done, words = "taken", "are sent, as the file says"
        elif options["release"]:
            number = settling.release(deliveries)
            wake_senders()
            done, words = "released", "will be sent again"
        else:
            number = settling.drop(deliveries)
            done, words = "dropped", "are given up"
        if number:
            logbook.note(about, f"In doubt: {number} deliveries {words}.")
        printing.tell(
            self.stdout,
            f"{number} uncertain deliveries {words}",
            data={done: number},
            is_json=options["json"],
        )

    def _refuse_forgotten(self, day: date, frequency: str) -> None:
        forgotten = Edition.objects.filter(
            date=day, frequency=frequency, forgetting_at__isnull=False
        )
        if edition := forgotten.first():
            raise CommandError(
                f"Deliveries of edition {edition.name} are forgotten since "
                f"{edition.forgetting_at:%Y-%m-%d} (KEEP_DELIVERIES_DAYS); what was in doubt by then "
                "was given up. The command ledger has the counts."
            )
