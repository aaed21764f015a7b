"""The record of what a person agreed to or took back."""

from subscriptions.models import (
    ConsentRecord,
    Subscriber,
)
from subscriptions.records import Evidence


def record(subscriber: Subscriber, action: ConsentRecord.Action, evidence: Evidence | None) -> None:
    """Adds a row; what the evidence says too much is cut."""
    evidence = evidence or Evidence()
    ConsentRecord.objects.create(
        subscriber=subscriber,
        action=action,
        ip_address=evidence.ip_address,
        user_agent=evidence.user_agent[:300],
        page=evidence.page[:200],
        text=evidence.text,
        text_version=evidence.text_version,
        language=evidence.language,
    )
