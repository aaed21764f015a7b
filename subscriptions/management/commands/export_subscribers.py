"""Writes subscribers, or whom we never mail, to a CSV file."""

import csv
import json
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from subscriptions import importing
from subscriptions.management import files
from subscriptions.models import Subscriber, Suppression

_STATUSES = [*Subscriber.State.values, "suppressed"]


class Command(BaseCommand):
    help = (
        "Writes all subscribers as CSV that import_subscribers reads: email, topics, frequency, "
        "timezone, hour, status. The status of an address that is never mailed is suppressed. "
        "--suppressions writes instead the hash, the reason and the time of every address that is "
        "never mailed: addresses of those who were erased are not kept, only a hash with the "
        "SECRET_KEY of its time. Where that key goes along, another installation can check "
        "addresses against them; give other services those of --status suppressed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--output",
            type=Path,
            help="the file, which only its owner may read; without it, the terminal",
        )
        parser.add_argument(
            "--status", action="append", choices=_STATUSES, help="only these; may be repeated"
        )
        parser.add_argument(
            "--suppressions", action="store_true", help="whom we never mail, as hashes"
        )
        parser.add_argument("--json", action="store_true", help="prints the count as JSON")

    def handle(
        self,
        *,
        output: Path | None,
        status: list[str] | None,
        suppressions: bool,
        **options: Any,
    ) -> None:
        if suppressions and status:
            raise CommandError("--status is of subscribers: --suppressions has none.")
        if options["json"] and output is None:
            raise CommandError("--json is for --output: the CSV itself goes to the terminal.")
        what = "suppressions" if suppressions else "subscribers"
        if output is None:
            self._write(self.stdout, status, suppressions=suppressions)
            return
        try:
            with files.written(output) as file:
                count = self._write(file, status, suppressions=suppressions)
        except OSError as error:
            raise CommandError(f"{output} can't be written: {error.strerror or error}") from error
        self.stdout.write(
            json.dumps({what: count, "output": str(output)})
            if options["json"]
            else f"{count} {what} written to {output}"
        )

    def _write(self, file: Any, status: list[str] | None, *, suppressions: bool) -> int:
        headings: tuple[str, ...]
        if suppressions:
            total = Suppression.objects.count()
            rows, headings = importing.suppression_rows(), importing.SUPPRESSION_COLUMNS
        else:
            subscribers = importing.with_status(status or _STATUSES)
            total, rows = subscribers.count(), importing.rows_of(subscribers)
            headings = importing.COLUMNS
        return self._copy(rows, file, headings, total)

    def _copy(
        self, rows: Iterable[Sequence[str]], file: Any, headings: Sequence[str], total: int
    ) -> int:
        writer = csv.writer(file)
        writer.writerow(headings)
        count = 0
        for row in track(
            rows,
            "Writing...",
            total=total,
            console=Console(stderr=True),
            # A bar would run through a CSV that goes to the terminal itself.
            disable=file.isatty() or not self.stderr.isatty(),
        ):
            writer.writerow(row)
            count += 1
        return count
