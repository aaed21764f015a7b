"""Opens and clicks that a provider reports: none of it is kept, as who read what is nobody's business. The
operator is told, but for clicks that are counted by TRACK_CLICKS: their number is at the provider.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from digest.delivery import notices
from digest.models import Notice

from .intake import Report

KINDS = frozenset({"opened", "clicked"})
_TELL_EVERY = 3600.0
"""Seconds between two looks of a process at whether the operator knows."""
_told_at: dict[str, float] = {}


def without(reports: Sequence[Report]) -> list[Report]:
    """The reports but for those of opens and clicks; the operator is told of these once a week."""
    unwanted = KINDS - {"clicked"} if settings.TRACK_CLICKS else KINDS
    for provider in {report.provider for report in reports if report.type in unwanted}:
        if time.monotonic() - _told_at.get(provider, -_TELL_EVERY) >= _TELL_EVERY:
            _told_at[provider] = time.monotonic()
            _tell(provider, timezone.now())
    return [report for report in reports if report.type not in KINDS]


def _tell(provider: str, now: datetime) -> None:
    notices.tell(
        "tracking",
        f"{provider} {now:%G-W%V}",
        what=f"{provider} reports which readers opened or clicked. Nothing of it is kept here.",
        mend=f"Switch open and click tracking off at {provider}: readers are told that there is none.",
        link="/admin/digest/providerplan/",
        level=logging.WARNING,
    )


def was_told(provider: str, now: datetime) -> bool:
    """Whether it did so within a week."""
    recent = Notice.objects.filter(kind="tracking", created_at__gt=now - timedelta(days=7))
    return recent.filter(key__startswith=f"{provider} ").exists()
