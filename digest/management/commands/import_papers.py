"""`manage.py import_papers`: stores papers from responses that were kept as files."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.errors import DigestError
from digest.management import arguments, printing
from digest.models import Listing, Paper
from digest.papers import ingest
from digest.papers.sources import stored
from digest.records import BadEntry, FetchCounts, PaperRecord
from subscriptions import logbook

_MOST_REASONS = 10
"""Of a file, that are printed."""


class Command(BaseCommand):
    help = (
        "Stores papers from files: Hugging Face's lists (JSON or page), arXiv's Atom, RSS and "
        "OAI-PMH answers. For an archive from before the first day, and for machines without a "
        "way out. A file that breaks off is taken as far as it goes."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--date", type=arguments.day, help="put them on the list of this day (on no list)"
        )
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        found: dict[Path, FetchCounts] = {}
        reasons: dict[Path, Counter[str]] = {}
        errors: dict[Path, str] = {}
        with printing.progress(self.stderr) as bar:
            for path in bar.track(options["files"], description="Files"):
                found[path], reasons[path] = FetchCounts(), Counter()
                try:
                    records = _noted(
                        stored.parse(path.read_bytes(), options["date"]), reasons[path]
                    )
                    ingest.store(records, source=Listing.IMPORTED, counts=found[path])
                except OSError as error:
                    errors[path] = str(error.strerror)
                except DigestError as error:
                    errors[path] = str(error)
        _log(found)
        why = {path: _why(counts, reasons[path]) for path, counts in found.items()}
        printing.tell(
            self.stdout,
            "\n".join(
                "\n".join([f"{path.name}: {counts}", *why[path]]) for path, counts in found.items()
            ),
            data=[
                {
                    "file": str(path),
                    **asdict(counts),
                    "reasons": reasons[path],
                    "error": errors.get(path, ""),
                }
                for path, counts in found.items()
            ],
            is_json=options["json"],
            shown=printing.counts_table(
                {p.name: c for p, c in found.items()},
                first="file",
                below=[f"{path.name}: {line.strip()}" for path in found for line in why[path]],
            ),
        )
        if errors:
            raise CommandError("; ".join(f"{path}: {error}" for path, error in errors.items()))


def _noted(
    records: Iterable[PaperRecord | BadEntry], reasons: Counter[str]
) -> Iterator[PaperRecord | BadEntry]:
    """The records as they are; why the bad ones are is counted as they pass."""
    for record in records:
        if isinstance(record, BadEntry):
            reasons[record.reason] += 1
        yield record


def _why(counts: FetchCounts, reasons: Counter[str]) -> list[str]:
    """Why entries of a file were passed over, a line each, the commonest reason first."""
    lines = []
    if counts.skipped:
        lines.append(f"  skipped {counts.skipped}: the archive has them as they are")
    lines += [f"  bad {number}: {why}" for why, number in reasons.most_common(_MOST_REASONS)]
    if (more := len(reasons) - _MOST_REASONS) > 0:
        lines.append(f"  and {more} more reasons, which the log names")
    return lines


def _log(found: dict[Path, FetchCounts]) -> None:
    new, changed = (sum(getattr(c, n) for c in found.values()) for n in ("new", "updated"))
    if new or changed:
        said = f"Imported papers of {len(found)} files: {new} new, {changed} changed"
        logbook.note(Paper, said, is_new=True)
