"""Which readers an operator looks for: by address, its beginning, id, public id, or a link of theirs."""

import re
from contextlib import suppress
from email.utils import parseaddr
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Collate, Lower

from subscriptions import addresses, tokens
from subscriptions.models import Subscriber, Suppression

MOST_FOUND = 200
"""Readers whose address begins alike that are shown."""
MOST_SUPPRESSED = 5000
"""Suppressions, the newest, that readers are looked for at."""
_AT_ONCE = 1000
_MOST_LETTERS = 2000
_MOST_DIGITS = 18
"""Of a number that fits 64 bits."""
_ID = re.compile(r"(?:subscriber\s+|reader\s+|#)?(\d{1,18})", re.IGNORECASE)


def is_id(text: str) -> bool:
    """Whether the text can be the number of a row."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def readers(rows: QuerySet[Subscriber], text: str) -> QuerySet[Subscriber]:
    """Those of the rows that the text tells of; a few look-ups by index, and no walk over all."""
    text = text.strip()[:_MOST_LETTERS]
    beginning = addresses.beginning(address_in(text))
    at_beginning = ids_at_beginning(beginning, MOST_FOUND) if beginning else []
    found = Q(pk__in=at_beginning)
    if number := _ID.fullmatch(text):
        found |= Q(pk=int(number[1]))
    ids = tokens.public_ids_in(text)
    with suppress(ValueError):
        ids.add(UUID(text))
    return rows.filter(found | Q(public_id__in=ids)) if ids else rows.filter(found)


def ids_at_beginning(beginning: str, most: int) -> list[int]:
    """The first so many subscribers, by address, whose address begins so, in whatever case. They are
    asked for in the order of an index, so that no more than these are read."""
    beginning = beginning.lower()
    if connection.vendor == "postgresql":
        rows = Subscriber.objects.alias(lower=Collate(Lower("email"), "C"))
        rows = rows.filter(lower__startswith=beginning)
    else:
        # SQLite's LIKE uses no index. Addresses are ASCII: nothing in them comes after this letter.
        rows = Subscriber.objects.alias(lower=Lower("email"))
        rows = rows.filter(lower__gte=beginning, lower__lt=f"{beginning}\x7f")
    return list(rows.order_by("lower").values_list("pk", flat=True)[:most])


def ids_of_suppressed(reason: Suppression.Reason | None) -> list[int]:
    """The subscribers at the newest MOST_SUPPRESSED suppressed addresses, for this reason or any.
    Both tables are asked by their indexes, a thousand rows at a time: none is walked through."""
    found: list[int] = []
    rows = Suppression.objects.order_by("-pk").values_list("pk", "address_hash", "reason")
    for _ in range(MOST_SUPPRESSED // _AT_ONCE):
        part = list(rows[:_AT_ONCE])
        hashes = [row[1] for row in part if reason in (None, row[2])]
        at_these = Subscriber.objects.filter(address_hash__in=hashes)
        found += at_these.order_by().values_list("pk", flat=True)
        if len(part) < _AT_ONCE:
            break
        rows = rows.filter(pk__lt=part[-1][0])
    return found


def address_in(text: str) -> str:
    """The address of `Ada <ada@example.org>`, as mail programs copy it; else the text itself."""
    if "<" in text:
        return parseaddr(text)[1]
    return text.removeprefix("mailto:")
