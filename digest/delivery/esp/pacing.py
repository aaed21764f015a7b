"""Keeps all workers together under a provider's rate and under its number of messages a day.

Both are kept in the database, so that they hold on all machines and when Redis is emptied.
"""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from threading import Lock

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from digest.models import DayCount, Lease

from . import plans
from .providers import Provider

_TWO_YEARS = timedelta(days=730)

LONGEST_HOLD = 30
"""Seconds for which one claim may be paced; far below UNCERTAIN_AFTER."""
LONGEST_QUEUE = 60
"""Seconds of turns booked ahead, past which no further worker claims anything."""

_uncounted: Counter[tuple[str, date]] = Counter()
"""What this process still has to add to the day's count, where no warm-up asks for it at once."""
_lock = Lock()


def rate_of(provider: Provider) -> float:
    """Messages a second, of all workers together; 0: unlimited."""
    return plans.of(provider.name).rate


def claim_size(provider: Provider) -> int:
    """How many readers to claim at once, so that none is held long before it is offered."""
    rate = rate_of(provider)
    return (
        max(1, min(provider.claim_size, int(rate * LONGEST_HOLD))) if rate else provider.claim_size
    )


def call_size(provider: Provider) -> int:
    """How many readers may go in one call: the longest burst is as many messages."""
    return min(provider.readers_per_call, claim_size(provider))


def room(provider: Provider) -> int:
    """How many readers to claim now: fewer where the day's number leaves fewer."""
    left = left_today(provider)
    return claim_size(provider) if left is None else max(1, min(claim_size(provider), left))


def cap_of(provider: Provider, day: date) -> int | None:
    """How many messages the provider may get on a day by its warm-up and its daily cap; None: any
    number. Before the warm-up's first day the number of that day holds."""
    return plans.of(provider.name).cap(day)


def left_today(provider: Provider) -> int | None:
    """How many messages more the provider may get today; None: any number."""
    day = today()
    cap = cap_of(provider, day)
    if cap is None:
        return None
    used = DayCount.objects.filter(provider=provider.name, day=day).values_list("messages")
    return max(cap - sum(n for (n,) in used), 0)


def today() -> date:
    """The day in UTC, which all workers share."""
    return timezone.now().astimezone(UTC).date()


def is_crowded(provider: Provider, *, seconds: int = LONGEST_QUEUE) -> bool:
    """Whether other workers have booked the turns of the next minute, or of so many seconds."""
    if not rate_of(provider):
        return False
    limit = timezone.now() + timedelta(seconds=seconds)
    return Lease.objects.filter(name=_name(provider), free_at__gt=limit).exists()


def wait(provider: Provider, messages: int) -> None:
    """Returns when the provider may be offered that many messages more; does not count them."""
    _sleep_until(_take_turn(provider, messages))


def book(provider: Provider, messages: int) -> bool:
    """Returns when the provider may be offered these messages, which are counted by then.

    False, at once, where the day's number does not allow as many today: nothing is booked. A turn of a
    worker that is killed while it waits is lost time, no more.
    """
    day = today()
    cap = cap_of(provider, day)
    if cap is None:
        with _lock:
            _uncounted[provider.name, day] += messages
        wait(provider, messages)
        return True
    with transaction.atomic():
        if not _count_below(provider, day, messages, cap=cap):
            return False
        begins = _take_turn(provider, messages)
    _sleep_until(begins)
    return True


def count(provider: Provider, messages: int) -> None:
    """Adds to today's count what is sent whatever the warm-up says; below 0: was not taken."""
    day = today()
    if cap_of(provider, day) is None:
        with _lock:
            _uncounted[provider.name, day] += messages
    else:
        _add(provider.name, day, messages)


def write_counts() -> None:
    """Afterwards what this process counted is in the table; where it is killed before, only
    statistics lack it."""
    with _lock:
        waiting = dict(_uncounted)
        _uncounted.clear()
    for (name, day), messages in waiting.items():
        if messages:
            _add(name, day, messages)


def _add(name: str, day: date, messages: int) -> None:
    rows = DayCount.objects.filter(provider=name, day=day)
    total = Greatest(F("messages") + messages, 0)
    if not rows.update(messages=total):
        DayCount.objects.get_or_create(provider=name, day=day)
        rows.update(messages=total)


def _count_below(provider: Provider, day: date, messages: int, *, cap: int) -> bool:
    rows = DayCount.objects.filter(provider=provider.name, day=day)
    free = rows.filter(messages__lte=cap - messages)
    more = F("messages") + messages
    if free.update(messages=more):
        return True
    DayCount.objects.get_or_create(provider=provider.name, day=day)
    return bool(free.update(messages=more))


def _name(provider: Provider) -> str:
    return f"send:{provider.name}"


def _take_turn(provider: Provider, messages: int) -> datetime | None:
    """Books the time that the messages take, after all that is booked; returns when it begins, or
    None where the rate is unlimited."""
    name, rate = _name(provider), rate_of(provider)
    if not rate:
        return None
    with transaction.atomic():
        turn = Lease.objects.select_for_update().filter(name=name).first()
        if turn is None:
            now = timezone.now()
            Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
            turn = Lease.objects.select_for_update().get(name=name)
        begins = max(timezone.now(), turn.free_at)
        turn.free_at = begins + timedelta(seconds=messages / rate)
        turn.save(update_fields=["free_at"])
    return begins


def _sleep_until(moment: datetime | None) -> None:
    if moment is not None:
        time.sleep(max((moment - timezone.now()) / timedelta(seconds=1), 0))


def forget(now: datetime) -> int:
    """Afterwards it is known for two years how much each provider took on a day; how many days went."""
    return DayCount.objects.filter(day__lt=(now - _TWO_YEARS).date()).delete()[0]
