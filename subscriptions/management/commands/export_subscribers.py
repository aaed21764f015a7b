"""Writes all subscribers to a CSV file that import_subscribers reads."""

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from subscriptions import importing
from subscriptions.models import Subscriber


class Command(BaseCommand):
    help = "Writes all subscribers as CSV: email, topics, frequency, timezone, hour, status."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, help="the file; without it, the terminal")

    def handle(self, *, output: Path | None, **options: Any) -> None:
        if output is None:
            self._write(self.stdout)
            return
        try:
            with output.open("w", encoding="utf-8", newline="") as file:
                count = self._write(file)
        except OSError as error:
            raise CommandError(f"{output} can't be written: {error}") from error
        self.stdout.write(f"{count} subscribers written to {output}")

    def _write(self, file: Any) -> int:
        writer = csv.writer(file)
        writer.writerow(importing.COLUMNS)
        subscribers = Subscriber.objects.all()
        count = 0
        for row in track(
            importing.rows_of(subscribers),
            "Writing...",
            total=subscribers.count(),
            console=Console(stderr=True),
            # A bar would run through a CSV that goes to the terminal itself.
            disable=file.isatty() or not self.stderr.isatty(),
        ):
            writer.writerow(row)
            count += 1
        return count
