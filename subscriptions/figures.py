"""How many readers there are, and how many came and went on a day: counted, for what keeps it."""

from datetime import UTC, date, datetime, time

from django.db.models import Case, Count, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import TruncDate

from .models import ConsentRecord, Subscriber, Suppression

_SIGNED_UP = ConsentRecord.Action.SIGNED_UP.value


def consents(since: date) -> dict[tuple[date, str], int]:
    """How many consent records of each action were written on each day in UTC, from `since` on.

    An import that asked its readers to confirm counts as sign-ups: they count again once they do.
    Of readers who are forgotten nothing is counted any more.
    """
    records = ConsentRecord.objects.filter(at__gte=_begin(since)).order_by()
    asked = When(action=ConsentRecord.Action.IMPORTED, text="", then=Value(_SIGNED_UP))
    days = records.annotate(
        day=TruncDate("at", tzinfo=UTC), as_action=Case(asked, default=F("action"))
    ).values_list("day", "as_action")
    return {(day, action): number for day, action, number in days.annotate(number=Count("pk"))}


def suppressions(since: date) -> dict[tuple[date, str], int]:
    """How many readers' addresses were suppressed for each reason on each day in UTC, from `since` on:
    a list that is moved in has many that were never readers here."""
    were_readers = Subscriber.objects.filter(
        address_hash=OuterRef("address_hash"), created_at__lte=OuterRef("created_at")
    )
    # Of who was erased nothing else is left.
    counted = Q(reason=Suppression.Reason.ERASED) | Exists(were_readers)
    found = Suppression.objects.filter(counted, created_at__gte=_begin(since)).order_by()
    days = found.annotate(day=TruncDate("created_at", tzinfo=UTC)).values_list("day", "reason")
    return {(day, reason): number for day, reason, number in days.annotate(number=Count("pk"))}


def states() -> dict[str, int]:
    """How many subscribers there are in each state: a fifth of a second a million."""
    found = Subscriber.objects.order_by().values_list("state").annotate(number=Count("pk"))
    return dict.fromkeys(Subscriber.State.values, 0) | dict(found)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
