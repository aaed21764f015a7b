"""`manage.py settle_deliveries`: what an operator does with uncertain deliveries."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from digest.delivery import settling
from digest.editions import building
from digest.management import arguments
from digest.models import Batch, Delivery, Edition
from digest.tasks import wake_senders


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

    def handle(self, *_: Any, **options: Any) -> None:
        settling.find_stale(timezone.now())
        deliveries = Delivery.objects.all()
        if options["date"]:
            frequency = options["frequency"]
            first_day = building.first_day(options["date"], frequency)
            deliveries = deliveries.filter(edition__date=first_day, edition__frequency=frequency)
        if options["batch"] is not None:
            if not Batch.objects.filter(pk=options["batch"]).exists():
                raise CommandError(f"There is no batch {options['batch']}.")
            deliveries = deliveries.filter(batch_id=options["batch"])
        if options["release"]:
            number = settling.release(deliveries)
            wake_senders()
            self.stdout.write(f"{number} uncertain deliveries will be sent again")
        else:
            number = settling.drop(deliveries)
            self.stdout.write(f"{number} uncertain deliveries are given up")
