"""`manage.py release_edition`: goes on with the send of an edition that was held."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from digest.delivery import watch
from digest.management import editions
from digest.tasks import wake_senders


class Command(BaseCommand):
    help = "Goes on with the send of an edition that was held."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        editions.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        edition = editions.chosen(options)
        words = "is sent on" if watch.release(edition) else "was not held"
        wake_senders()
        self.stdout.write(f"{edition.frequency} edition {edition.name} {words}")
