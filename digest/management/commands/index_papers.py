"""`manage.py index_papers`: makes the search index anew."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from digest.management import printing
from digest.models import Paper
from digest.papers import search


class Command(BaseCommand):
    help = (
        "Makes the search index anew from the papers. Ingest keeps it; this is for after a restore, "
        "or after papers were changed by hand. It can run beside everything else, and again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        with printing.progress(self.stderr) as progress:
            task = progress.add_task("Papers", total=Paper.objects.count())
            done = search.index_all(watch=lambda number: progress.advance(task, number))
        printing.tell(
            self.stdout,
            f"{done} papers can be found.",
            data={"papers": done},
            is_json=options["json"],
        )
