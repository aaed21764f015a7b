"""`manage.py tag_papers`: gives all papers their topics anew."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from digest.management import arguments, printing
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
        printing.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        papers = Paper.objects.order_by("pk")
        if options["since"]:
            papers = papers.filter(published_at__date__gte=options["since"])
        ids = list(papers.values_list("pk", flat=True))
        with printing.progress(self.stderr) as progress:
            task = progress.add_task("Papers", total=len(ids))
            for start in range(0, len(ids), PAGE):
                page = ids[start : start + PAGE]
                topics.tag(page)
                progress.advance(task, len(page))
        printing.tell(
            self.stdout,
            f"{len(ids)} papers have their topics.",
            data={"papers": len(ids)},
            is_json=options["json"],
        )
