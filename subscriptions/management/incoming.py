"""What the commands that read CSV share: the file with its bar, and what becomes of bad rows."""

import csv
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO

import rich.progress
from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console

from subscriptions import importing
from subscriptions.errors import PermanentError

from . import files

INTERRUPTED = 130
"""The exit status after Ctrl-C."""
_SHOWN = 20
"""Bad rows that are printed; all of them go into the file of --errors."""


@dataclass(slots=True)
class BadRows:
    """The first of them, how many there were, and where all of them go."""

    path: Path | None
    number: int = 0
    shown: list[tuple[int, str]] = field(default_factory=list)
    """Line, and what is wrong."""

    @contextmanager
    def taken(self, headings: list[str]) -> Iterator[Callable[[importing.Row, str], None]]:
        """What takes them, each with the reason; the file is there once all were."""
        if self.path is None:
            yield self._note
            return
        with files.written(self.path) as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", *map(importing.harmless, headings)])

            def write(row: importing.Row, problem: str) -> None:
                self._note(row, problem)
                writer.writerow([row.line, problem, *map(importing.harmless, row.cells)])

            yield write

    def _note(self, row: importing.Row, problem: str) -> None:
        self.number += 1
        if len(self.shown) < _SHOWN:
            self.shown.append((row.line, problem))

    def tell(self, stderr: OutputWrapper) -> None:
        """Names the first, and says where the others are."""
        for line, problem in self.shown:
            stderr.write(f"line {line}: {problem}")
        if more := self.number - len(self.shown):
            where = f"all are in {self.path}" if self.path else "--errors FILE.csv writes them all"
            stderr.write(f"and {more:,} more: {where}")

    def as_json(self) -> list[dict[str, object]]:
        """The first, for a script."""
        return [{"line": line, "reason": problem} for line, problem in self.shown]


def add_arguments(parser: ArgumentParser) -> None:
    """The file, its encoding, and where bad rows and counts go."""
    parser.add_argument("file", type=Path, help="the CSV file with a heading line; - for stdin")
    parser.add_argument(
        "--errors", type=Path, help="a CSV file to write the bad rows to, for mending"
    )
    parser.add_argument(
        "--encoding", default="", help="where it is not UTF-8, UTF-16 or Windows-1252"
    )
    parser.add_argument("--json", action="store_true", help="prints the counts as JSON")


def bad_rows(errors: Path | None, *, of: Path) -> BadRows:
    """To be filled; CommandError where they could not be written, or over the file itself."""
    if errors and errors.resolve() == of.resolve():
        raise CommandError("--errors names the file that is read: it would be written over.")
    if errors and errors.is_dir():
        raise CommandError(f"{errors} can't be written: it is a folder; --errors names a file.")
    if errors and not os.access(errors.resolve().parent, os.W_OK):
        raise CommandError(f"{errors} can't be written: its folder is not there, or not yours.")
    return BadRows(errors)


@contextmanager
def opened(file: Path, encoding: str, stderr: OutputWrapper) -> Iterator[TextIO]:
    """The file, or stdin, as text; with a bar on a terminal. PermanentError, perhaps late in the file, where
    it is not written in the encoding."""
    with _raw(file, stderr) as raw:
        try:
            with importing.opened(raw, encoding) as text:
                yield text
        except UnicodeError as error:
            raise PermanentError(f"It is not written in {encoding!r} ({error}).") from error


@contextmanager
def _raw(file: Path, stderr: OutputWrapper) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with rich.progress.open(
        file, "rb", console=Console(stderr=True), disable=not stderr.isatty()
    ) as raw:
        yield raw
