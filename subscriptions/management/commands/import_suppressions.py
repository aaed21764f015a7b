"""Takes over whom not to mail, from another service or another installation."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from subscriptions import importing, logbook
from subscriptions.errors import PermanentError
from subscriptions.management import incoming
from subscriptions.models import Suppression


class Command(BaseCommand):
    help = (
        "Afterwards nothing is mailed to any address of a CSV file, whether or not it is a "
        "reader's: those of a column email, as other services write who bounced, complained or is "
        "blocked; or those of a column address_hash, as export_subscribers --suppressions of an "
        "installation with the same SECRET_KEY, or one of SECRET_KEY_FALLBACKS, writes it. Only hashes are kept. A column reason is "
        "taken where it has one of ours. Twice is the same as once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        incoming.add_arguments(parser)
        parser.add_argument(
            "--reason",
            choices=Suppression.Reason.values,
            default=Suppression.Reason.MANUAL.value,
            help="where the file has none",
        )

    def handle(self, *, file: Path, reason: str, **options: Any) -> None:
        bad = incoming.bad_rows(options["errors"], of=file)
        outcome = importing.Outcome()
        try:
            with incoming.opened(file, options["encoding"], self.stderr) as text:
                table = importing.table(text, with_hashes=True)
                with bad.taken(table.headings) as on_bad:
                    importing.suppress(
                        table, outcome, reason=Suppression.Reason(reason), on_bad=on_bad
                    )
        except OSError as error:
            raise CommandError(f"{file} can't be read: {error.strerror or error}") from error
        except PermanentError as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        finally:
            bad.tell(self.stderr)
            if outcome.added:
                said = f"Took over a list: {_summary(outcome)}; where it has no reason: {reason}"
                logbook.note(Suppression, said, is_new=True)
        counts = {"added": outcome.added, "known": outcome.known, "bad": outcome.bad}
        self.stdout.write(
            json.dumps(counts | {"first_bad_rows": bad.as_json()})
            if options["json"]
            else _summary(outcome)
        )


def _summary(outcome: importing.Outcome) -> str:
    return (
        f"{outcome.added} never to be mailed now, {outcome.known} known before, {outcome.bad} bad"
    )
