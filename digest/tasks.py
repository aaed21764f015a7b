"""The tasks of the digest: each calls one function, and may run twice, late or side by side."""

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from digest.delivery import outbox, planning, providers, sending
from digest.editions import building
from digest.papers import fetching

logger = logging.getLogger(__name__)

SENDERS = 4
"""How many wake-up messages one dispatch sends at most; each worker then goes on by itself."""


def wake_senders() -> None:
    """Wakes as many senders as there is work for. Where the broker is away, the next sweep does."""
    waiting = outbox.pending(timezone.now())
    size = providers.configured()[0].claim_size
    try:
        for _ in range(min(SENDERS, -(-waiting // size))):
            send_deliveries.delay()
    except OperationalError:
        logger.warning("broker is away, senders wake at the next sweep")


@shared_task
def fetch_papers() -> None:
    """Today's list and yesterday's, whose votes still move until its cutoff."""
    fetching.fetch_recent(timezone.now())


@shared_task
def build_editions() -> None:
    """Closes every edition that is past its cutoff."""
    building.build_due(timezone.now())


@shared_task
def dispatch_digests() -> None:
    """Plans who is due, and wakes as many senders as there is work for."""
    planning.plan(timezone.now())
    wake_senders()


@shared_task
def send_deliveries() -> None:
    """Sends what is pending, for a few minutes at most; the next dispatch goes on."""
    sending.send_pending(until=timezone.now() + timedelta(minutes=3))


@shared_task
def settle_deliveries() -> None:
    """Claims whose worker never came back become uncertain."""
    outbox.find_stale(timezone.now())
