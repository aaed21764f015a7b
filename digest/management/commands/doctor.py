"""`manage.py doctor`: looks at everything that a send needs, and says how to mend what is wrong."""

import argparse
import os
import re
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.table import Table

from digest.management import printing
from digest.management.doctor import checks
from digest.management.doctor.findings import Asked
from digest.records import Finding, Verdict

_STYLES = {
    Verdict.OK: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.SKIPPED: "dim",
}
_SECONDS = 60
_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9.]+):[0-9]{1,5}")


class Command(BaseCommand):
    help = (
        "Looks at settings, database, migrations, cache, broker, workers, beat, clock, providers, "
        "webhooks, SPF, DKIM, DMARC, MX and the site as the world sees it. It changes nothing and "
        "sends nothing. Exit status 1 where something failed."
    )
    # It says itself what is wrong with them.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        printing.add_json(parser)
        parser.add_argument(
            "--only", action="append", default=[], choices=checks.NAMES, metavar="NAME",
            help=f"only this; may be repeated: {', '.join(checks.NAMES)}",
        )  # fmt: skip
        parser.add_argument(
            "--dkim-selector", action="append", default=[], type=_selector, metavar="NAME",
            help="the name of the DKIM key, where a provider makes it up; may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--resolver", type=_server, metavar="HOST:PORT",
            help="ask this name server, such as 9.9.9.9:53 (those of this machine)",
        )  # fmt: skip
        parser.add_argument(
            "--timeout", type=_seconds, default=_SECONDS, metavar="SECONDS",
            help=f"how long all of it may take ({_SECONDS})",
        )  # fmt: skip

    def handle(self, *_: Any, **options: Any) -> None:
        # For libpq, which else waits for minutes for a host that does not answer.
        os.environ.setdefault("PGCONNECT_TIMEOUT", "5")
        asked = Asked(options["resolver"] or "", tuple(options["dkim_selector"]))
        found = checks.run(asked, only=options["only"], seconds=options["timeout"])
        printing.tell(
            self.stdout,
            "\n".join([*map(_line, found), _summary(found)]),
            data=[finding._asdict() for finding in found],
            is_json=options["json"],
            shown=_table(found),
        )
        if failed := {each.name for each in found if each.state is Verdict.FAIL}:
            raise CommandError(
                f"To mend: {', '.join(name for name in checks.NAMES if name in failed)}"
            )


def _line(finding: Finding) -> str:
    mend = f" -> {finding.mend}" if finding.mend else ""
    return f"{finding.state:8}{finding.name}: {finding.what}{mend}"


def _summary(found: list[Finding]) -> str:
    counts = Counter(finding.state for finding in found)
    return ", ".join(f"{counts[state]} {state}" for state in Verdict)


def _table(found: list[Finding]) -> Table:
    rows = []
    for name, state, what, mend in found:
        style = _STYLES[state]
        words = escape(what) + (f"\n[bold]→[/bold] {escape(mend)}" if mend else "")
        rows.append((f"[{style}]{state}[/]", name, words))
    made = printing.table(rows, columns=("state", "check", "what was found, and the mend"))
    made.caption, made.caption_justify = _summary(found), "left"
    return made


def _selector(text: str) -> str:
    if not _SELECTOR.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a DKIM key")
    return text


def _server(text: str) -> str:
    if not _SERVER.fullmatch(text) or not 0 < int(text.rpartition(":")[2]) < 65536:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no name server; write it as 9.9.9.9:53")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= 3600:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to 3600")
    return seconds
