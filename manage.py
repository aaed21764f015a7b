#!/usr/bin/env python
"""Runs a management command: `manage.py help` lists them."""

import os
import sys
from typing import TextIO

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandParser


def print_no_usage(parser: CommandParser, file: TextIO | None = None) -> None:
    """A wrong argument gets one line, without the usage before it; `--help` has that."""


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    CommandParser.print_usage = print_no_usage  # type: ignore[method-assign,assignment]
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Settings: {error}")
