"""Anymail's tracking signal: translates an event into plain values and hands it on."""

from typing import Any

from anymail.signals import tracking
from django.dispatch import receiver

from digest.delivery import events


@receiver(tracking)
def receive_event(event: Any, esp_name: str, **_: Any) -> None:
    """Anymail has checked the signature and the shared secret before it calls this."""
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    events.record(
        events.Report(
            provider=esp_name.lower().replace(" ", "_")[:20],
            event_id=str(event.event_id or "")[:200],
            type=str(event.event_type or "unknown"),
            metadata={str(key): str(value) for key, value in metadata.items()},
            occurred_at=event.timestamp,
            reject_reason=str(event.reject_reason or ""),
            description="" if event.description is None else str(event.description),
        )
    )
