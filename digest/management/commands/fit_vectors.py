"""`manage.py fit_vectors`: fits the space that papers are compared in, and places all papers in it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from digest.errors import VectorsError
from digest.papers import vectors
from digest.papers.vectors import embeddings


class Command(BaseCommand):
    help = (
        "Fits the space in which papers are compared to the archive, and places all papers in it. A "
        "worker does so by itself once the archive has grown by a third; it can run beside "
        "everything else, and again. With EMBEDDINGS set, papers are placed by that function."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--anew",
            action="store_true",
            help="place every paper again, as after a change of the model behind EMBEDDINGS",
        )
        parser.add_argument(
            "--output",
            type=Path,
            help="only write the fitted space to this file, and change nothing",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self._fit(options["output"], is_anew=options["anew"])
        except VectorsError as error:
            raise CommandError(str(error)) from error

    def _fit(self, output: Path | None, *, is_anew: bool) -> None:
        if output is not None:
            output.write_bytes(vectors.written(vectors.fitted()))
            self.stdout.write(f"The space is in {output}.")
            return
        done = vectors.write_missing(most=vectors.ALL)
        if is_anew:
            vectors.unplace()
        if not embeddings.name():
            space = vectors.fit()
            self.stdout.write(f"{space.name}: {len(space.hashes)} stems.")
        done += vectors.write_missing(most=vectors.ALL)
        self.stdout.write(f"{done} papers were placed.")
