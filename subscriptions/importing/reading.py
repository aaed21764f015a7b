"""From the bytes of a file to the cells of its rows: encodings, separators and quotes as spreadsheets
and other services write them. A row that can't be read spoils no other."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from subscriptions.errors import PermanentError

from .headings import is_address, is_hash, place_of_address

SEPARATORS = (",", ";", "\t", "|")
MOST_LINES = 100
"""Of one cell: a quote that is not closed after so many was left open by mistake."""
_OPEN = "unexpected end of data"
"""What the csv module says of a row whose last quote is open."""
_SAMPLE = 4096
_FALLBACK = "daily_papers_windows_1252"

_Line = tuple[int, str]


@dataclass(slots=True)
class Row:
    """A row of the file, from the line that it begins on; where it is none, what is wrong with it."""

    line: int
    cells: list[str]
    problem: str = ""


@dataclass(slots=True)
class Table:
    """The headings of a file, and its rows, which are read once."""

    headings: list[str]
    separator: str
    rows: Iterator[Row]


def opened(file: BinaryIO, encoding: str = "") -> TextIO:
    """The file as text; without an encoding it is UTF-8, or UTF-16, with or without a byte order
    mark. A byte that is no UTF-8 is read as Windows-1252, in which western spreadsheets write.

    Other encodings can't be told from one another by so few letters: an address must not be guessed.
    """
    buffered = io.BufferedReader(file, 1 << 16)  # type: ignore[type-var]
    found = encoding or _encoding_of(buffered.peek(_SAMPLE)[:_SAMPLE])
    errors = "replace" if encoding or found.startswith("utf-16") else _FALLBACK
    try:
        return io.TextIOWrapper(buffered, encoding=found, errors=errors, newline=None)
    except LookupError as error:
        raise PermanentError(f"There is no encoding {encoding!r}.") from error


def _encoding_of(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Plain letters have a zero in each second byte.
    half = len(sample) // 2
    if half and sample[1::2].count(0) > half * 0.7:
        return "utf-16-le"
    if half and sample[::2].count(0) > half * 0.7:
        return "utf-16-be"
    return "utf-8-sig"


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_FALLBACK, _as_windows_1252)


def table(lines: Iterable[str], *, with_hashes: bool = False) -> Table:
    """The table in these lines, the first of which has the headings.

    Raises PermanentError where none of them is that of an address, or `with_hashes` of its hash.
    """
    numbered = enumerate(lines, start=1)
    first = _first_line(numbered)
    hint = first.strip().casefold()
    if hint.startswith("sep=") and len(hint) <= len("sep=,"):
        first = _first_line(numbered)

    def is_wanted(name: str) -> bool:
        return is_address(name) or (with_hashes and is_hash(name))

    separator, headings = _headings(first, is_wanted)
    hashes = [place for place, name in enumerate(headings) if with_hashes and is_hash(name)]
    place = hashes[0] if hashes else place_of_address(headings)
    return Table(headings, separator, _rows(numbered, separator, place))


def _first_line(numbered: Iterator[_Line]) -> str:
    return next((line for _, line in numbered if line.strip("\ufeff \t\r\n,;|")), "")


def _headings(line: str, is_wanted: Callable[[str], bool]) -> tuple[str, list[str]]:
    line = line.removeprefix("\ufeff")
    found: list[tuple[int, str, list[str]]] = []
    said = ""
    for separator in SEPARATORS:
        cells, said = _cells([line], separator)
        if any(map(is_wanted, cells)):
            found.append((len(cells), separator, cells))
    if found:
        _, separator, cells = max(found, key=lambda each: each[0])
        return separator, [cell.strip() for cell in cells]
    if said:
        raise PermanentError(_no_row(said))
    if not line:
        raise PermanentError("There is nothing in it.")
    hint = " It looks like a reader: put the names of the columns above it." if "@" in line else ""
    raise PermanentError(f"The first line has no column named email.{hint}")


def _rows(numbered: Iterator[_Line], separator: str, address: int) -> Iterator[Row]:
    waiting: deque[_Line] = deque()
    blank = f" \t\r\n{separator}"

    def following() -> _Line | None:
        return waiting.popleft() if waiting else next(numbered, None)

    while (line := following()) is not None:
        number, text = line
        if not text.strip(blank):
            continue
        if '"' not in text:
            yield Row(number, text.rstrip("\n").split(separator))
            continue
        cells, said = _cells([text], separator)
        if said.startswith(_OPEN):
            ahead: list[_Line] = []
            joined = _joined(text, following, ahead, separator, address)
            if joined:
                yield Row(number, joined)
                continue
            waiting.extendleft(reversed(ahead))
        yield Row(number, [text.rstrip("\n")] if said else cells, _no_row(said) if said else "")


def _joined(
    text: str,
    following: Callable[[], _Line | None],
    ahead: list[_Line],
    separator: str,
    address: int,
) -> list[str]:
    """The cells of a row that goes on in the lines that follow, which are put into `ahead`; none
    where its quote was left open by mistake."""
    lines = [text]
    while len(lines) < MOST_LINES and (line := following()) is not None:
        ahead.append(line)
        lines.append(line[1])
        if '"' not in line[1]:
            continue
        cells, said = _cells(lines, separator)
        if not said:
            # No address has a line break: this quote is closed by that of another row.
            return cells if "\n" not in "".join(cells[address : address + 1]) else []
        if not said.startswith(_OPEN):
            return []
    return []


def _cells(lines: list[str], separator: str) -> tuple[list[str], str]:
    """The cells of a row; or else why it is none, in the words of the csv module."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        cells = next(reader, [])
    except csv.Error as error:
        return [], str(error)
    # What is left over begins another row, which an open quote took in.
    return (cells, "") if reader.line_num == len(lines) else ([], "two rows in one")


def _no_row(said: str) -> str:
    return f"This is no row of CSV ({said}). Is a quote left open?"
