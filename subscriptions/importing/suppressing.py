"""From rows to suppressions: addresses, or hashes of them, to which nothing is mailed any more."""

import re
from collections.abc import Callable
from itertools import islice

from django.db import transaction
from django.db.models.functions import Lower

from subscriptions import addresses, selectors
from subscriptions.errors import AddressError
from subscriptions.models import Subscriber, Suppression

from .adding import PAGE, Outcome
from .headings import is_hash, place_of_address, place_of_reason
from .reading import Row, Table

_HASH = re.compile(r"[0-9a-f]{64}")
_Reasons = dict[str, Suppression.Reason]
"""By address, or by hash."""


def suppress(
    table: Table,
    outcome: Outcome,
    *,
    reason: Suppression.Reason,
    on_bad: Callable[[Row, str], None] = lambda row, problem: None,
) -> None:
    """Afterwards nothing is mailed to any address of the table, for the row's own reason or else for
    this one. The first reason of an address stays. `outcome` is true after every page of rows.

    Of hashes by another SECRET_KEY than a reader's own, those by SECRET_KEY_FALLBACKS count.
    """
    hashed = [place for place, name in enumerate(table.headings) if is_hash(name)]
    place = hashed[0] if hashed else place_of_address(table.headings)
    why = place_of_reason(table.headings)
    while page := list(islice(table.rows, PAGE)):
        found: _Reasons = {}
        for row in page:
            try:
                name = _name(row, place, is_hash=bool(hashed))
            except AddressError as error:
                outcome.bad += 1
                on_bad(row, str(error))
                continue
            outcome.known += name in found
            found.setdefault(name, _reason(row, why) or reason)
        if hashed:
            _store(found, {}, outcome)
        else:
            _store(_hashes(found), _older_hashes(found), outcome)
    if hashed:
        _store_of_readers()


def _name(row: Row, place: int, *, is_hash: bool) -> str:
    """The hash, or the address in small letters."""
    cell = row.cells[place].strip() if place < len(row.cells) and not row.problem else ""
    if row.problem or not cell:
        raise AddressError(row.problem or "There is no address.")
    if not is_hash:
        return addresses.canonical(cell.removeprefix("'")).lower()
    if not _HASH.fullmatch(cell.lower()):
        raise AddressError("That is no hash of an address: it has 64 digits and letters a to f.")
    return cell.lower()


def _reason(row: Row, place: int | None) -> Suppression.Reason | None:
    said = row.cells[place].strip().lower() if place is not None and place < len(row.cells) else ""
    return Suppression.Reason(said) if said in Suppression.Reason.values else None


def _hashes(found: _Reasons) -> _Reasons:
    return {addresses.hash_of(address): reason for address, reason in found.items()}


def _older_hashes(found: _Reasons) -> _Reasons:
    """Of readers who signed up under a SECRET_KEY of old: what their digests are checked by."""
    readers = Subscriber.objects.annotate(lower=Lower("email")).filter(lower__in=found)
    rows = readers.values_list("lower", "address_hash")
    return {address_hash: found[lower] for lower, address_hash in rows}


def _store_of_readers() -> None:
    """Afterwards every reader whose address is suppressed under another key than that of their own
    hash, by which digests are checked, is suppressed under that, too."""
    readers = selectors.with_suppression(Subscriber.objects.all()).filter(is_suppressed=False)
    rows = readers.order_by("pk").values_list("pk", "email", "address_hash")
    last = 0
    while page := list(rows.filter(pk__gt=last)[:PAGE]):
        last = page[-1][0]
        own = {each: mine for _, email, mine in page for each in addresses.hashes_of(email)}
        found = Suppression.objects.filter(address_hash__in=own)
        Suppression.objects.bulk_create(
            [
                Suppression(address_hash=own[each], reason=reason)
                for each, reason in found.values_list("address_hash", "reason")
            ],
            ignore_conflicts=True,
        )


def _store(hashes: _Reasons, older: _Reasons, outcome: Outcome) -> None:
    wanted = older | hashes
    with transaction.atomic():
        there = Suppression.objects.filter(address_hash__in=wanted)
        known = set(there.values_list("address_hash", flat=True))
        Suppression.objects.bulk_create(
            [
                Suppression(address_hash=each, reason=wanted[each])
                for each in sorted(wanted.keys() - known)
            ],
            ignore_conflicts=True,
        )
    outcome.added += len(hashes.keys() - known)
    outcome.known += len(hashes.keys() & known)
