"""A turn that all processes of an installation share, kept in the database."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from digest.errors import RetryLaterError, SourceError
from digest.models import Lease

HOLD = timedelta(minutes=6)
"""Longer than any turn may take: a request, the wait it was asked for and a second try
(`sources/http.py`). A killed holder blocks the others no longer than this."""
LONGEST_PAUSE = timedelta(hours=1)


@contextmanager
def turn(
    name: str,
    *,
    pause: timedelta,
    wait: timedelta = timedelta(minutes=10),
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Held by one process at a time, and not again until `pause` after the last one gave it back,
    or as long as a RetryLaterError that leaves it asks for.

    Raises SourceError when it can't be had within `wait`.
    """
    holder = uuid.uuid4()
    now = timezone.now()
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    gives_up_at = now + wait
    while not _take(name, holder):
        if timezone.now() > gives_up_at or _is_free_after(name, gives_up_at):
            raise SourceError(f"{name}: the connection is not free, or rests as it was asked to")
        sleep(0.1)
    try:
        yield
    except RetryLaterError as error:
        pause = max(pause, min(timedelta(seconds=error.seconds), LONGEST_PAUSE))
        raise
    finally:
        Lease.objects.filter(name=name, holder=holder).update(
            holder=None, expires_at=timezone.now(), free_at=timezone.now() + pause
        )


def _take(name: str, holder: uuid.UUID) -> bool:
    now = timezone.now()
    free = Lease.objects.filter(
        Q(holder__isnull=True) | Q(expires_at__lte=now), name=name, free_at__lte=now
    )
    return bool(free.update(holder=holder, expires_at=now + HOLD))


def _is_free_after(name: str, moment: datetime) -> bool:
    return Lease.objects.filter(name=name, free_at__gt=moment).exists()
