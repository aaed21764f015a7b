"""Which readers an operator looks for: by address, its beginning, id, public id, or a link of theirs."""

import re
from contextlib import suppress
from email.utils import parseaddr
from uuid import UUID

from django.db.models import Q, QuerySet

from subscriptions import addresses, selectors, tokens
from subscriptions.models import Subscriber

MOST_FOUND = 500
"""Readers whose address begins alike that are shown."""
_MOST_LETTERS = 2000
_ID = re.compile(r"(?:subscriber\s+|reader\s+|#)?(\d{1,18})", re.IGNORECASE)


def readers(rows: QuerySet[Subscriber], text: str) -> QuerySet[Subscriber]:
    """Those of the rows that the text tells of; a few look-ups by index, and no walk over all."""
    text = text.strip()[:_MOST_LETTERS]
    beginning = addresses.beginning(address_in(text))
    at_beginning = selectors.ids_at_beginning(beginning, MOST_FOUND) if beginning else []
    found = Q(pk__in=at_beginning)
    if number := _ID.fullmatch(text):
        found |= Q(pk=int(number[1]))
    ids = tokens.public_ids_in(text)
    with suppress(ValueError):
        ids.add(UUID(text))
    return rows.filter(found | Q(public_id__in=ids)) if ids else rows.filter(found)


def address_in(text: str) -> str:
    """The address of `Ada <ada@example.org>`, as mail programs copy it; else the text itself."""
    if "<" in text:
        return parseaddr(text)[1]
    return text.removeprefix("mailto:")
