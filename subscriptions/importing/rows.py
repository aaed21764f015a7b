"""From the cells of a row to what is taken of it, or what is wrong with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from subscriptions import addresses, schedule
from subscriptions.errors import AddressError, ChoiceError
from subscriptions.models import Subscriber, Topic
from subscriptions.records import Rhythm

from .headings import Columns

_HOUR = re.compile(r"0?(\d|1\d|2[0-3])(?::00){0,2}")
"""Spreadsheets make a time of day of it."""
_SHOWN = 40
"""Letters of what was given, in a message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A reader as a row has them."""

    email: str
    topics: tuple[str, ...]
    rhythm: Rhythm


def entry(cells: Sequence[str], where: Columns, topics: Mapping[str, Topic]) -> Entry:
    """What the row says; PermanentError for what can't be taken."""

    def cell(place: int | None) -> str:
        return cells[place].strip() if place is not None and place < len(cells) else ""

    slugs = _slugs(cell(where.topics), topics) if where.topics is not None else ()
    frequency = cell(where.frequency).lower() or Subscriber.Frequency.WEEKDAYS.value
    if frequency not in Subscriber.Frequency.values:
        names = ", ".join(Subscriber.Frequency)
        raise ChoiceError(f"The frequency {frequency[:_SHOWN]!r} is not one of {names}.")
    zone = _zone(cell(where.timezone)) if where.timezone is not None else "UTC"
    hour = _HOUR.fullmatch(cell(where.hour) or "7")
    if hour is None:
        raise ChoiceError(f"The hour {cell(where.hour)[:20]!r} is not a number from 0 to 23.")
    address = cells[where.email].removeprefix("'") if where.email < len(cells) else ""
    if not address.strip():
        raise AddressError("There is no address.")
    email = addresses.canonical(address)
    return Entry(email, slugs, Rhythm(frequency, int(hour[1]), zone))


def address_of(cells: Sequence[str], where: Columns) -> str:
    """The address in small letters, to be compared; "" for none."""
    cell = cells[where.email].removeprefix("'") if where.email < len(cells) else ""
    try:
        return addresses.canonical(cell).lower()
    except AddressError:
        return ""


def _slugs(cell: str, topics: Mapping[str, Topic]) -> tuple[str, ...]:
    slugs = sorted({part.strip().lower() for part in cell.split(";") if part.strip()})
    if unknown := [slug for slug in slugs if slug not in topics]:
        raise ChoiceError(f"There is no topic {unknown[0][:_SHOWN]!r}.")
    return tuple(slugs)


def _zone(cell: str) -> str:
    if not cell:
        return "UTC"
    zone = _zones().get(cell.casefold())
    if zone is None:
        raise ChoiceError(f"There is no time zone {cell[:_SHOWN]!r}.")
    return zone


@cache
def _zones() -> dict[str, str]:
    return {zone.casefold(): zone for zone in schedule.zones()}
