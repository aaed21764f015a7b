"""Signs of life: what beat and the workers leave in the cache, and whether the other parts answer."""

import logging
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from kombu import Connection
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BEAT_SEEN = "beat_seen_at"
"""The cache's key for when beat last sent a task."""
WORKER_SEEN = "worker_seen_at"
"""The cache's key for when a worker last planned."""
KEPT_SECONDS = 86_400
BEAT_SILENCE = timedelta(minutes=5)
"""After so long it counts as away: beat sends something every 15 seconds."""
WORKER_SILENCE = timedelta(minutes=20)
"""A worker plans every minute, but where there is one only, it may be fetching for a while."""
BROKER_SECONDS = 2
QUEUES = ("fetch", "digest", "mail")


def note(key: str, now: datetime) -> None:
    """Leaves a sign; where the cache is away it is missed, no more."""
    try:
        cache.set(key, now, timeout=KEPT_SECONDS)
    except (RedisError, OSError):
        logger.warning("cache is away, a sign of life is missed", extra={"sign": key})


def seen() -> Mapping[str, datetime | None] | None:
    """When beat and a worker were seen last; None where the cache is away."""
    try:
        found = cache.get_many([BEAT_SEEN, WORKER_SEEN])
    except (RedisError, OSError):
        return None
    return {key: found.get(key) for key in (BEAT_SEEN, WORKER_SEEN)}


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("database is away")
        return False
    return True


def broker_answers() -> bool:
    return waiting_messages() is not None


def waiting_messages() -> dict[str, int] | None:
    """How many messages wait in each queue; None where the broker is away."""
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    try:
        with Connection(
            settings.CELERY_BROKER_URL, connect_timeout=BROKER_SECONDS, transport_options=options
        ) as link:
            link.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
            return {name: _length(link, name) for name in QUEUES}
    except (OperationalError, RedisError, OSError):
        logger.exception("broker is away")
        return None


def _length(link: Connection, name: str) -> int:
    # A channel of AMQP, as each transport has one; the types know only what all objects of kombu share.
    channel: Any = link.channel()
    with channel:
        try:
            return int(channel.queue_declare(queue=name, passive=True).message_count)
        except ChannelError:
            # Redis forgets an empty queue.
            return 0


def fullest_disk() -> tuple[float, Path]:
    """The free part of the disk under VAR_DIR or of that under our code, whichever has less, and where.

    In a container VAR_DIR may be memory, and the code lies on the disk of Docker, as its volumes do.
    """
    places = (settings.VAR_DIR, settings.BASE_DIR)
    return min((_free_share(place), place) for place in places)


def _free_share(place: Path) -> float:
    usage = shutil.disk_usage(place)
    return usage.free / usage.total


def is_older(seen_at: datetime | None, since: datetime, limit: timedelta, now: datetime) -> bool:
    """Whether nothing was seen for so long; who only began to look waits as long first."""
    return now - max(seen_at or since, since) > limit
