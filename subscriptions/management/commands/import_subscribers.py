"""Adds subscribers from a CSV file; bad rows are listed, the rest goes in."""

import json
from argparse import ArgumentParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from subscriptions import importing, logbook, tasks
from subscriptions.errors import PermanentError
from subscriptions.management import incoming
from subscriptions.models import Subscriber


@dataclass(slots=True)
class _Run:
    """What is asked for, and what came of it so far."""

    consent: str
    is_trial: bool
    bad: incoming.BadRows
    signs: list[str] = field(default_factory=list)
    """The columns that were read as saying who may be mailed."""
    outcome: importing.Outcome = field(default_factory=importing.Outcome)


class Command(BaseCommand):
    help = (
        "Adds subscribers from a CSV file with the columns email, topics (slugs joined by ;), "
        "frequency, timezone and hour; only email is required, and other columns are passed over. "
        "Files of spreadsheets, Mailchimp, listmonk and Ghost are read as they are. Each address "
        "gets a confirm mail, unless --confirmed says that its owner agreed already. Addresses "
        "that are there stay as they are, so the same command goes on after it was stopped; but "
        "who was forgotten since (KEEP_UNCONFIRMED_DAYS, KEEP_LEFT_DAYS) is new again, so import no "
        "list twice weeks apart. Where the file says who left, bounced or is blocked, they are "
        "left out; whoever has not confirmed there is asked, or with --confirmed left out. Bad "
        "rows are listed and the rest goes in; the exit status is 0 when the file was read to its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        incoming.add_arguments(parser)
        parser.add_argument(
            "--confirmed", action="store_true", help="they agreed already; needs --consent"
        )
        parser.add_argument(
            "--consent", default="", help="how and when they agreed, for the record"
        )
        parser.add_argument("--dry-run", action="store_true", help="counts, and changes nothing")

    def handle(
        self, *, file: Path, confirmed: bool, consent: str, dry_run: bool, **options: Any
    ) -> None:
        if confirmed and not consent.strip():
            raise CommandError('--confirmed demands --consent "how they agreed".')
        if consent and not confirmed:
            raise CommandError(
                "--consent is for --confirmed; without it everyone is asked by mail."
            )
        run = _Run(consent.strip(), dry_run, incoming.bad_rows(options["errors"], of=file))
        try:
            self._add(file, options["encoding"], run)
        except OSError as error:
            raise CommandError(f"{file} can't be read: {error.strerror or error}") from error
        except PermanentError as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped. {_summary(run.outcome)}; the same command goes on from here.",
                returncode=incoming.INTERRUPTED,
            ) from None
        finally:
            run.bad.tell(self.stderr)
            if run.outcome.added and not dry_run:
                agreed = f"; they agreed: {run.consent}" if confirmed else "; each is asked by mail"
                said = f"Imported a list: {_summary(run.outcome)}{agreed}"
                logbook.note(Subscriber, said, is_new=True)
            if run.outcome.added and not confirmed and not dry_run:
                tasks.wake_sender()
            if run.outcome.added and not dry_run:
                tasks.ask_for_count()
        said = "Nothing was changed. It would be: " if dry_run else ""
        self.stdout.write(_as_json(run) if options["json"] else f"{said}{_summary(run.outcome)}")
        if run.signs and not options["json"]:
            self.stdout.write(f"Read as saying who may be mailed: {', '.join(run.signs)}")

    def _add(self, file: Path, encoding: str, run: _Run) -> None:
        with incoming.opened(file, encoding, self.stderr) as text:
            table = importing.table(text)
            run.signs = importing.read_as_signs(table.headings)
            with run.bad.taken(table.headings) as on_bad:
                importing.add(
                    table,
                    run.outcome,
                    consent=run.consent,
                    is_trial=run.is_trial,
                    on_bad=on_bad,
                )


def _summary(outcome: importing.Outcome) -> str:
    left_out = f", {outcome.left_out} left out, as the file says that they must not be mailed"
    unconfirmed = (
        f", {outcome.unconfirmed} left out, as they have not confirmed: "
        "without --confirmed they are asked"
    )
    return (
        f"{outcome.added} added, {outcome.known} known before, "
        f"{outcome.suppressed} never to be mailed, {outcome.bad} bad"
        f"{left_out if outcome.left_out else ''}{unconfirmed if outcome.unconfirmed else ''}"
    )


def _as_json(run: _Run) -> str:
    names = ("added", "known", "suppressed", "left_out", "unconfirmed", "bad")
    counts = {name: getattr(run.outcome, name) for name in names}
    more = {
        "dry_run": run.is_trial,
        "status_columns": run.signs,
        "first_bad_rows": run.bad.as_json(),
    }
    return json.dumps(counts | more)
