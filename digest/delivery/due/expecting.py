"""What is going to be sent in the next days: readers by the hour at which they are due, and by topic.
It is counted by slots, and kept for a while, as to count a million readers takes seconds."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db.models import Count, QuerySet
from redis.exceptions import RedisError

from digest.editions import building
from digest.models import Edition, Listing
from subscriptions import schedule, selectors
from subscriptions.models import Slot, Subscriber
from subscriptions.records import Rhythm

from . import planning

_T = TypeVar("_T")
logger = logging.getLogger(__name__)

DAYS = 3
COUNTED_EVERY = timedelta(minutes=10)
"""While somebody looks."""
_DAY_SECONDS = 86_400
NO_TOPIC = "(no topic)"
_KEY = "expected-digests:2"
_SATURDAY = 5
_KNOWN_DAYS = timedelta(days=2 * building.CATCH_UP_DAYS)
"""How far back editions and lists are looked at."""
EditionKey = tuple[str, date]
"""The frequency and the first day of an edition, closed or not."""
_OF_ONE_SLOT = Mapping[date | None, int]
"""How many readers are paused until when; None: not paused."""


@dataclass(slots=True)
class Day:
    """Who is due on a day, UTC."""

    day: date
    due: Counter[tuple[int, str, EditionKey]] = field(default_factory=Counter)
    """Readers by the hour at which they are due, by how often they want mail, and by the edition that
    is the newest one by then, as it looks now."""
    topics: Counter[str] = field(default_factory=Counter)
    """Readers by what they follow; who follows several is counted for each, who follows none once."""

    @property
    def readers(self) -> int:
        return self.due.total()

    @property
    def hours(self) -> Counter[int]:
        return _totals((hour, number) for (hour, _, _), number in self.due.items())

    @property
    def rhythms(self) -> Counter[str]:
        return _totals((rhythm, number) for (_, rhythm, _), number in self.due.items())

    @property
    def editions(self) -> Counter[EditionKey]:
        return _totals((key, number) for (_, _, key), number in self.due.items())

    def editions_of(self, *, hour: int | None = None, rhythm: str = "") -> list[EditionKey]:
        """Of those who are due at the hour, or have the rhythm."""
        found = {key for at, how, key in self.due if at == hour or how == rhythm}
        return sorted(found)


def _totals(pairs: Iterable[tuple[_T, int]]) -> Counter[_T]:
    found: Counter[_T] = Counter()
    for key, number in pairs:
        found[key] += number
    return found


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
    is due and finds nothing in the edition is. Five queries, however many readers."""
    today = now.astimezone(UTC).date()
    days = tuple(Day(today + timedelta(days=n)) for n in range(DAYS))
    slots = Slot.objects.in_bulk()
    readers = _by_slot()
    topics = _by_topic()
    known = _Known(now)
    for day in days:
        for pk, slot in slots.items():
            due_at = _due_on(slot, day.day, now)
            if due_at is None:
                continue
            local = due_at.astimezone(ZoneInfo(slot.timezone)).date()
            if number := _awake(readers.get(pk, {}), local):
                key = known.edition_for(slot.frequency, due_at)
                day.due[due_at.hour, slot.frequency, key] += number
            for name, paused in topics.get(pk, {}).items():
                if number := _awake(paused, local):
                    day.topics[name] += number
    return Expected(days, now)


class _Known:
    """Which editions have papers, as far as that is known now. Two queries."""

    def __init__(self, now: datetime) -> None:
        self._today = now.astimezone(UTC).date()
        self._first = self._today - _KNOWN_DAYS
        recent = Edition.objects.filter(date__gte=self._first)
        rows = recent.order_by().values_list("frequency", "date", "paper_count")
        self._papers = {(frequency, day): number for frequency, day, number in rows}
        self._newest_closed: dict[str, date] = {}
        for (frequency, day), number in self._papers.items():
            if number:
                newest = self._newest_closed.get(frequency, day)
                self._newest_closed[frequency] = max(newest, day)
        listed = Listing.objects.filter(listed_on__gte=self._first).order_by()
        self._listed = set(listed.values_list("listed_on", flat=True).distinct())

    def edition_for(self, rhythm: str, at: datetime) -> EditionKey:
        """The edition that is the newest one with papers at that time: `planning.plan`, foretold."""
        frequency = planning.edition_frequency(rhythm)
        is_week = frequency == Edition.Frequency.WEEKLY
        by_itself = _newest_week(at) if is_week else _newest_day(at)
        # One that was closed by hand goes at once.
        day = max(by_itself, self._newest_closed.get(frequency, by_itself))
        step = timedelta(days=7 if is_week else 1)
        first, found = day, day
        while found >= self._first and not self._has_papers(frequency, found):
            found -= step
        return frequency.value, found if found >= self._first else first

    def _has_papers(self, frequency: str, day: date) -> bool:
        closed = self._papers.get((frequency, day))
        if closed is not None:
            return closed > 0
        if frequency == Edition.Frequency.WEEKLY or day in self._listed:
            return True
        # Lists of a working day come until it is over, and hardly any on weekends.
        return day >= self._today and day.weekday() < _SATURDAY


def _newest_day(at: datetime) -> date:
    """The newest day whose edition is past its cutoff at that time."""
    day = at.astimezone(UTC).date() - timedelta(days=1)
    return day if building.closes_at(day) <= at else day - timedelta(days=1)


def _newest_week(at: datetime) -> date:
    """The Monday of the week that weekly readers who are due at that time get: who is due before it is
    closed waits for it."""
    day = (at + planning.EARLIEST_ZONE).date()
    return building.first_day(day, Edition.Frequency.WEEKLY) - timedelta(days=7)


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
    groups = (
        _mailable().values_list("slot", "topics__name", "paused_until").annotate(number=Count("pk"))
    )
    for slot, name, until, number in groups:
        found.setdefault(slot, {}).setdefault(name or NO_TOPIC, {})[until] = number
    return found


def _mailable() -> QuerySet[Subscriber]:
    return selectors.mailable_subscribers().filter(slot__isnull=False).order_by()
