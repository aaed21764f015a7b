"""`manage.py index_papers`: makes the search index anew."""

from typing import Any

from django.core.management.base import BaseCommand
from rich.progress import Progress

from digest.models import Paper
from digest.papers import search


class Command(BaseCommand):
    help = (
        "Makes the search index anew from the papers. Ingest keeps it; this is for after a restore, "
        "or after papers were changed by hand. It can run beside everything else, and again."
    )

    def handle(self, *_: Any, **options: Any) -> None:
        # No bar where the output is no terminal.
        with Progress(disable=not self.stdout.isatty()) as progress:
            task = progress.add_task("Papers", total=Paper.objects.count())
            done = search.index_all(watch=lambda number: progress.advance(task, number))
        self.stdout.write(f"{done} papers can be found.")
