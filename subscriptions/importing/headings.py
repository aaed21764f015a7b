"""What columns are called: by us, by people, and in the exports of other services."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ADDRESS = {
    "email", "emailaddress", "mail", "mailaddress", "emailadresse", "subscriberemail",
    "memberemail", "contactemail", "email1value",
}  # fmt: skip
_PERHAPS_ADDRESS = {"address", "recipient", "subscriber", "contact"}
"""Mailgun has the first in its lists of bounces; beside a column of those above they are others."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where what we take is in a row."""

    email: int
    topics: int | None
    frequency: int | None
    timezone: int | None
    hour: int | None


def plain(name: str) -> str:
    """Its letters and digits, in small letters."""
    return re.sub(r"[\W_]+", "", name.casefold())


def is_address(name: str) -> bool:
    """Whether the column may be that of the address."""
    return plain(name) in _ADDRESS | _PERHAPS_ADDRESS


def is_hash(name: str) -> bool:
    """Whether the column is that of hashes, as `export_subscribers --suppressions` writes it."""
    return plain(name) == "addresshash"


def place_of_address(headings: Sequence[str]) -> int:
    """Where the address is in a row of a table that has one."""
    names = [plain(name) for name in headings]
    found = [place for place, name in enumerate(names) if name in _ADDRESS]
    perhaps = [place for place, name in enumerate(names) if name in _PERHAPS_ADDRESS]
    return [*found, *perhaps][0]


def place_of_reason(headings: Sequence[str]) -> int | None:
    """Where a row says why nothing is mailed, if it does."""
    names = [plain(name) for name in headings]
    return names.index("reason") if "reason" in names else None


def columns(headings: Sequence[str]) -> Columns:
    """The columns of a table that has one of addresses; all others are passed over."""
    names = [plain(name) for name in headings]

    def first(name: str) -> int | None:
        return names.index(name) if name in names else None

    return Columns(
        email=place_of_address(headings),
        topics=first("topics"),
        frequency=first("frequency"),
        timezone=first("timezone"),
        hour=first("hour"),
    )
