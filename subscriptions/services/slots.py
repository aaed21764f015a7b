"""The hours of sending that readers share: made when the first reader wants one, moved on together."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db import transaction

from subscriptions import schedule
from subscriptions.models import Slot, Subscriber
from subscriptions.records import Rhythm


def ensure(rhythm: Rhythm, now: datetime) -> Slot:
    """The slot of the rhythm; a new one comes next after `now`."""
    slot, _ = Slot.objects.get_or_create(
        frequency=rhythm.frequency,
        hour=rhythm.hour,
        timezone=rhythm.timezone,
        defaults={"next_digest_at": schedule.next_slot(now, rhythm)},
    )
    return slot


def begin(slot: Slot, edition_id: int) -> int | None:
    """The edition that the slot, as it was read, is planned for: this one, unless its planning has
    begun with another. None where somebody else had moved it on."""
    mine = Slot.objects.filter(pk=slot.pk, next_digest_at=slot.next_digest_at)
    mine.filter(begun_with=None).update(begun_with=edition_id)
    return mine.values_list("begun_with", flat=True).first()


def advance(slot: Slot, now: datetime, *, ended_on: date | None = None) -> bool:
    """Afterwards all readers of the slot, as it was read, wait for its next time after `now`, each
    in the slot of their rhythm; False where somebody else had moved it on. `ended_on` is the day of
    the edition that they were planned for.
    """
    rhythm = Rhythm(slot.frequency, slot.hour, slot.timezone)
    unmoved = Slot.objects.filter(pk=slot.pk, next_digest_at=slot.next_digest_at)
    with transaction.atomic():
        moved = unmoved.update(
            next_digest_at=schedule.next_slot(now, rhythm),
            begun_with=None,
            ended_on=ended_on or slot.ended_on,
        )
        if moved:
            _put_right(slot, now)
    return bool(moved)


def mend(now: datetime) -> int:
    """Afterwards no slot waits longer than to its next time after `now`, as after a clock that
    jumped ahead and back, or planning for a day far off; returns how many did.
    """
    longest = {
        "daily": timedelta(hours=25),
        "weekdays": timedelta(hours=73),
        "monthly": timedelta(days=31, hours=1),
    }
    mended = 0
    for frequency in Subscriber.Frequency.values:
        limit = now + longest.get(frequency, timedelta(days=7, hours=1))
        for slot in Slot.objects.filter(frequency=frequency, next_digest_at__gt=limit):
            wanted = schedule.next_slot(now, Rhythm(slot.frequency, slot.hour, slot.timezone))
            mine = Slot.objects.filter(pk=slot.pk, next_digest_at=slot.next_digest_at)
            if wanted < slot.next_digest_at:
                mended += mine.update(next_digest_at=wanted)
    return mended


def note_requested(subscriber: Subscriber, day: date) -> None:
    """Afterwards the digests that come by themselves leave out what the one that was asked for on
    this day had."""
    Subscriber.objects.filter(pk=subscriber.pk).update(changed_on=day)


def note_served(readers: Collection[Subscriber]) -> None:
    """Afterwards these readers have what the pause held back that they had when they were read; a
    later one counts anew."""
    days: dict[date, list[int]] = defaultdict(list)
    for reader in readers:
        if reader.unserved_since is not None:
            days[reader.unserved_since].append(reader.pk)
    for day, ids in days.items():
        Subscriber.objects.filter(pk__in=ids, unserved_since=day).update(unserved_since=None)


def _put_right(slot: Slot, now: datetime) -> None:
    wanted = {"frequency": slot.frequency, "hour": slot.hour, "timezone": slot.timezone}
    others = Subscriber.objects.filter(slot=slot).exclude(**wanted)
    for names in others.values_list("frequency", "hour", "timezone").distinct():
        rhythm = Rhythm(*names)
        mine = others.filter(frequency=rhythm.frequency, hour=rhythm.hour, timezone=rhythm.timezone)
        mine.update(slot=ensure(rhythm, now))
