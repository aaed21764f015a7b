"""What is going to be sent in the next days: readers by the hour at which they are due, and by topic.
It is counted by slots, and kept for a while, as to count a million readers takes seconds."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db.models import Count, QuerySet
from redis.exceptions import RedisError

from subscriptions import schedule, selectors
from subscriptions.models import Slot, Subscriber
from subscriptions.records import Rhythm

logger = logging.getLogger(__name__)

DAYS = 3
COUNTED_EVERY = timedelta(minutes=10)
"""While somebody looks."""
_DAY_SECONDS = 86_400
_KEY = "expected-digests"
_OF_ONE_SLOT = Mapping[date | None, int]
"""How many readers are paused until when; None: not paused."""


@dataclass(slots=True)
class Day:
    """Who is due on a day, UTC."""

    day: date
    hours: Counter[int] = field(default_factory=Counter)
    """Readers by the hour at which they are due."""
    rhythms: Counter[str] = field(default_factory=Counter)
    """Readers by how often they want mail."""
    topics: Counter[str] = field(default_factory=Counter)
    """Readers by what they follow; who follows several is counted for each, who follows none not."""

    @property
    def readers(self) -> int:
        return self.hours.total()


@dataclass(frozen=True, slots=True)
class Expected:
    """The next days as they looked when they were counted."""

    days: tuple[Day, ...]
    counted_at: datetime

    def is_old(self, now: datetime) -> bool:
        """Whether it is time to count anew."""
        return now - self.counted_at > COUNTED_EVERY


def kept(now: datetime) -> Expected | None:
    """As it was counted last, if that was on this day (UTC)."""
    try:
        found: Expected | None = cache.get(_KEY)
    except (RedisError, OSError) as error:
        logger.warning("cache is away, counted anew", extra={"error": type(error).__name__})
        return None
    return found if found and found.days[0].day == now.astimezone(UTC).date() else None


def keep(now: datetime) -> Expected:
    """The rest of today and the days after it (DAYS), counted now; afterwards `kept` has it, where
    there is a cache."""
    found = count(now)
    try:
        cache.set(_KEY, found, _DAY_SECONDS)
    except (RedisError, OSError) as error:
        logger.warning("cache is away, nothing kept", extra={"error": type(error).__name__})
    return found


def count(now: datetime) -> Expected:
    """The same, and not kept. Who has left, is suppressed, or paused until later is not counted; who
    is due and finds nothing in the edition is. Three queries, however many readers."""
    today = now.astimezone(UTC).date()
    days = tuple(Day(today + timedelta(days=n)) for n in range(DAYS))
    slots = Slot.objects.in_bulk()
    readers = _by_slot()
    topics = _by_topic()
    for day in days:
        for pk, slot in slots.items():
            due_at = _due_on(slot, day.day, now)
            if due_at is None:
                continue
            local = due_at.astimezone(ZoneInfo(slot.timezone)).date()
            if number := _awake(readers.get(pk, {}), local):
                day.hours[due_at.hour] += number
                day.rhythms[slot.frequency] += number
            for name, paused in topics.get(pk, {}).items():
                day.topics[name] += _awake(paused, local)
    return Expected(days, now)


def _due_on(slot: Slot, day: date, now: datetime) -> datetime | None:
    """When the slot's readers are due on the day (UTC), if they are; who waits is due now."""
    next_at = max(slot.next_digest_at.astimezone(UTC), now.astimezone(UTC))
    if next_at.date() >= day:
        return next_at if next_at.date() == day else None
    start = datetime.combine(day, time(), tzinfo=UTC)
    rhythm = Rhythm(slot.frequency, slot.hour, slot.timezone)
    due_at = schedule.next_slot(start - timedelta(microseconds=1), rhythm)
    return due_at if due_at.date() == day else None


def _awake(paused: _OF_ONE_SLOT, day: date) -> int:
    return sum(number for until, number in paused.items() if until is None or until <= day)


def _by_slot() -> dict[int, dict[date | None, int]]:
    found: dict[int, dict[date | None, int]] = {}
    rows = _mailable().values_list("slot", "paused_until").annotate(number=Count("pk"))
    for slot, until, number in rows:
        found.setdefault(slot, {})[until] = number
    return found


def _by_topic() -> dict[int, dict[str, dict[date | None, int]]]:
    found: dict[int, dict[str, dict[date | None, int]]] = {}
    rows = _mailable().filter(topics__isnull=False)
    groups = rows.values_list("slot", "topics__name", "paused_until").annotate(number=Count("pk"))
    for slot, name, until, number in groups:
        found.setdefault(slot, {}).setdefault(name, {})[until] = number
    return found


def _mailable() -> QuerySet[Subscriber]:
    return selectors.mailable_subscribers().filter(slot__isnull=False).order_by()
