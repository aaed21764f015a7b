"""What the commands' arguments share: dates and times, refused in one line when they are none."""

import argparse
from datetime import UTC, date, datetime

from digest.delivery import because as reasons
from digest.editions import building
from digest.errors import UnfitReasonError

_LONGEST_PAUSE = 600


def day(text: str) -> date:
    """`2026-08-20`; anything else is refused with a line that says what is wanted."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as YYYY-MM-DD") from error
    _refuse_if_far(parsed, text)
    return parsed


def moment(text: str) -> datetime:
    """An ISO 8601 time, in UTC where it names no zone."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write it as YYYY-MM-DDTHH:MM:SSZ"
        ) from error
    _refuse_if_far(parsed, text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _refuse_if_far(day: date, text: str) -> None:
    if day.year not in building.YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is too far from now")


def because(text: str) -> str:
    """Why something is stopped, in one line that may be kept."""
    try:
        return reasons.cleaned(text)
    except UnfitReasonError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pause(text: str) -> int:
    """A number of seconds from 1 to 600."""
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_PAUSE:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 to 600")
    return int(text)
