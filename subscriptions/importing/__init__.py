"""Readers as CSV: in, with bad rows named and the rest taken; and out again.

`reading` makes cells of a file as spreadsheets and other services write it, `rows` makes entries of
cells, `standing` knows who of them may be mailed, `adding` puts them into the database page by page, `suppressing` those whom not to mail;
`exporting` is the way back.
"""

from .adding import Outcome, add
from .exporting import (
    COLUMNS,
    SUPPRESSION_COLUMNS,
    harmless,
    rows_of,
    suppression_rows,
    with_status,
)
from .reading import Row, Table, opened, table
from .standing import read_as_signs
from .suppressing import suppress

__all__ = [
    "COLUMNS",
    "SUPPRESSION_COLUMNS",
    "Outcome",
    "Row",
    "Table",
    "add",
    "harmless",
    "opened",
    "read_as_signs",
    "rows_of",
    "suppress",
    "suppression_rows",
    "table",
    "with_status",
]
