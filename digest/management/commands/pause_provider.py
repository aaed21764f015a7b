"""`manage.py pause_provider`: no digest goes by a provider until it is resumed."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from digest.delivery.esp import plans
from digest.management import arguments, ways
from digest.models import ProviderPlan
from subscriptions import logbook


class Command(BaseCommand):
    help = "Pauses a provider: what a worker just offers it is still sent, the rest goes by others."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("provider", help="a name of EMAIL_PROVIDERS")
        parser.add_argument(
            "--because",
            required=True,
            type=arguments.because,
            help="why, for whoever reads it at the desk",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        name = ways.chosen(options["provider"])
        with transaction.atomic():
            is_new = plans.pause(name, because=options["because"])
            if is_new:
                logbook.note(ProviderPlan(name=name), f"paused, because: {options['because']}")
        said = f"{name} is paused" if is_new else f"{name} was paused already"
        self.stdout.write(ways.answer(name, said, is_json=options["json"]))
