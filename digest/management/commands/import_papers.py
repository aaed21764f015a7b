"""`manage.py import_papers`: stores papers from responses that were kept as files."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.errors import DigestError
from digest.management import arguments, printing
from digest.models import Listing
from digest.papers import ingest
from digest.papers.sources import stored
from digest.records import FetchCounts


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
        errors: dict[Path, str] = {}
        with printing.progress(self.stderr) as bar:
            for path in bar.track(options["files"], description="Files"):
                found[path] = FetchCounts()
                try:
                    records = stored.parse(path.read_bytes(), options["date"])
                    ingest.store(records, source=Listing.IMPORTED, counts=found[path])
                except OSError as error:
                    errors[path] = str(error.strerror)
                except DigestError as error:
                    errors[path] = str(error)
        printing.tell(
            self.stdout,
            "\n".join(f"{path.name}: {counts}" for path, counts in found.items()),
            data=[
                {"file": str(path), **asdict(counts), "error": errors.get(path, "")}
                for path, counts in found.items()
            ],
            is_json=options["json"],
            shown=printing.counts_table({p.name: c for p, c in found.items()}, first="file"),
        )
        if errors:
            raise CommandError("; ".join(f"{path}: {error}" for path, error in errors.items()))
