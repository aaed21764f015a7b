"""How every command says what it did: JSON where a script asks for it, tables and bars on a terminal,
plain lines in a pipe or a log.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`, for scripts."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def tell(
    out: OutputWrapper,
    said: str,
    *,
    data: Any,
    is_json: bool,
    shown: RenderableType | None = None,
) -> None:
    """Prints one of the three: `data` as JSON, `shown` on a terminal, `said` anywhere else."""
    if is_json:
        out.write(json.dumps(data, default=str))
    elif shown is not None and out.isatty():
        Console(file=cast("TextIO", out)).print(shown)
    else:
        out.write(said)


def table(
    rows: Iterable[Sequence[RenderableType]], *, title: str = "", columns: Sequence[str] = ()
) -> Table:
    """A table; what stands in a column whose name ends with `#` is numbers, on the right."""
    made = Table(title=title, title_justify="left", show_header=bool(columns), header_style="bold")
    for name in columns:
        is_number = name.endswith("#")
        made.add_column(name.removesuffix("#"), justify="right" if is_number else "left")
    for row in rows:
        made.add_row(*row)
    return made


def progress(errors: OutputWrapper) -> Progress:
    """A bar on the terminal behind standard error, and nothing where there is none, so that what a
    command prints can go to a file or a program while the bar is seen."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=cast("TextIO", errors)),
        transient=True,
        disable=not errors.isatty(),
    )
