"""`manage.py import_papers`: stores papers from responses that were kept as files."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.errors import DigestError
from digest.management import arguments
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

    def handle(self, *_: Any, **options: Any) -> None:
        errors = []
        for path in options["files"]:
            counts = FetchCounts()
            try:
                records = stored.parse(path.read_bytes(), options["date"])
                ingest.store(records, source=Listing.IMPORTED, counts=counts)
            except OSError as error:
                errors.append(f"{path}: {error.strerror}")
            except DigestError as error:
                errors.append(f"{path}: {error}")
            self.stdout.write(f"{path.name}: {counts}")
        if errors:
            raise CommandError("; ".join(errors))
