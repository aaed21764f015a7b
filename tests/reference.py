"""`python -m tests.reference`: writes docs/reference.md from the code, as `make docs` does.

Settings come from .env.example, which a test holds to config/settings.py; commands and their options
from the commands themselves.
"""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
OURS = ("digest", "subscriptions")
_HEAD = """# Reference

Made from the code by `make docs`; a test says when it is older than the code.

## Settings

Variables of the environment, or lines of a `.env` file. A secret `NAME` may come from the file that
`NAME_FILE` names: {secrets} and all of the mail providers' own. In brackets, at the end of a line, is
what holds where nothing is set.
"""
_COMMANDS = """
## Commands

`.venv/bin/python manage.py COMMAND`, or with Docker `docker compose run --rm migrate python manage.py
COMMAND`. Wrong input is answered with one line and exit status 1 or 2.
"""


def settings_of(text: str) -> Iterator[str]:
    """The sections of .env.example as tables."""
    comment: list[str] = []
    is_used = False
    for line in text.splitlines():
        if section := re.fullmatch(r"# --- (.*) ---", line):
            yield f"\n### {section[1]}\n\n| setting | what it is | for example |\n| --- | --- | --- |"
        elif setting := re.fullmatch(r"#([A-Z_]+)=(.*)", line):
            example = f"`{setting[2]}`" if setting[2] else ""
            # A comment is of all settings that follow it.
            yield f"| `{setting[1]}` | {_cell(' '.join(comment))} | {example} |"
            is_used = True
        else:
            comment = [] if is_used or not line else comment
            comment += [line.removeprefix("# ")] if line.startswith("# ") else []
            is_used = False


def commands() -> Iterator[str]:
    """What each of our commands says of itself, by name."""
    from django.core.management import get_commands, load_command_class  # noqa: PLC0415

    for name, app in sorted(get_commands().items()):
        if app in OURS:
            command = load_command_class(app, name)
            yield f"\n### {name}\n\n{_plain(command.help)}"
            parser = command.create_parser("manage.py", name)
            rows = [row for action in parser._actions if (row := _row(action))]
            if rows:
                yield "\n| argument | what it does |\n| --- | --- |"
                yield from rows


def _row(action: argparse.Action) -> str:
    # Django gives these to every command.
    if {*action.option_strings} & _DJANGOS or action.dest == "help":
        return ""
    names = ", ".join(action.option_strings) or action.metavar or action.dest.upper()
    choices = "|".join(map(str, action.choices or ()))
    if action.option_strings and action.nargs != 0:
        # What would be too wide beside the option, its text has.
        fits = len(choices) < _WIDEST
        names += f" {(fits and choices) or action.metavar or action.dest.upper()}"
    said = _plain(action.help or "")
    if action.option_strings and action.required:
        said = f"{said} (required)".lstrip()
    return f"| `{str(names).replace('|', _BAR)}` | {_cell(said)} |"


_BAR = "\\|"
_WIDEST = 40
_DJANGOS = {
    "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color",
    "--force-color", "--skip-checks",
}  # fmt: skip


def _plain(text: str) -> str:
    return " ".join(text.replace("%%", "%").split())


def _cell(text: str) -> str:
    # Outside of code an angle bracket would begin a tag.
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(parts))


def page() -> str:
    """The whole page, as it should be."""
    settings = settings_of((ROOT / ".env.example").read_text())
    code = (ROOT / "config" / "settings.py").read_text()
    secrets = re.findall(r'env\.secret(?:_entries)?\("([A-Z_]+)"', code)
    head = _HEAD.format(secrets=", ".join(f"`{name}`" for name in sorted({*secrets})))
    return "\n".join([head.rstrip(), *settings, _COMMANDS.rstrip(), *commands(), ""])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())
