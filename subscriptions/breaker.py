"""The breaker of sign-ups: open while many are asked to confirm and hardly any do, which is what it
looks like when somebody signs up strangers.

It goes by the rows of the mails, so that all processes see the same, and opens and closes by itself.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from . import asked

SAMPLE = 200
"""How many of the newest sign-ups are looked at: a flood that follows a busy day shows in them after
so many mails at most, however many confirmed before."""
LEAST = 50
"""Fewer within the window open nothing: on a small site a handful of typing errors is a large share.
It is also what a flood gets at most before it is seen where nobody else signs up."""
SHARE = 0.2
"""Of them must have confirmed. Where people ask for themselves half to three quarters do, most within
minutes; of strangers hardly one in a hundred."""
WINDOW = timedelta(hours=6)
"""Older sign-ups say nothing of now. So long after the last mail of a flood it closes at the latest."""
KEPT_SECONDS = 10
KEPT_SIGN_UPS = 25
"""It is looked up anew after so many seconds, or so many sign-ups, whichever is first."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the newest sign-ups, how many there are, and how many confirmed."""

    asked: int
    confirmed: int

    @property
    def is_open(self) -> bool:
        return self.asked >= LEAST and self.confirmed < SHARE * self.asked


def standing(now: datetime) -> Standing:
    """As it is; one query, which an index answers."""
    return Standing(*asked.newest_sign_ups(now - WINDOW, SAMPLE))


def is_open(sign_ups: int) -> bool:
    """As it is, or was some seconds or sign-ups ago; `sign_ups` is how many there were lately.

    Where the cache is away, as it is.
    """
    key = f"subscriptions.breaker.{sign_ups // KEPT_SIGN_UPS}"
    try:
        kept: bool | None = cache.get(key)
    except (RedisError, OSError):
        return standing(timezone.now()).is_open
    if kept is not None:
        return kept
    found = standing(timezone.now()).is_open
    try:
        cache.set(key, found, KEPT_SECONDS)
    except (RedisError, OSError) as error:
        logger.warning("breaker not kept", extra={"error": type(error).__name__})
    return found
