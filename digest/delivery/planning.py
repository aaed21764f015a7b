"""Who is due gets a delivery row: from readers' schedules and a closed edition to the outbox."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import F

from digest.editions import audiences, building
from digest.errors import EditionOpenError
from digest.models import Audience, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Subscriber

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
PAGE = 1000
EARLIEST_ZONE = timedelta(hours=14)
"""How far the clocks of the first zone (Kiritimati) are before UTC."""

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

    The edition is the newest closed one, once what is past its cutoff is closed, or that of `day`.
    Where there is none, or it is empty, everybody stays due. Who left or has nothing in it gets a
    row that says so. Nobody gets a second row for an edition, however often this runs. Raises
    EditionOpenError when `day` has no closed edition.
    """
    made = Plan()
    if day is None and not is_dry_run:
        # Or readers who are due at the very minute of the cutoff would miss what closes in it.
        building.build_due(now)
    for frequency, edition in _editions(day).items():
        made.editions.append(edition)
        for ids in _pages(now, frequency):
            with transaction.atomic():
                _plan_page(ids, edition, made, now=now, is_dry_run=is_dry_run)
    if not is_dry_run and made.states:
        logger.info("deliveries planned", extra=dict(made.states))
    return made


def _editions(day: date | None) -> dict[Edition.Frequency, Edition]:
    found = {
        frequency: building.newest(frequency) if day is None else _edition_of(day, frequency)
        for frequency in _FREQUENCY
    }
    if day is not None and found[Edition.Frequency.DAILY] is None:
        raise EditionOpenError(
            f"The edition of {day} is not closed. Close it with: build_edition --date {day}"
        )
    return {name: edition for name, edition in found.items() if edition and edition.paper_count}


def _edition_of(day: date, frequency: Edition.Frequency) -> Edition | None:
    first_day = building.first_day(day, frequency)
    return Edition.objects.filter(frequency=frequency, date=first_day).first()


def _pages(now: datetime, frequency: Edition.Frequency) -> Iterator[list[int]]:
    """Ids of who is due, a page at a time, by key."""
    due = selectors.due_subscribers(now).filter(frequency__in=_FREQUENCY[frequency])
    if frequency == Edition.Frequency.WEEKLY:
        due = due.exclude(next_digest_at__gte=_week_begins(now), next_digest_at__lte=now)
    ids = due.order_by("pk").values_list("pk", flat=True)
    last = 0
    while page := list(ids.filter(pk__gt=last)[:PAGE]):
        yield page
        last = page[-1]


def _week_begins(now: datetime) -> datetime:
    """The moment from which on weekly readers wait for a week that is not closed yet.

    Monday begins up to 14 hours before it does in UTC, the week closes hours after it. Who is due
    between the two waits for the close, or they would always read of the week before.
    """
    monday = building.first_day((now + EARLIEST_ZONE).date(), Edition.Frequency.WEEKLY)
    if building.closes_at(monday - timedelta(days=1)) <= now:
        monday += timedelta(days=7)
    return datetime.combine(monday, time(), tzinfo=UTC) - EARLIEST_ZONE


def _plan_page(
    ids: list[int], edition: Edition, made: Plan, *, now: datetime, is_dry_run: bool
) -> None:
    """Runs in a transaction, and locks the page's readers: nobody else plans them meanwhile, nor
    do they choose anew."""
    due = selectors.due_subscribers(now).filter(pk__in=ids)
    page = list(due.order_by("pk").select_for_update(of=("self",)))
    had = set(
        Delivery.objects.filter(edition=edition, subscriber__in=page).values_list(
            "subscriber_id", flat=True
        )
    )
    rest = [subscriber for subscriber in page if subscriber.pk not in had]
    groups = audiences.ensure(edition, {subscriber.selection_key for subscriber in rest})
    rows = []
    for subscriber in rest:
        audience = groups[subscriber.selection_key]
        row = delivery_for(subscriber, audience, now=now)
        rows.append(row)
        _count(made, row, subscriber, audience)
    if is_dry_run:
        return
    _store(edition, rows)
    services.reschedule(now, [subscriber.pk for subscriber in page])


def _store(edition: Edition, rows: list[Delivery]) -> None:
    """The rows, and how many they are counted apart from them: the ledger compares the two."""
    if rows:
        Delivery.objects.bulk_create(rows)
        Edition.objects.filter(pk=edition.pk).update(due_count=F("due_count") + len(rows))


def delivery_for(
    subscriber: Subscriber, audience: Audience, *, now: datetime, is_asked: bool = False
) -> Delivery:
    """An unsaved delivery in the state that planning gives it; who asks for it is not paused."""
    delivery = Delivery(edition_id=audience.edition_id, subscriber=subscriber, audience=audience)
    if getattr(subscriber, "is_suppressed", False):
        delivery.state = State.SUPPRESSED
    elif not is_asked and selectors.is_paused(subscriber, now):
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
    """The reader asked for today's digest: afterwards it is pending, unless they had it already.

    A pause does not hold it back, nor a delivery that was skipped before. Where nothing in the
    edition is for them, the answer says so and is not stored: they may choose other topics and
    ask again. None when no edition is closed yet.
    """
    edition = building.newest(Edition.Frequency.DAILY)
    if edition is None:
        return None
    asked = selectors.with_suppression(Subscriber.objects.filter(pk=subscriber.pk))
    with transaction.atomic():
        reader = asked.select_for_update(of=("self",)).first()
        if reader is None:
            return None
        audience = audiences.ensure(edition, {reader.selection_key})[reader.selection_key]
        row = delivery_for(reader, audience, now=now, is_asked=True)
        mine = Delivery.objects.filter(edition=edition, subscriber=reader)
        if row.state == State.PENDING and not mine.exists():
            _store(edition, [row])
        elif row.state == State.PENDING:
            mine.filter(state=State.SKIPPED).update(
                state=State.PENDING, reason=Reason.NONE, audience=audience
            )
        # What was skipped before says why it was then; the row says how it is now.
        return mine.exclude(state=State.SKIPPED).first() or row
