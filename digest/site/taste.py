"""Wakes the worker that learns what a reader likes."""

import logging

from kombu.exceptions import OperationalError

from digest import tasks

logger = logging.getLogger(__name__)


def wake(subscriber_id: int) -> None:
    """What the reader just said counts from the next digest on; where the broker is away, the
    hourly sweep learns it."""
    try:
        tasks.learn_taste.delay(subscriber_id)
    except OperationalError:
        logger.warning("broker is away, taste is learned at the next sweep")
