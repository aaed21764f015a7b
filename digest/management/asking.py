"""Asks before what can't be taken back: at a terminal with a question, elsewhere by refusing in one
line; `--yes` answers beforehand."""

import argparse
import sys
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.formats import date_format

_AHEAD = timedelta(minutes=1)
"""How far two clocks may be apart."""


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Adds `--yes`, for scripts."""
    parser.add_argument("--yes", action="store_true", help="don't ask whether it is meant")


def agree(what: str, *, is_meant: bool) -> None:
    """Returns where it is meant. Raises CommandError, with one line, where it is not, or where there
    is nobody to ask."""
    if is_meant:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(f"{what} Nothing was done; where it is meant, add --yes.")
    # Not in what the command prints, which may go to a file.
    sys.stderr.write(f"{what} Is it meant? [y/N] ")
    sys.stderr.flush()
    try:
        answer = input()
    except EOFError:
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing was done.")


def agree_to_time(now: datetime | None, *, is_meant: bool, does: str) -> datetime:
    """The time that was given with `--now`, or that of now; asks where it lies ahead."""
    if now is None:
        return timezone.now()
    if now > timezone.now() + _AHEAD:
        at = date_format(now, "DATETIME_FORMAT")
        agree(f"--now {at} lies ahead: {does}", is_meant=is_meant)
    return now
