"""Readers and suppressions as rows of CSV, with no cell that a spreadsheet would run."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from django.db.models import F, Q, QuerySet

from subscriptions import selectors
from subscriptions.models import Subscriber, Subscription, Suppression

COLUMNS = ("email", "topics", "frequency", "timezone", "hour", "status")
SUPPRESSION_COLUMNS = ("address_hash", "reason", "created_at")
_PAGE = 5000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the first four as wide as Chinese letters, which some spreadsheets run, too."""


def with_status(names: Collection[str]) -> QuerySet[Subscriber]:
    """Those of the states, and `suppressed` ones: at an address that is never mailed, whatever their
    state is."""
    wanted = Q(state__in=names, is_suppressed=False)
    if "suppressed" in names:
        wanted |= Q(is_suppressed=True)
    found: QuerySet[Subscriber] = selectors.with_suppression(Subscriber.objects.all()).filter(
        wanted
    )
    return found


def rows_of(subscribers: QuerySet[Subscriber]) -> Iterator[list[str]]:
    """The rows of the export, in the order of COLUMNS; the status is the state, or `suppressed`
    for an address that is never mailed. Two queries a page."""
    readers = selectors.with_suppression(subscribers).order_by("pk")
    values = readers.values_list(
        "pk", "email", "frequency", "timezone", "hour", "state", "is_suppressed"
    )
    last = 0
    while page := list(values.filter(pk__gt=last)[:_PAGE]):
        last = page[-1][0]
        slugs = _slugs([row[0] for row in page])
        for pk, email, frequency, zone, hour, state, is_suppressed in page:
            status = "suppressed" if is_suppressed else state
            cells = (email, ";".join(slugs[pk]), frequency, zone, str(hour), status)
            yield [harmless(cell) for cell in cells]


def _slugs(ids: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = Subscription.objects.filter(subscriber__in=ids)
    for pk, slug in rows.order_by("topic__slug").values_list("subscriber_id", "topic__slug"):
        found[pk].append(slug)
    return found


def suppression_rows() -> Iterator[list[str]]:
    """The rows of all suppressions, in the order of SUPPRESSION_COLUMNS."""
    rows = Suppression.objects.order_by("pk").values_list(
        "pk", "address_hash", "reason", F("created_at")
    )
    last = 0
    while page := list(rows.filter(pk__gt=last)[:_PAGE]):
        last = page[-1][0]
        for _, address_hash, reason, created_at in page:
            yield [address_hash, reason, created_at.isoformat(timespec="seconds")]


def harmless(cell: str) -> str:
    """A spreadsheet runs what begins like a formula; an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
