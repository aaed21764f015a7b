"""Who works: workers for each queue, beat, and the clock that all of them go by."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from digest.delivery.watching import signs

from .findings import SECONDS, Asked, Findings, saying
from .installation import queues

_ANSWER_SECONDS = 2.0
_MOST_OFF = 10
"""Seconds; what providers sign and what we sign stops being believed some way beyond."""


def check_workers(asked: Asked) -> Findings:
    """Some worker takes the messages of each queue."""
    ok, _, fail, _ = saying("workers")
    start = "make run" if settings.EMBEDDED else "celery -A config worker -Q {}"
    try:
        found = current_app.control.inspect(timeout=_ANSWER_SECONDS).active_queues() or {}
    except (KombuError, RedisError, OSError) as error:
        yield fail(f"can't be asked, the broker is away ({type(error).__name__})", "Start Redis.")
        return
    if not found:
        yield fail("none answers", f"Start them: {start.format(','.join(queues()))}")
        return
    taken = {str(queue["name"]) for each in found.values() for queue in each}
    if missing := [name for name in queues() if name not in taken]:
        names = ",".join(missing)
        yield fail(f"none takes the queue {names}", f"Start one: {start.format(names)}")
    else:
        yield ok(f"{len(found)} answer, for {', '.join(queues())}")


def check_beat(asked: Asked) -> Findings:
    """Beat leaves a sign in the cache whenever it sends a task."""
    ok, _, fail, skipped = saying("beat")
    start = "make run" if settings.EMBEDDED else "celery -A config beat (exactly one)"
    found = signs.seen()
    if found is None:
        yield skipped("the cache is away, which knows when it was heard")
        return
    seen_at = found[signs.BEAT_SEEN]
    age = timezone.now() - seen_at if seen_at else None
    if age is not None and age <= signs.BEAT_SILENCE:
        yield ok(f"heard {age.total_seconds():.0f} seconds ago")
    else:
        since = f"since {seen_at:%H:%M} UTC" if seen_at else "within the last day"
        yield fail(f"not heard {since}", f"Start it: {start}")


def check_database_clock(asked: Asked) -> Findings:
    """The database and this machine agree on the time."""
    if connection.vendor != "postgresql":
        return
    ok, _, fail, skipped = saying("clock")
    try:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            (there,) = cursor.fetchone()
    except DatabaseError:
        yield skipped("the database is away")
        return
    off = abs(float(there) - (before + time.time()) / 2)
    if off > _MOST_OFF:
        yield fail(f"the database's is {off:.0f} seconds off", "Run chrony or ntpd on both.")
    else:
        yield ok(f"agrees with the database's to {max(off, 0.1):.1f} seconds")


def check_clock(asked: Asked) -> Findings:
    """A machine elsewhere, whose answer carries its time, agrees with this one."""
    ok, _, fail, skipped = saying("clock")
    url = settings.HUGGING_FACE_URL
    try:
        before = time.time()
        answer = requests.head(url, timeout=SECONDS, allow_redirects=False)
        middle = (before + time.time()) / 2
        # A cache on the way repeats the time of the machine behind it, and says how long ago it was.
        age = timedelta(seconds=int(answer.headers.get("Age", "0")))
        there = parsedate_to_datetime(answer.headers["Date"]) + age
    except (requests.RequestException, KeyError, ValueError, OverflowError):
        yield skipped(f"{url} does not answer, or not with its time")
        return
    off = (there - datetime.fromtimestamp(middle, UTC)).total_seconds()
    if abs(off) > _MOST_OFF:
        way = "behind" if off > 0 else "ahead"
        yield fail(
            f"{abs(off):.0f} seconds {way}, so that signatures are not believed",
            "Run chrony or ntpd: timedatectl set-ntp true",
        )
    else:
        yield ok("agrees with the world's")
