"""Who is due gets a delivery row: from the slots that are due and a closed edition to the outbox.

It is done in sets: a page of readers of one slot, in the order of what they follow, is one
INSERT … SELECT, which also cuts the readers of each audience into batches.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from digest import logs
from digest.delivery import batches, dropping, outbox
from digest.editions import audiences, building
from digest.errors import EditionOpenError
from digest.models import Batch, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Slot, Subscriber

from . import apart, merging

logger = logging.getLogger(__name__)

State = Delivery.State
Reason = Delivery.Reason
PAGE = 20_000
"""Readers that are planned in one transaction."""
EARLIEST_ZONE = timedelta(hours=14)
"""How far the clocks of the first zone (Kiritimati) are before UTC."""
_ROUNDS = 3
_MONTHLY = Subscriber.Frequency.MONTHLY
_EVERY_EDITION = (
    Subscriber.Frequency.DAILY,
    Subscriber.Frequency.WEEKDAYS,
    Subscriber.Frequency.WEEKLY,
)

_FREQUENCY: dict[Edition.Frequency, list[Subscriber.Frequency]] = {
    Edition.Frequency.DAILY: [
        frequency for frequency in Subscriber.Frequency if frequency != Subscriber.Frequency.WEEKLY
    ],
    Edition.Frequency.WEEKLY: [Subscriber.Frequency.WEEKLY],
}


def edition_frequency(rhythm: str) -> Edition.Frequency:
    """Of which editions a reader of this rhythm gets digests."""
    return next(name for name, rhythms in _FREQUENCY.items() if rhythm in rhythms)


@dataclass(slots=True)
class Plan:
    """What planning did, or, on a dry run, would do."""

    states: Counter[str] = field(default_factory=Counter)
    """Deliveries by state, or by reason where they are skipped."""
    topics: Counter[str] = field(default_factory=Counter)
    """Readers to be sent to, by topic they follow; on a dry run."""
    hours: Counter[str] = field(default_factory=Counter)
    """Readers to be sent to, by their local hour."""
    editions: list[Edition] = field(default_factory=list)

    @property
    def to_send(self) -> int:
        return self.states[State.PENDING]


def plan(
    now: datetime,
    *,
    batch_size: int = outbox.MOST_READERS,
    day: date | None = None,
    is_dry_run: bool = False,
    page_planned: Callable[[], object] = lambda: None,
) -> Plan:
    """Afterwards everyone due at `now` has a delivery of their edition, and a next slot.

    The edition is the newest closed one that has papers, once what is past its cutoff is closed,
    or that of `day`; a slot that was begun with an edition ends with it. Where there is none,
    everybody stays due. Who left or has nothing in it gets a row that says so. Nobody gets a second
    row for an edition, however often this runs, and a kill leaves whole pages. Batches hold up to
    `batch_size` readers; `page_planned` is called whenever more of them can be claimed. Raises
    EditionOpenError when `day` has no closed edition, EditionForgottenError when nobody knows any more
    who had it. An error keeps the readers of its slot due, and
    is raised once the others are planned.
    """
    if is_dry_run:
        return _dry_run(now, day=day, batch_size=batch_size)
    made, failure = Plan(), None
    _prepare(now, day)
    for frequency, edition in _editions(day).items():
        made.editions.append(edition)
        # A month takes long to pick from: who waits for a day's papers goes first.
        for slot in sorted(slots_due(now, frequency), key=lambda slot: slot.frequency == _MONTHLY):
            with logs.bound(edition=edition.pk, slot=slot.pk):
                try:
                    own = edition if day else _begun(slot, edition)
                    if own and _plan_slot(slot, own, made, now, batch_size, page_planned):
                        services.advance(slot, now, ended_on=own.date)
                except Exception as error:
                    logger.exception("slot can't be planned", extra={"slot": slot.pk})
                    failure = error
    for edition in made.editions:
        merging.merge(edition, now=now)
    dropping.sweep()
    if made.states:
        logger.info("deliveries planned", extra=dict(made.states))
    if failure is not None:
        raise failure
    return made


def _prepare(now: datetime, day: date | None) -> None:
    if mended := services.mend(now):
        logger.warning("slots lay too far ahead", extra={"slots": mended})
    if day is None:
        # Or readers who are due at the very minute of the cutoff would miss what closes in it.
        building.build_due(now)


def _dry_run(now: datetime, *, day: date | None, batch_size: int) -> Plan:
    """What would be planned; each slot is, and is rolled back."""
    made = Plan()
    for frequency, edition in _editions(day).items():
        made.editions.append(edition)
        for slot in slots_due(now, frequency):
            with transaction.atomic():
                newest = Delivery.objects.aggregate(pk=Max("pk"))["pk"] or 0
                _plan_slot(slot, edition, made, now, batch_size, lambda: None)
                _count_topics(made, Delivery.objects.filter(pk__gt=newest, edition=edition))
                transaction.set_rollback(True)
    return made


def _begun(slot: Slot, edition: Edition) -> Edition | None:
    """The edition that the slot's readers get: some may have got theirs before a kill."""
    edition_id = services.begin(slot, edition.pk)
    if edition_id is None or edition_id == edition.pk:
        return edition if edition_id else None
    begun = Edition.objects.filter(pk=edition_id).first()
    # After a long standstill nobody knows any more who had it.
    return edition if begun and begun.forgetting_at else begun


def _editions(day: date | None) -> dict[Edition.Frequency, Edition]:
    found = {
        frequency: building.newest(frequency) if day is None else _edition_of(day, frequency)
        for frequency in _FREQUENCY
    }
    if day is not None and found[Edition.Frequency.DAILY] is None:
        raise EditionOpenError(
            f"The edition of {day} is not closed. Close it with: build_edition --date {day}"
        )
    for edition in found.values():
        if edition and day is not None:
            batches.refuse_forgotten(edition)
    return {name: edition for name, edition in found.items() if edition and edition.paper_count}


def _edition_of(day: date, frequency: Edition.Frequency) -> Edition | None:
    first_day = building.first_day(day, frequency)
    return Edition.objects.filter(frequency=frequency, date=first_day).first()


def slots_due(now: datetime, frequency: Edition.Frequency) -> QuerySet[Slot]:
    """The slots whose readers get an edition of this frequency at `now`."""
    due = selectors.due_slots(now).filter(frequency__in=_FREQUENCY[frequency])
    if frequency == Edition.Frequency.WEEKLY:
        due = due.exclude(next_digest_at__gte=_week_begins(now), next_digest_at__lte=now)
    return due


def _week_begins(now: datetime) -> datetime:
    """The moment from which on weekly readers wait for a week that is not closed yet.

    Monday begins up to 14 hours before it does in UTC, the week closes hours after it. Who is due
    between the two waits for the close, or they would always read of the week before.
    """
    monday = building.first_day((now + EARLIEST_ZONE).date(), Edition.Frequency.WEEKLY)
    if building.closes_at(monday - timedelta(days=1)) <= now:
        monday += timedelta(days=7)
    return datetime.combine(monday, time(), tzinfo=UTC) - EARLIEST_ZONE


def since_of(slot: Slot, edition: Edition) -> date | None:
    """The day from which on a digest of the slot picks papers; None: the edition's alone.

    Who gets one a month, or a week on another day than Monday, when the week's edition is new, gets
    the newest daily edition with those since the one that the slot's last digest ended with; a new
    slot's since the one that was the newest a month, or a week, ago.
    """
    if slot.frequency in {*_EVERY_EDITION}:
        return _after_a_gap(slot, edition)
    if slot.ended_on is not None and slot.ended_on < edition.date:
        return slot.ended_on + timedelta(days=1)
    due = slot.next_digest_at
    if slot.frequency == _MONTHLY:
        first = due.astimezone(ZoneInfo(slot.timezone)).replace(day=1)
        before = (first - timedelta(days=1)).replace(day=1)
    else:
        before = due - timedelta(days=7)
    last = building.newest(Edition.Frequency.DAILY, now=before)
    since = edition.date - (due - before) if last is None else last.date
    return min(since + timedelta(days=1), edition.date)


def _after_a_gap(slot: Slot, edition: Edition) -> date | None:
    """The day of the first edition with papers that closed since the slot's last digest, if it is
    not this one: on a weekend, or while nothing was planned. Nobody gets two digests for it."""
    if slot.ended_on is None:
        return None
    longest = timedelta(days=2 * building.CATCH_UP_DAYS)
    passed_by = Edition.objects.filter(
        frequency=edition.frequency,
        paper_count__gt=0,
        is_sample=False,
        date__gt=max(slot.ended_on, edition.date - longest),
        date__lt=edition.date,
    )
    return passed_by.order_by("date").values_list("date", flat=True).first()


def _plan_slot(  # noqa: PLR0917  each is another thing
    slot: Slot,
    edition: Edition,
    made: Plan,
    now: datetime,
    batch_size: int,
    page_planned: Callable[[], object],
) -> bool:
    """Whether all readers of the slot have a row afterwards. Who chose anew while their page was
    planned may have slipped through, and is found in another round."""
    since = since_of(slot, edition)
    for _ in range(_ROUNDS):
        for first, last in _pages(slot, edition, since):
            _plan_page(
                slot, edition, made,
                since=since, first=first, last=last, now=now, batch_size=batch_size,
            )  # fmt: skip
            page_planned()
        for rows in apart.plan(slot, edition, since=since, now=now, batch_size=batch_size):
            _count_apart(made, slot, rows)
            page_planned()
        if not _has_left_out(slot, edition):
            return True
    return False


def _pages(
    slot: Slot, edition: Edition, since: date | None
) -> Iterator[tuple[selectors.Place, selectors.Place]]:
    """Where each page begins (after this reader) and ends (with that one), by key; the audiences
    of its readers are there."""
    place: selectors.Place = ("", 0)
    while page := selectors.page_of(slot, place, PAGE):
        readers = dict(page)
        audiences.ensure(edition, readers, since=since, one_of=readers)
        yield place, page[-1]
        place = page[-1]


def _has_left_out(slot: Slot, edition: Edition) -> bool:
    # A value for each reader, and no join: PostgreSQL guesses joins wrong while a table grows.
    mine = Delivery.objects.filter(edition=edition, subscriber=OuterRef("pk")).values("pk")
    readers = Subscriber.objects.filter(slot=slot)
    return readers.alias(planned=Subquery(mine)).filter(planned=None).exists()


_INSERT = """
INSERT INTO digest_delivery (
    edition_id, subscriber_id, audience_id, batch_id, state, reason,
    detail, provider, esp_message_id, created_at
)
SELECT
    %s, reader_id, audience_id,
    CASE WHEN state = 'pending' THEN
        %s + DENSE_RANK() OVER (PARTITION BY state ORDER BY audience_id, place / %s) - 1
    END,
    CASE WHEN state IN ('paused', 'nothing_new') THEN 'skipped' ELSE state END,
    CASE WHEN state IN ('paused', 'nothing_new') THEN state ELSE '' END,
    '', '', '', %s
FROM (
    SELECT reader_id, audience_id, state,
        ROW_NUMBER() OVER (PARTITION BY state, audience_id ORDER BY reader_id) - 1 AS place
    FROM (
        SELECT reader.reader_id, audience.id AS audience_id,
            CASE WHEN reader.is_suppressed THEN 'suppressed'
                WHEN reader.is_paused = 1 THEN 'paused'
                WHEN audience.paper_count = 0 THEN 'nothing_new'
                ELSE 'pending' END AS state
        FROM (
            -- The limit keeps PostgreSQL from looking the readers up audience by audience.
            SELECT * FROM ({readers}) AS slot
            WHERE (selection_key, reader_id) > (%s, %s) AND (selection_key, reader_id) <= (%s, %s)
            ORDER BY selection_key, reader_id LIMIT %s
        ) AS reader
        JOIN digest_audienceselection AS chosen
            ON chosen.edition_id = %s AND chosen.selection_key = reader.selection_key
            AND {since}
        JOIN digest_audience AS audience ON audience.id = chosen.audience_id
    ) AS due
) AS placed
WHERE TRUE -- SQLite would else take ON for a join
ON CONFLICT DO NOTHING
"""
_BATCHES = """
INSERT INTO digest_batch (id, edition_id, audience_id, state, size, attempts, provider)
SELECT batch_id, %s, audience_id, 'open', COUNT(*), 0, ''
FROM digest_delivery WHERE edition_id = %s AND batch_id BETWEEN %s AND %s GROUP BY batch_id, audience_id
"""


def _plan_page(
    slot: Slot,
    edition: Edition,
    made: Plan,
    *,
    since: date | None,
    first: selectors.Place,
    last: selectors.Place,
    now: datetime,
    batch_size: int,
) -> None:
    """One transaction that holds the edition's row: nobody else plans it meanwhile."""
    readers, parameters = selectors.due_readers(
        slot, now, papers_since=since or edition.date
    ).query.sql_with_params()
    with transaction.atomic(), connection.cursor() as cursor:
        locked = Edition.objects.select_for_update().get(pk=edition.pk)
        newest = Delivery.objects.aggregate(pk=Max("pk"))["pk"] or 0
        batch, before = batches.first_id(locked), made.states[State.PENDING]
        edition_id = edition.pk
        planned_at = connection.ops.adapt_datetimefield_value(timezone.now())
        cursor.execute(
            _INSERT.format(
                readers=readers, since="chosen.since = %s" if since else "chosen.since IS NULL"
            ),
            [
                edition_id,
                batch,
                batch_size,
                planned_at,
                *parameters,
                *first,
                *last,
                2 * PAGE,
                edition_id,
                *([connection.ops.adapt_datefield_value(since)] if since else []),
            ],
        )
        number, (_, after) = cursor.rowcount, batches.ids_of(locked)
        cursor.execute(_BATCHES, [edition_id, edition_id, batch, after])
        new = Batch.objects.filter(pk__range=(batch, after)).order_by("pk")
        last_batch = new.values_list("pk", flat=True).last() or batch - 1
        batches.count_up(edition, deliveries=number, batches=last_batch - batch + 1)
        _count(made, new, slot)
        if number > made.states[State.PENDING] - before:
            others = Delivery.objects.filter(pk__gt=newest, edition=edition, batch__isnull=True)
            _count_others(made, others)


def _count(made: Plan, new: QuerySet[Batch], slot: Slot) -> None:
    size = new.aggregate(size=Sum("size"))["size"] or 0
    if size:
        made.states[State.PENDING.value] += size
        made.hours[f"{slot.hour:02}:00 {slot.timezone}"] += size


def _count_apart(made: Plan, slot: Slot, rows: Sequence[Delivery]) -> None:
    for row in rows:
        made.states[row.reason or row.state] += 1
        if row.state == State.PENDING:
            made.hours[f"{slot.hour:02}:00 {slot.timezone}"] += 1


def _count_topics(made: Plan, new: QuerySet[Delivery]) -> None:
    groups = new.filter(state=State.PENDING).order_by().values_list("subscriber__topics__slug")
    for topic, number in groups.annotate(number=Count("pk")):
        made.topics[topic or "(no topic)"] += number


def _count_others(made: Plan, others: QuerySet[Delivery]) -> None:
    groups = others.order_by().values_list("state", "reason")
    for state, reason, number in groups.annotate(number=Count("pk")):
        made.states[reason or state] += number
