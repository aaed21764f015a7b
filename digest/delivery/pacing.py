"""Keeps all workers together under a provider's rate (SEND_RATE)."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from digest.models import Lease

from .providers import Provider

LONGEST_HOLD = 30
"""Seconds for which one claim may be paced; far below UNCERTAIN_AFTER."""


def claim_size(provider: Provider) -> int:
    """How many readers to claim at once, so that none is held long before it is offered."""
    if not settings.SEND_RATE:
        return provider.claim_size
    return max(1, min(provider.claim_size, int(settings.SEND_RATE * LONGEST_HOLD)))


def wait(provider: Provider, messages: int) -> None:
    """Returns when the provider may be offered that many messages more."""
    if not settings.SEND_RATE:
        return
    pause = (_take_turn(provider, messages) - timezone.now()) / timedelta(seconds=1)
    time.sleep(max(pause, 0))


def _take_turn(provider: Provider, messages: int) -> datetime:
    """Books the time that the messages take, after all that is booked; returns when it begins."""
    name, now = f"send:{provider.name}", timezone.now()
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    with transaction.atomic():
        turn = Lease.objects.select_for_update().get(name=name)
        begins = max(timezone.now(), turn.free_at)
        turn.free_at = begins + timedelta(seconds=messages / settings.SEND_RATE)
        turn.save(update_fields=["free_at"])
    return begins
