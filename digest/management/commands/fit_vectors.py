"""`manage.py fit_vectors`: fits the space that papers are compared in, and places all papers in it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from digest.errors import VectorsError
from digest.management import printing
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
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            said, data = self._fit(options["output"], is_anew=options["anew"])
        except VectorsError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}") from error
        printing.tell(self.stdout, said, data=data, is_json=options["json"])

    def _fit(self, output: Path | None, *, is_anew: bool) -> tuple[str, dict[str, Any]]:
        """What is said, and the same as data."""
        if output is not None:
            output.write_bytes(vectors.written(vectors.fitted()))
            return f"The space is in {output}.", {"file": str(output)}
        lines, data = [], {}
        # How long it takes is not known before; that it goes on is.
        with printing.progress(self.stderr) as bar:
            bar.add_task("Fitting", total=None)
            done = vectors.write_missing(most=vectors.ALL)
            if is_anew:
                vectors.unplace()
            if not embeddings.name():
                space = vectors.fit()
                lines.append(f"{space.name}: {len(space.hashes)} stems.")
                data = {"space": space.name, "stems": len(space.hashes)}
            done += vectors.write_missing(most=vectors.ALL)
        return "\n".join([*lines, f"{done} papers were placed."]), data | {"papers": done}
