"""The editions on their way: how far each is, what became of everybody who was due, and what waits."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.urls import reverse

from digest.delivery import figures
from digest.delivery.ledger import Ledger
from digest.delivery.watching import alarms, signs
from digest.models import Batch, Delivery, Edition, Event

from .stops import May

Reason = Delivery.Reason
_MOST_COUNTED = 10_000
"""Past which waiting events are only said to be more."""
_FAILED: dict[str, str] = {
    Reason.REFUSED: "See what the provider said",
    Reason.GAVE_UP: "See what the provider said at last",
    Reason.DROPPED: "See which ones",
}
"""What a person does about what failed, by its reason."""
_SKIPPED = "Due, and not to be sent anything; nothing is wrong"
_NEVER = "Their addresses are never mailed: they bounced, complained, or asked for it"


@dataclass(frozen=True, slots=True)
class Sending:
    """An edition on its way, or out."""

    edition: Edition
    ledger: Ledger
    rows: list["Row"]
    to_send: int
    settled: int
    percent: int
    """Rounded down: 100 once nothing is pending."""
    left: str
    """How long the rest takes, in words; "" where nobody can tell."""
    verdict: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ledger."""

    name: str
    number: int
    is_part: bool = False
    is_sum: bool = False
    is_bad: bool = False
    to_do: str = ""
    """What a person does about it, where one does."""
    link: str = ""
    """Where."""
    may: bool = False
    """Whether this person may go there."""
    hint: str = ""
    """What the word means."""


def newest(*, goes: bool, may: May) -> list[Sending]:
    """The newest edition of each frequency that was planned, the one that is being sent first."""
    planned = Edition.objects.filter(due_count__gt=0)
    editions = [planned.filter(frequency=each).first() for each in Edition.Frequency.values]
    found = [of(edition, goes=goes, may=may) for edition in editions if edition]
    return sorted(found, key=lambda each: (not each.ledger.pending, -each.edition.date.toordinal()))


def of(edition: Edition, *, goes: bool, may: May) -> Sending:
    """How far the edition is, by the numbers that were counted last; `goes`: some provider takes digests."""
    found = figures.ledger_of(edition)
    to_send = found.to_send
    settled = to_send - found.pending
    return Sending(
        edition=edition,
        ledger=found,
        rows=_rows(edition, found, may),
        to_send=to_send,
        settled=settled,
        percent=settled * 100 // to_send if to_send else 100,
        left=_left(edition, found.pending) if goes else "",
        verdict=_verdict(edition, found, goes=goes),
    )


def _verdict(edition: Edition, found: Ledger, *, goes: bool) -> str:
    if edition.held_at:
        return f"Held: {edition.held_because}."
    if edition.dropped_at:
        return f"Called off. Sent to {found.sent:,} reader{'' if found.sent == 1 else 's'}."
    if edition.counted_at is None:
        return "Planned; it is counted within a minute."
    if found.pending:
        return "Being sent." if goes else "Waits: no provider takes digests now."
    if found.uncertain:
        return f"Sent, but for {found.uncertain:,} in doubt."
    return f"Sent to {found.sent:,} reader{'' if found.sent == 1 else 's'}."


def _left(edition: Edition, pending: int) -> str:
    if not pending or edition.held_at:
        return ""
    if edition.pace <= 0:
        return "No time to finish yet: nothing went out between the last two counts."
    seconds = pending / edition.pace
    if seconds < 90:  # noqa: PLR2004  from here on minutes say more
        return "About a minute to go."
    if seconds < 5400:  # noqa: PLR2004  and from here on hours
        return f"About {math.ceil(seconds / 60)} minutes to go."
    return f"About {seconds / 3600:.1f} hours to go."


def _rows(edition: Edition, found: Ledger, may: May) -> list[Row]:
    skipped = sum(found.skipped.values())
    return [
        Row("sent", found.sent),
        Row("skipped", skipped, hint=_SKIPPED if skipped else ""),
        *(Row(name, number, is_part=True) for _, name, number in _by_reason(found.skipped)),
        Row("suppressed", found.suppressed, hint=_NEVER if found.suppressed else ""),
        Row("failed", found.failed, is_bad=any(r != Reason.DROPPED for r in found.failures)),
        *(
            _failed(edition, reason, name, number, may=may("digest.view_delivery"))
            for reason, name, number in _by_reason(found.failures)
        ),
        _in_doubt(found.uncertain, may=may("digest.view_batch")),
        Row("pending", found.pending),
        Row("due", found.due, is_sum=True),
    ]


def _by_reason(numbers: dict[str, int]) -> list[tuple[str, str, int]]:
    """Each reason with its words, the commonest first."""
    words = {**dict(Reason.choices), "": "without a reason"}
    parts = sorted(numbers.items(), key=lambda part: -part[1])
    return [(reason, str(words.get(reason, reason)), number) for reason, number in parts]


def _failed(edition: Edition, reason: str, name: str, number: int, *, may: bool) -> Row:
    page = reverse("admin:digest_delivery_changelist")
    return Row(
        name,
        number,
        is_part=True,
        is_bad=reason != Reason.DROPPED,
        to_do=_FAILED.get(reason, "See which ones"),
        link=f"{page}?edition={edition.pk}&state=failed",
        may=may,
    )


def _in_doubt(number: int, *, may: bool) -> Row:
    if not number:
        return Row("uncertain", 0)
    return Row(
        "uncertain",
        number,
        is_bad=True,
        to_do="Evidence is looked for; what has none waits for you",
        link=reverse("admin:digest_in_doubt"),
        may=may,
    )


def queue(now: datetime) -> dict[str, Any]:
    """How long the oldest digest has waited, and what else waits for a worker."""
    oldest = min(alarms.oldest_waiting([Batch.State.OPEN]).values(), default=None)
    waiting = Event.objects.filter(applied_at__isnull=True).order_by("pk")[:_MOST_COUNTED]
    events = waiting.values("pk").aggregate(number=Count("pk"))["number"]
    return {
        "since": oldest,
        "is_late": bool(oldest and now - oldest > timedelta(seconds=settings.LATE_AFTER)),
        "events": f"{events:,}" if events < _MOST_COUNTED else f"{_MOST_COUNTED:,} or more",
        "seen": _signs_of_life(now),
    }


def _signs_of_life(now: datetime) -> list[dict[str, Any]]:
    """When beat and the worker that plans were seen last, and whether that is too long ago."""
    found = signs.seen() or {}
    rows = (
        ("Beat", found.get(signs.BEAT_SEEN), signs.BEAT_SILENCE),
        ("Worker", found.get(signs.WORKER_SEEN), signs.WORKER_SILENCE),
    )
    return [
        {"name": name, "at": at, "is_silent": at is None or now - at > silence}
        for name, at, silence in rows
    ]
