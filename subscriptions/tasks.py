"""The tasks of the subscriptions; each calls one function, and may run twice or side by side."""

import logging
from datetime import timedelta

from celery import current_app, shared_task
from django.utils import timezone
from kombu.exceptions import KombuError, OperationalError

from . import messages, services

logger = logging.getLogger(__name__)


@shared_task
def send_messages() -> None:
    """Sends the transactional messages that wait, for a few minutes at most."""
    sent = messages.send_pending(until=timezone.now() + timedelta(minutes=3))
    if sent:
        logger.info("transactional messages sent", extra={"count": sent})


@shared_task
def purge() -> None:
    """Forgets whom and what is not to be kept any longer."""
    subscribers, old_messages = services.purge(timezone.now())
    logger.info("purged", extra={"subscribers": subscribers, "transactional": old_messages})


def wake_sender() -> None:
    """Asks a worker to send now; where the broker is away, the sweep of the next minute will."""
    try:
        send_messages.delay_on_commit()  # type: ignore[attr-defined]
    except (OperationalError, KombuError, OSError) as error:
        logger.warning("broker not reached", extra={"error": type(error).__name__})


def ask_for_count() -> None:
    """Asks a worker to count readers now; where the broker is away, they are in ten minutes. The task
    is named as a word: this app knows nothing of who keeps the numbers."""
    try:
        current_app.signature("digest.tasks.count_readers").delay()
    except (OperationalError, KombuError, OSError) as error:
        logger.warning("broker not reached", extra={"error": type(error).__name__})
