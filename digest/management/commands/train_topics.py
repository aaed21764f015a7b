"""`manage.py train_topics`: trains the topic model anew from labelled papers."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import track

from digest.errors import DigestError
from digest.papers.sources import stored
from digest.papers.topics import labels, model, scoring, tagging, training
from digest.papers.topics.rules import TopicRule
from digest.papers.topics.training import Example
from digest.records import PaperRecord
from subscriptions import selectors

LEAST = 20


class Command(BaseCommand):
    help = (
        "Trains the topic model from labelled papers and from what operators corrected, says how "
        "well it does on papers that it did not learn from, and writes it to a file. The papers' "
        "texts come from the archive, or from files of kept responses. To use the new model, give "
        "its file as TOPIC_MODEL, restart, and run tag_papers."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--labels", type=Path, default=labels.FILE, metavar="FILE",
            help="JSON: a list of {id, topics, maybe} (those that ship with Daily Papers)",
        )  # fmt: skip
        parser.add_argument(
            "--papers", type=Path, nargs="+", metavar="FILE",
            help="files of kept responses that have the papers (the archive)",
        )  # fmt: skip
        parser.add_argument("--output", type=Path, default=model.FILE, metavar="FILE")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            known = labels.read(options["labels"])
            rules = [tagging.rule_of(topic) for topic in selectors.catalogue()]
            slugs = {rule.slug for rule in rules}
            examples = (
                labels.examples_from_files(known, _records(options["papers"]))
                if options["papers"]
                else labels.examples_from_archive(known, slugs)
            )
        except DigestError as error:
            raise CommandError(str(error)) from error
        if len(examples) < LEAST:
            raise CommandError(
                f"Only {len(examples)} of {len(known)} labelled papers were found; {LEAST} are "
                "needed. Import their lists with import_papers, or give files with --papers."
            )
        self._judge(examples, rules)
        self._write(training.fit(examples, [rule.slug for rule in rules]), options["output"])

    def _judge(self, examples: list[Example], rules: list[TopicRule]) -> None:
        tally = scoring.Tally()
        tried: Iterable[tuple[Example, list[str]]] = training.cross_validated(examples, rules)
        if self.stdout.isatty():
            tried = track(tried, "Cross-validating", total=len(examples), transient=True)
        for example, predicted in tried:
            tally.add(predicted, topics=example.topics, maybe=example.maybe)
        found = tally.all
        self.stdout.write(
            f"{len(examples)} labelled papers. On papers left out of the training: precision "
            f"{found.precision:.2f}, recall {found.recall:.2f}, micro-F1 {found.f1:.2f}."
        )

    def _write(self, made: model.TopicModel, output: Path) -> None:
        try:
            with output.open("wb") as file:
                made.save(file)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
        kilobytes = output.stat().st_size / 1024
        self.stdout.write(f"{output}: {len(made.columns)} words, {kilobytes:.0f} KB.")


def _records(files: Iterable[Path]) -> Iterator[PaperRecord]:
    for file in files:
        try:
            body = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        try:
            yield from (each for each in stored.parse(body) if isinstance(each, PaperRecord))
        except DigestError as error:
            raise CommandError(f"{file}: {error}") from error
