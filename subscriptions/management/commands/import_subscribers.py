"""Adds subscribers from a CSV file; bad rows are listed, the rest goes in."""

import csv
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import rich.progress
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from subscriptions import importing, tasks
from subscriptions.errors import PermanentError
from subscriptions.management import files

_SHOWN = 20
"""Bad rows that are printed; all of them go into the file of --errors."""
_INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Adds subscribers from a CSV file with the columns email, topics (slugs joined by ;), "
        "frequency, timezone and hour; only email is required, and other columns are passed over. "
        "Files of spreadsheets, Mailchimp, listmonk and Ghost are read as they are. Each address "
        "gets a confirm mail, unless --confirmed says that its owner agreed already. Addresses "
        "that are there stay as they are, so the same command goes on after it was stopped. Where "
        "the file says who left, bounced or is blocked, they are left out. Bad rows are listed "
        "and the rest goes in; the exit status is 0 when the file was read to its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file with a heading line; - for stdin")
        parser.add_argument(
            "--confirmed", action="store_true", help="they agreed already; needs --consent"
        )
        parser.add_argument(
            "--consent", default="", help="how and when they agreed, for the record"
        )
        parser.add_argument("--dry-run", action="store_true", help="counts, and changes nothing")
        parser.add_argument(
            "--errors", type=Path, help="a CSV file to write the bad rows to, for mending"
        )
        parser.add_argument(
            "--encoding", default="", help="where it is not UTF-8, UTF-16 or Windows-1252"
        )
        parser.add_argument("--json", action="store_true", help="prints the counts as JSON")

    def handle(
        self,
        *,
        file: Path,
        confirmed: bool,
        consent: str,
        dry_run: bool,
        errors: Path | None,
        **options: Any,
    ) -> None:
        if confirmed and not consent.strip():
            raise CommandError('--confirmed demands --consent "how they agreed".')
        if consent and not confirmed:
            raise CommandError(
                "--consent is for --confirmed; without it everyone is asked by mail."
            )
        if errors and errors.resolve() == file.resolve():
            raise CommandError("--errors names the file that is read: it would be written over.")
        if errors and not os.access(errors.resolve().parent, os.W_OK):
            raise CommandError(f"{errors} can't be written: its folder is not there, or not yours.")
        run = _Run(consent.strip(), dry_run, errors, options["encoding"])
        outcome = run.outcome
        try:
            self._add(file, run)
        except (OSError, PermanentError) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped. {_summary(outcome)}; the same command goes on from here.",
                returncode=_INTERRUPTED,
            ) from None
        finally:
            self._name_bad(run)
            if outcome.added and not confirmed and not dry_run:
                tasks.wake_sender()
        self.stdout.write(
            _as_json(run)
            if options["json"]
            else f"{'Nothing was changed. It would be: ' if dry_run else ''}{_summary(outcome)}"
        )

    def _add(self, file: Path, run: "_Run") -> None:
        with self._opened(file) as raw, importing.opened(raw, run.encoding) as text:
            table = importing.table(text)
            with _bad_rows(run.errors, table.headings) as write:

                def on_bad(row: importing.Row, problem: str) -> None:
                    write(row, problem)
                    if len(run.shown) < _SHOWN:
                        run.shown.append((row.line, problem))

                importing.add(
                    table,
                    run.outcome,
                    consent=run.consent,
                    is_trial=run.is_trial,
                    on_bad=on_bad,
                )

    @contextmanager
    def _opened(self, file: Path) -> Iterator[BinaryIO]:
        if str(file) == "-":
            yield sys.stdin.buffer
            return
        with rich.progress.open(
            file, "rb", console=Console(stderr=True), disable=not self.stderr.isatty()
        ) as raw:
            yield raw

    def _name_bad(self, run: "_Run") -> None:
        for line, problem in run.shown:
            self.stderr.write(f"line {line}: {problem}")
        if more := run.outcome.bad - len(run.shown):
            where = (
                f"all are in {run.errors}" if run.errors else "--errors FILE.csv writes them all"
            )
            self.stderr.write(f"and {more:,} more: {where}")


@dataclass(slots=True)
class _Run:
    """What is asked for, and what came of it so far."""

    consent: str
    is_trial: bool
    errors: Path | None
    encoding: str
    outcome: importing.Outcome = field(default_factory=importing.Outcome)
    shown: list[tuple[int, str]] = field(default_factory=list)
    """The first bad rows: line, and what is wrong."""


def _summary(outcome: importing.Outcome) -> str:
    left_out = f", {outcome.left_out} left out, as the file says that they must not be mailed"
    return (
        f"{outcome.added} added, {outcome.known} known before, "
        f"{outcome.suppressed} never to be mailed, {outcome.bad} bad"
        f"{left_out if outcome.left_out else ''}"
    )


def _as_json(run: _Run) -> str:
    names = ("added", "known", "suppressed", "left_out", "bad")
    counts = {name: getattr(run.outcome, name) for name in names}
    rows = [{"line": line, "reason": problem} for line, problem in run.shown]
    return json.dumps(counts | {"dry_run": run.is_trial, "first_bad_rows": rows})


@contextmanager
def _bad_rows(
    path: Path | None, headings: list[str]
) -> Iterator[Callable[[importing.Row, str], None]]:
    """Writes rows beside what is wrong with them, under the headings of their file."""
    if path is None:
        yield lambda row, problem: None
        return
    with files.written(path) as file:
        writer = csv.writer(file)
        writer.writerow(["line", "reason", *map(importing.harmless, headings)])

        def write(row: importing.Row, problem: str) -> None:
            writer.writerow([row.line, problem, *map(importing.harmless, row.cells)])

        yield write
