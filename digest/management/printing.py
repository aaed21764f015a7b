"""How every command says what it did: JSON where a script asks for it, tables and bars on a terminal,
plain lines in a pipe or a log.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from digest.delivery.ledger import Ledger
from digest.records import FetchCounts


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
        Console(file=cast("TextIO", out), highlight=False).print(shown)
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


def counts_table(
    found: Mapping[str, FetchCounts], *, first: str, below: Sequence[str] = ()
) -> Table:
    """A row for each source or file, with what became of its entries, and lines that say why."""
    rows = [
        [escape(name), *(f"{n:,}" for n in (each.new, each.updated, each.skipped, each.bad))]
        for name, each in found.items()
    ]
    made = table(rows, columns=(first, "new#", "updated#", "skipped#", "bad#"))
    made.caption, made.caption_justify = escape("\n".join(below)) or None, "left"
    return made


def ledger_table(found: Ledger) -> Table:
    """The sum of the ledger, its parts above it; what needs somebody stands out."""
    skipped = [(f"  {name}", f"{number:,}") for name, number in sorted(found.skipped.items())]
    parts = [
        ("sent", f"{found.sent:,}"),
        ("skipped", f"{sum(found.skipped.values()):,}"),
        *skipped,
        ("suppressed", f"{found.suppressed:,}"),
        ("failed", _standing_out(found.failed)),
        ("uncertain", _standing_out(found.uncertain)),
        ("pending", f"{found.pending:,}"),
    ]
    made = table(parts, title=f"Edition {found.edition}", columns=("deliveries", "number#"))
    made.add_section()
    made.add_row("[bold]due[/bold]", f"[bold]{found.due:,}[/bold]")
    verdict = "[green]adds up[/green]" if found.is_balanced else "[bold red]DOES NOT ADD UP[/]"
    made.caption, made.caption_justify = verdict, "left"
    return made


def _standing_out(number: int) -> str:
    return f"[bold yellow]{number:,}[/]" if number else "0"


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
