"""`manage.py train_topics`: trains the topic model anew from labelled papers."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from digest.errors import DigestError
from digest.management import printing
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
        printing.add_json(parser)

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
        found = self._judge(examples, rules)
        made = training.fit(examples, [rule.slug for rule in rules])
        size = self._write(made, options["output"])
        printing.tell(
            self.stdout,
            f"{len(examples)} labelled papers. On papers left out of the training: precision "
            f"{found.precision:.2f}, recall {found.recall:.2f}, micro-F1 {found.f1:.2f}.\n"
            f"{options['output']}: {len(made.columns)} words, {size / 1024:.0f} KB.",
            data={
                "labelled": len(examples),
                "precision": round(found.precision, 4),
                "recall": round(found.recall, 4),
                "f1": round(found.f1, 4),
                "file": str(options["output"]),
                "words": len(made.columns),
                "bytes": size,
            },
            is_json=options["json"],
        )

    def _judge(self, examples: list[Example], rules: list[TopicRule]) -> scoring.Score:
        tally = scoring.Tally()
        tried = training.cross_validated(examples, rules)
        with printing.progress(self.stderr) as bar:
            for example, predicted in bar.track(
                tried, total=len(examples), description="Cross-validating"
            ):
                tally.add(predicted, topics=example.topics, maybe=example.maybe)
        return tally.all

    def _write(self, made: model.TopicModel, output: Path) -> int:
        """The bytes of the file."""
        try:
            with output.open("wb") as file:
                made.save(file)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
        return output.stat().st_size


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
