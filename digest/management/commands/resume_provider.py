"""`manage.py resume_provider`: digests go by a provider again."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from digest.delivery.esp import plans
from digest.management import ways
from digest.models import ProviderPlan
from digest.tasks import wake_senders
from subscriptions import logbook


class Command(BaseCommand):
    help = "Lets digests go by a provider again that was paused."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("provider", help="a name of EMAIL_PROVIDERS")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        name = ways.chosen(options["provider"])
        with transaction.atomic():
            is_new = plans.resume(name)
            if is_new:
                logbook.note(ProviderPlan(name=name), "resumed")
        wake_senders()
        said = f"{name} is resumed" if is_new else f"{name} was not paused"
        self.stdout.write(ways.answer(name, said, is_json=options["json"]))
