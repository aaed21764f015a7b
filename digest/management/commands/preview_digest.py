"""`manage.py preview_digest`: the digest that a reader with these preferences would get."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.delivery.mails import preview
from digest.errors import DigestError
from digest.management import arguments
from subscriptions.models import DEFAULT_LENGTH
from subscriptions.records import Selection


class Command(BaseCommand):
    help = "Prints the digest that a subscriber with these preferences would get. Sends nothing."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--date", type=arguments.day, help="the edition's day (the newest)")
        parser.add_argument("--topic", action="append", default=[], metavar="SLUG")
        parser.add_argument("--keyword", action="append", default=[], metavar="TEXT")
        parser.add_argument("--author", action="append", default=[], metavar="NAME")
        parser.add_argument("--organization", action="append", default=[], metavar="NAME")
        parser.add_argument("--length", type=int, default=DEFAULT_LENGTH, metavar="PAPERS")
        parser.add_argument("--format", choices=["html", "text", "eml"], default="text")
        parser.add_argument("--output", type=Path, metavar="FILE", help="write there (print)")

    def handle(self, *_: Any, **options: Any) -> None:
        selection = Selection(
            topics=tuple(sorted(set(options["topic"]))),
            keywords=tuple(options["keyword"]),
            authors=tuple(options["author"]),
            organizations=tuple(options["organization"]),
            length=max(options["length"], 1),
        )
        try:
            made = preview.preview(selection, day=options["date"])
        except DigestError as error:
            raise CommandError(str(error)) from error
        data = {"html": made.html.encode(), "text": made.text.encode(), "eml": made.eml}[
            options["format"]
        ]
        if options["output"] is None:
            sys.stdout.buffer.write(data)
            return
        try:
            options["output"].write_bytes(data)
        except OSError as error:
            raise CommandError(f"{options['output']} can't be written: {error.strerror}") from error
