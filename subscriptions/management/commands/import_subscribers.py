"""Adds subscribers from a CSV file; bad rows are listed, the rest goes in."""

import csv
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from subscriptions import importing, tasks


class Command(BaseCommand):
    help = (
        "Adds subscribers from a CSV file with the columns email, topics (slugs joined by ;), "
        "frequency, timezone and hour; only email is required. Each address gets a confirm mail, "
        "unless --confirmed says that its owner agreed already. Addresses that are there stay "
        "as they are. Where an export gave a status, only active readers are taken."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file, UTF-8, with a heading line")
        parser.add_argument(
            "--confirmed", action="store_true", help="they agreed already; needs --consent"
        )
        parser.add_argument(
            "--consent", default="", help="how and when they agreed, for the record"
        )

    def handle(self, *, file: Path, confirmed: bool, consent: str, **options: Any) -> None:
        if confirmed and not consent.strip():
            raise CommandError('--confirmed demands --consent "how they agreed".')
        if consent and not confirmed:
            raise CommandError(
                "--consent is for --confirmed; without it everyone is asked by mail."
            )
        try:
            outcome = importing.add(
                _rows(file), consent=consent.strip() if confirmed else "", on_page=self._progress
            )
        except (OSError, csv.Error) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        if self.stdout.isatty():
            self.stdout.write("")
        for line, problem in outcome.bad:
            self.stderr.write(f"line {line}: {problem}")
        if outcome.added and not confirmed:
            tasks.wake_sender()
        self.stdout.write(
            f"{outcome.added} added, {outcome.known} known before, "
            f"{outcome.suppressed} never to be mailed, {len(outcome.bad)} bad"
        )

    def _progress(self, count: int) -> None:
        self._done = getattr(self, "_done", 0) + count
        if self.stdout.isatty():
            self.stdout.write(f"\r{self._done:,} rows", ending="")
            self.stdout.flush()


def _rows(file: Path) -> Iterator[importing.Row]:
    # A byte that is no UTF-8 spoils its own row only: no address or topic has the mark it becomes.
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.DictReader(lines, restkey="", restval="")
        if "email" not in (reader.fieldnames or []):
            raise CommandError(f"{file} has no column named email in its first line.")
        for values in reader:
            yield (
                reader.line_num,
                {name: str(values.get(name) or "") for name in (*importing.COLUMNS, "status")},
            )
