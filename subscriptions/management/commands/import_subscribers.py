"""Adds subscribers from a CSV file; bad rows are listed, the rest goes in."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import rich.progress
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from subscriptions import importing, tasks
from subscriptions.errors import PermanentError


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
        outcome = importing.Outcome()
        try:
            self._add(file, outcome, consent.strip())
        except (OSError, PermanentError) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        finally:
            for line, problem in outcome.bad:
                self.stderr.write(f"line {line}: {problem}")
            if outcome.added and not confirmed:
                tasks.wake_sender()
        self.stdout.write(
            f"{outcome.added} added, {outcome.known} known before, "
            f"{outcome.suppressed} never to be mailed, {len(outcome.bad)} bad"
        )

    def _add(self, file: Path, outcome: importing.Outcome, consent: str) -> None:
        # A byte that is no UTF-8 spoils its own row only: no address or topic has the mark it
        # becomes.
        with rich.progress.open(
            file,
            "r",
            encoding="utf-8-sig",
            errors="replace",
            console=Console(stderr=True),
            disable=not self.stderr.isatty(),
        ) as lines:
            importing.add(lines, outcome, consent=consent)
