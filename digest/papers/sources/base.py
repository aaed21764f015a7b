"""What every source offers, and the readings of upstream text that sources share."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import idna

from digest.records import BadEntry, PaperRecord

MOST_NODES = 200_000
"""Elements and attributes, or values, lists and objects of one answer. The largest page of a day has
some ten thousand; a parser makes hundreds of bytes of memory of each, and they are written with two."""
LONGEST_TEXT = 1_000_000
"""Letters of any text that are looked at. Of fifteen million, the words alone would fill a memory."""
LONGEST_TITLE = 2_000
LONGEST_ABSTRACT = 50_000
MOST_AUTHORS = 10_000
LONGEST_NAMES = 500_000
"""Letters of all authors together."""
LONGEST_LINK = 500
MOST_WORDS = 50
"""Keywords, or categories."""
MOST_VERSION = 9_999
# The archive's name is bounded: arXiv has none above eight letters, a database has its limits.
_ARXIV_ID = re.compile(
    r"(\d{4}\.\d{4,5}|[a-z-]{2,16}(?:\.[A-Z]{2})?/\d{7})(?:v(\d{1,4}))?", re.ASCII
)

_CATEGORY = re.compile(r"[A-Za-z0-9_.-]{2,20}")

# Halves of a surrogate pair are legal in JSON, but no text; PostgreSQL refuses them and NUL.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff]")
_NOT_IN_LINKS = re.compile(r'[\s<>"\\^`{|}]')
# What ends in a number is an IP address to a browser, and a name without a dot a machine nearby.
_PUBLIC_HOST = re.compile(r"(?:[\w-]+\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]*[a-z0-9])")
_INNER_NAMES = frozenset(
    # home.arpa is the network of a home (RFC 8375), and nothing in arpa is a page for people.
    {"arpa", "internal", "intranet", "lan", "local", "localdomain", "localhost"}
)
_MARKS = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Zl", "Zp", "Zs"})
"""Categories of Unicode in which nothing can be seen that stands by itself."""
_FIRST_YEAR = 1991
"""arXiv's own."""


class Source(Protocol):
    """Where papers come from."""

    name: str

    def fetch(self, day: date) -> Iterator[PaperRecord | BadEntry]:
        """The papers listed on the day, as they arrive; a bad entry does not stop the rest.

        Raises SourceError when the list could not be read to its end: what came before is good.
        """
        ...


class EntryError(ValueError):
    """An entry can't be read; its text says why."""


def arxiv_id(text: object) -> tuple[str, int | None]:
    """Id without version, and the version; EntryError for anything that arXiv never gave out."""
    match = _ARXIV_ID.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise EntryError("no arXiv id")
    return match[1], int(match[2]) if match[2] else None


def title(text: object) -> str:
    """A title on one line; EntryError where it is missing or no title."""
    joined = one_line(text)
    if all(unicodedata.category(char) in _MARKS for char in joined[: LONGEST_TITLE + 1]):
        raise EntryError("no title")
    if len(joined) > LONGEST_TITLE:
        raise EntryError(f"a title of {len(joined):,} characters")
    return joined


def abstract(text: object) -> str:
    """An abstract on one line; EntryError where it is absurdly long."""
    joined = one_line(text)
    if len(joined) > LONGEST_ABSTRACT:
        raise EntryError(f"an abstract of {len(joined):,} characters")
    return joined


def names(values: list[object]) -> tuple[str, ...]:
    """Authors' names, in order, without empty ones."""
    if len(values) > MOST_AUTHORS:
        raise EntryError(f"{len(values):,} authors")
    found = tuple(name[:200] for value in values if (name := one_line(value)))
    if (letters := sum(map(len, found))) > LONGEST_NAMES:
        raise EntryError(f"names of {letters:,} letters")
    return found


def one_line(text: object) -> str:
    """The text with line breaks and runs of spaces joined, without control characters and halves of
    characters; EntryError for what is no text."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise EntryError(f"{type(text).__name__} where text belongs")
    return " ".join(_NO_TEXT.sub("", text[:LONGEST_TEXT]).split())


def moment(text: object) -> datetime:
    """An ISO 8601 time as aware UTC; EntryError for anything else."""
    return _moment(text, datetime.fromisoformat)


def mail_moment(text: object) -> datetime:
    """An RFC 5322 time as aware UTC; EntryError for anything else."""
    return _moment(text, parsedate_to_datetime)


def _moment(text: object, read: Callable[[str], datetime]) -> datetime:
    if not isinstance(text, str):
        raise EntryError("no date")
    try:
        parsed = read(text.strip())
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        moment = aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EntryError("a date that is none") from error
    # A paper of the year 9999 would be the newest for ever.
    if not _FIRST_YEAR <= moment.year <= datetime.now(UTC).year + 1:
        raise EntryError(f"a date in the year {moment.year}")
    return moment


def count(value: object) -> int | None:
    """A number of votes, comments or stars; None where it is not given or makes no sense."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 2**31 else None  # type: ignore[operator,return-value]


def link(value: object) -> str:
    """An http or https address that anybody may be led to, or "" for anything else: `javascript:`, a
    machine in the reader's own network, a name and password, or letters that can't be seen."""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if len(text) > LONGEST_LINK or _NOT_IN_LINKS.search(text):
        return ""
    if any(unicodedata.category(char) in _MARKS for char in text):
        return ""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return ""
    is_web = parts.scheme in ("http", "https") and "@" not in parts.netloc
    return text if is_web and _is_public(parts.hostname or "") else ""


def _is_public(host: str) -> bool:
    try:
        # As browsers read it (UTS #46), to whom letters in full width are letters.
        name = idna.uts46_remap(host, std3_rules=False)
    except UnicodeError:
        return False
    top = name.rpartition(".")[2]
    return bool(_PUBLIC_HOST.fullmatch(name)) and top not in _INNER_NAMES


def categories(values: Iterable[str]) -> tuple[str, ...]:
    """Those that may be names of arXiv's categories, each once."""
    known = (value.strip() for value in values)
    return tuple(dict.fromkeys(value for value in known if _CATEGORY.fullmatch(value)))[:MOST_WORDS]


def strings(value: object, *, most: int = MOST_WORDS) -> tuple[str, ...]:
    """The texts of a list, or () where it is none."""
    entries: list[Any] = value if isinstance(value, list) else []
    return tuple(one_line(entry)[:120] for entry in entries[:most] if isinstance(entry, str))
