"""Which edition a command is about: that of a day, or the newest one."""

import argparse
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from digest.editions import building
from digest.management import arguments
from digest.models import Edition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", type=arguments.day, help="the edition's day (the newest)")
    parser.add_argument(
        "--frequency", choices=Edition.Frequency.values, default=Edition.Frequency.DAILY
    )


def chosen(options: Mapping[str, Any]) -> Edition:
    """Raises CommandError, with one line, where there is none."""
    frequency = options["frequency"]
    if options["date"] is None:
        edition = building.newest(frequency)
    else:
        day = building.first_day(options["date"], frequency)
        edition = Edition.objects.filter(frequency=frequency, date=day).first()
    if edition is None:
        raise CommandError(f"No {frequency} edition of {options['date'] or 'any day'} is closed.")
    return edition
