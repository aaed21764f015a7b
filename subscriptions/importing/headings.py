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
_STATUS = {"status", "state", "subscriberstatus", "memberstatus", "subscriptionstatus"}
_YES_TO_MAIL = {"subscribed", "subscribedtoemails", "issubscribed"}
"""Ghost has the second."""
_NO_TO_MAIL = {
    "unsubscribed", "unsubscribedat", "unsubscribedon", "emaildisabled", "blacklisted",
    "blocklisted", "emailblacklisted", "bounced", "complained", "deletedat",
    "unsubtime", "unsubreason", "unsubcampaigntitle", "cleantime", "cleancampaigntitle",
}  # fmt: skip
"""The last two lines are Ghost's and Mailchimp's."""
_ACTIVE = {"", "active", "enabled", "subscribed", "confirmed"}
_YES = {"", "true", "yes", "1", "y", "t"}
_NO = {"", "false", "no", "0", "n", "f"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where what we take is in a row."""

    email: int
    topics: int | None
    frequency: int | None
    timezone: int | None
    hour: int | None
    status: tuple[int, ...]
    yes: tuple[int, ...]
    no: tuple[int, ...]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def is_address(name: str) -> bool:
    """Whether the column may be that of the address."""
    return _plain(name) in _ADDRESS | _PERHAPS_ADDRESS


def is_hash(name: str) -> bool:
    """Whether the column is that of hashes, as `export_subscribers --suppressions` writes it."""
    return _plain(name) == "addresshash"


def place_of_address(headings: Sequence[str]) -> int:
    """Where the address is in a row of a table that has one."""
    plain = [_plain(name) for name in headings]
    found = [place for place, name in enumerate(plain) if name in _ADDRESS]
    perhaps = [place for place, name in enumerate(plain) if name in _PERHAPS_ADDRESS]
    return [*found, *perhaps][0]


def place_of_reason(headings: Sequence[str]) -> int | None:
    """Where a row says why nothing is mailed, if it does."""
    plain = [_plain(name) for name in headings]
    return plain.index("reason") if "reason" in plain else None


def columns(headings: Sequence[str]) -> Columns:
    """The columns of a table that has one of addresses; all others are passed over."""
    plain = [_plain(name) for name in headings]

    def first(name: str) -> int | None:
        return plain.index(name) if name in plain else None

    def all_of(names: set[str]) -> tuple[int, ...]:
        return tuple(place for place, name in enumerate(plain) if name in names)

    return Columns(
        email=place_of_address(headings),
        topics=first("topics"),
        frequency=first("frequency"),
        timezone=first("timezone"),
        hour=first("hour"),
        status=all_of(_STATUS),
        yes=all_of(_YES_TO_MAIL),
        no=all_of(_NO_TO_MAIL),
    )


def may_be_mailed(cells: Sequence[str], where: Columns) -> bool:
    """Whether the reader wanted mail, and got it, where the row comes from."""

    def said(places: Sequence[int]) -> set[str]:
        return {cells[place].strip().casefold() for place in places if place < len(cells)}

    return said(where.status) <= _ACTIVE and said(where.yes) <= _YES and said(where.no) <= _NO
