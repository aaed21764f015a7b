"""Who is due gets a delivery row: from readers' schedules and a closed edition to the outbox."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from digest.editions import audiences, building
from digest.errors import EditionOpenError
from digest.models import Audience, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Subscriber

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
PAGE = 1000

_FREQUENCY = {
    Edition.Frequency.DAILY: [Subscriber.Frequency.DAILY, Subscriber.Frequency.WEEKDAYS],
    Edition.Frequency.WEEKLY: [Subscriber.Frequency.WEEKLY],
}


@dataclass(slots=True)
class Plan:
    """What planning did, or, on a dry run, would do."""

    states: Counter[str] = field(default_factory=Counter)
    """Deliveries by state, or by reason where they are skipped."""
    topics: Counter[str] = field(default_factory=Counter)
    """Readers to be sent to, by topic they follow."""
    hours: Counter[str] = field(default_factory=Counter)
    """Readers to be sent to, by their local hour."""
    editions: list[Edition] = field(default_factory=list)

    @property
    def to_send(self) -> int:
        return self.states[State.PENDING]


def plan(now: datetime, *, day: date | None = None, is_dry_run: bool = False) -> Plan:
    """Afterwards everyone due at `now` has a delivery of their edition, and a next slot.

    The edition is the newest closed one, or that of `day`. Who left or has nothing in it gets a
    row that says so. Nobody gets a second row for an edition, however often this runs. Raises
    EditionOpenError when `day` has no closed edition.
    """
    made = Plan()
    for frequency, edition in _editions(day).items():
        made.editions += [edition] if edition else []
        for page in _pages(now, _FREQUENCY[frequency]):
            _plan_page(page, edition, made, now=now, is_dry_run=is_dry_run)
    if not is_dry_run and made.states:
        logger.info("deliveries planned", extra=dict(made.states))
    return made


def _editions(day: date | None) -> dict[Edition.Frequency, Edition | None]:
    if day is None:
        return {frequency: building.newest(frequency) for frequency in _FREQUENCY}
    found: dict[Edition.Frequency, Edition | None] = {}
    for frequency in _FREQUENCY:
        edition = Edition.objects.filter(
            frequency=frequency, date=building.first_day(day, frequency)
        ).first()
        if edition is not None:
            found[frequency] = edition if edition.paper_count else None
    if Edition.Frequency.DAILY not in found:
        raise EditionOpenError(
            f"The edition of {day} is not closed. Close it with: build_edition --date {day}"
        )
    return found


def _pages(now: datetime, frequencies: Sequence[str]) -> Iterator[list[Subscriber]]:
    due = selectors.due_subscribers(now).filter(frequency__in=frequencies).order_by("pk")
    last = 0
    while page := list(due.filter(pk__gt=last)[:PAGE]):
        yield page
        last = page[-1].pk


def _plan_page(
    page: list[Subscriber],
    edition: Edition | None,
    made: Plan,
    *,
    now: datetime,
    is_dry_run: bool,
) -> None:
    rows: list[Delivery] = []
    if edition is not None:
        ids = [subscriber.pk for subscriber in page]
        had = set(
            Delivery.objects.filter(edition=edition, subscriber__in=ids).values_list(
                "subscriber_id", flat=True
            )
        )
        rest = [subscriber for subscriber in page if subscriber.pk not in had]
        groups = audiences.ensure(edition, {subscriber.selection_key for subscriber in rest})
        for subscriber in rest:
            audience = groups.get(subscriber.selection_key)
            if audience is None:
                # They chose anew while this ran; the next sweep finds them still due.
                page.remove(subscriber)
                continue
            row = delivery_for(subscriber, audience, now=now)
            rows.append(row)
            _count(made, row, subscriber, audience)
    if is_dry_run:
        return
    with transaction.atomic():
        Delivery.objects.bulk_create(rows, ignore_conflicts=True)
        services.reschedule(now, [subscriber.pk for subscriber in page])


def delivery_for(subscriber: Subscriber, audience: Audience, *, now: datetime) -> Delivery:
    """An unsaved delivery in the state that planning gives it."""
    delivery = Delivery(edition_id=audience.edition_id, subscriber=subscriber, audience=audience)
    today = now.astimezone(ZoneInfo(subscriber.timezone)).date()
    if getattr(subscriber, "is_suppressed", False):
        delivery.state = State.SUPPRESSED
    elif subscriber.paused_until and today < subscriber.paused_until:
        delivery.state, delivery.reason = State.SKIPPED, Reason.PAUSED
    elif not audience.cards:
        delivery.state, delivery.reason = State.SKIPPED, Reason.NOTHING_NEW
    return delivery


def _count(made: Plan, row: Delivery, subscriber: Subscriber, audience: Audience) -> None:
    made.states[row.reason or row.state] += 1
    if row.state == State.PENDING:
        made.topics.update(audience.selection["topics"] or ["(no topic)"])
        made.hours[f"{subscriber.hour:02}:00 {subscriber.timezone}"] += 1


def plan_now(subscriber: Subscriber, *, now: datetime) -> Delivery | None:
    """The reader asked for today's digest: afterwards there is a delivery of the newest edition.

    It is the one that they have if they have one, so asking twice sends once. None when no
    edition is closed yet.
    """
    edition = building.newest(Edition.Frequency.DAILY)
    if edition is None:
        return None
    groups = audiences.ensure(edition, {subscriber.selection_key})
    if audience := groups.get(subscriber.selection_key):
        row = delivery_for(subscriber, audience, now=now)
        Delivery.objects.bulk_create([row], ignore_conflicts=True)
    return Delivery.objects.filter(edition=edition, subscriber=subscriber).first()
