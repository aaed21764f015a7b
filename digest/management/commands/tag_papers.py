"""`manage.py tag_papers`: gives all papers their topics anew."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from rich.progress import Progress

from digest.management import arguments
from digest.models import Paper
from digest.papers import topics

PAGE = 200


class Command(BaseCommand):
    help = (
        "Gives papers their topics anew, as after topics were edited or another model was put in "
        "place. Ingest does it for papers whose words are new. It can run beside everything else, "
        "and again; editions that are closed keep their papers, and readers' mails their reasons."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=arguments.day, help="only papers published on this day or later (all)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        papers = Paper.objects.order_by("pk")
        if options["since"]:
            papers = papers.filter(published_at__date__gte=options["since"])
        ids = list(papers.values_list("pk", flat=True))
        # No bar where the output is no terminal.
        with Progress(disable=not self.stdout.isatty()) as progress:
            task = progress.add_task("Papers", total=len(ids))
            for start in range(0, len(ids), PAGE):
                page = ids[start : start + PAGE]
                topics.tag(page)
                progress.advance(task, len(page))
        self.stdout.write(f"{len(ids)} papers have their topics.")
