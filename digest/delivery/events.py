"""What an ESP reports: stored once by its event id, then applied once, in whatever order."""

import hashlib
import logging
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from digest.models import Delivery, Event
from subscriptions import selectors, services
from subscriptions.models import Suppression

from . import outbox

logger = logging.getLogger(__name__)

# Events outlive the erasure of their reader.
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")
_HARD = frozenset({"bounced", "invalid"})
_TAKEN = frozenset({"queued", "sent", "delivered", "deferred", "bounced", "complained"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An ESP's event in plain values."""

    provider: str
    event_id: str
    type: str
    metadata: dict[str, str]
    occurred_at: datetime | None = None
    reject_reason: str = ""
    description: str = ""


def record(report: Report) -> bool:
    """Stores the event and applies its effect; False when it was stored before.

    Both happen in one transaction: an error leaves nothing behind, and the ESP tries again.
    """
    delivery = _delivery(report.metadata.get("delivery", ""))
    with transaction.atomic():
        event, is_new = Event.objects.get_or_create(
            provider=report.provider,
            event_id=report.event_id or _made_up_id(report),
            defaults={
                "type": report.type[:20],
                "delivery": delivery,
                "subscriber_id": _subscriber_id(report, delivery),
                "batch_id": _uuid(report.metadata.get("batch", "")),
                "reject_reason": report.reject_reason[:20],
                "description": _ADDRESS.sub("an address", report.description)[:300],
                "occurred_at": report.occurred_at,
            },
        )
        if is_new:
            apply([event])
    return is_new


def apply(events: Iterable[Event]) -> None:
    """Afterwards each event's effect is in force, and it is marked as applied."""
    for event in events:
        claimed = Event.objects.filter(pk=event.pk, applied_at__isnull=True)
        if not claimed.update(applied_at=timezone.now()):
            continue
        if event.type in _TAKEN:
            outbox.accept(delivery_id=event.delivery_id, batch_id=event.batch_id)
        if event.subscriber is None:
            continue
        if event.type == "complained":
            services.suppress(event.subscriber, Suppression.Reason.COMPLAINED)
            services.unsubscribe(event.subscriber)
        elif event.type == "unsubscribed":
            services.unsubscribe(event.subscriber)
        elif event.type in ("bounced", "rejected") and event.reject_reason in _HARD:
            services.suppress(event.subscriber, Suppression.Reason.BOUNCED)


def _delivery(text: str) -> Delivery | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:  # noqa: PLR2004  fits 64 bits
        return None
    return Delivery.objects.filter(pk=int(text)).first()


def _subscriber_id(report: Report, delivery: Delivery | None) -> int | None:
    if delivery is not None:
        return delivery.subscriber_id
    return selectors.subscriber_id_of_message(report.metadata.get("message", ""))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _made_up_id(report: Report) -> str:
    """An id for an event that came without one, equal for equal events."""
    parts = (report.type, report.metadata, report.occurred_at, report.reject_reason)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
