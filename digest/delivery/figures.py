"""Numbers for the operator that answer at once: kept while things happen, never counted live."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from digest.delivery.esp import pacing
from digest.models import Batch, DayFigure, Edition, EditionCount, Lease
from subscriptions import figures as subscribers
from subscriptions.models import ConsentRecord

from . import ledger

Kind = DayFigure.Kind
READERS_EVERY = timedelta(minutes=10)
"""How often all readers are counted."""
_CAME_EVERY = timedelta(minutes=1)
"""How often those are counted who came and went today."""
_NOW_AND_THEN = timedelta(minutes=2)
"""How often what is held or in doubt is counted, which changes when somebody settles it."""
_AT_A_STRETCH = timedelta(seconds=50)
_READERS = "figures:readers"
"""The turn to count all readers: it is free again READERS_EVERY after they were counted."""
_LONGEST = timedelta(minutes=10)
"""After which a call that was killed blocks nobody any more."""
_RECENT = timedelta(days=1)
_MOVING = [Batch.State.OPEN, Batch.State.CLAIMED]
_UNSETTLED = [Batch.State.OPEN, Batch.State.CLAIMED, Batch.State.UNCERTAIN]
_ACTIONS = {
    ConsentRecord.Action.SIGNED_UP.value: Kind.SIGNED_UP,
    ConsentRecord.Action.CONFIRMED.value: Kind.CONFIRMED,
    ConsentRecord.Action.IMPORTED.value: Kind.IMPORTED,
    ConsentRecord.Action.UNSUBSCRIBED.value: Kind.UNSUBSCRIBED,
    ConsentRecord.Action.RESUBSCRIBED.value: Kind.RESUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class Readers:
    """How many readers there were when they were counted last; None before that."""

    active: int | None
    pending: int | None
    counted_at: datetime | None


def keep(now: datetime) -> None:
    """Afterwards the numbers are those of now, or, where somebody else just makes them so or there is
    much to count, those of the newest editions are. Counting takes a third of a second for a million
    deliveries, and only what may have changed is counted."""
    if not _take("figures", now, _LONGEST):
        return
    until = timezone.now() + _AT_A_STRETCH
    try:
        for edition in _uncounted(now):
            count(edition, now)
            if timezone.now() > until:
                break
        _keep_readers(now)
    finally:
        Lease.objects.filter(name="figures").update(free_at=now)


def _take(name: str, now: datetime, period: timedelta) -> bool:
    """Whether it is this call's turn; then nobody else's for the period."""
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    return bool(Lease.objects.filter(name=name, free_at__lte=now).update(free_at=now + period))


def _uncounted(now: datetime) -> list[Edition]:
    """What is being sent, what was planned or settled since the last count, and now and then what is
    held or in doubt; the newest first."""
    # One by one, as each state has an index of its own.
    moving = {pk for state in _MOVING for pk in _editions_with(state)}
    waiting = moving | set(_editions_with(Batch.State.UNCERTAIN))
    planned = Edition.objects.filter(due_count__gt=0, forgetting_at__isnull=True)
    settled = ~Q(pk__in=waiting)
    found = planned.filter(
        Q(pk__in=moving, held_at__isnull=True)
        | Q(counted_at__isnull=True)
        | Q(counted_at__lt=now - _NOW_AND_THEN, pk__in=waiting)
        | (settled & Q(is_counted=False))
        | ~Q(counted_due=F("due_count"))
    )
    return list(found.order_by("-pk"))


def _editions_with(state: str) -> QuerySet[Batch, int]:
    found = Batch.objects.filter(state=state).order_by()
    return found.values_list("edition_id", flat=True).distinct()


def count(edition: Edition, now: datetime) -> None:
    """Afterwards the edition's `counts` say what is in the outbox, and `pace` how fast that went on
    since they said so last."""
    # Asked first: what is settled after it may be in the count, and is counted again.
    due = _due(edition)
    is_settled = not Batch.objects.filter(edition=edition, state__in=_UNSETTLED).exists()
    found = ledger.counted(edition)
    with transaction.atomic():
        before = Edition.objects.select_for_update().get(pk=edition.pk)
        if before.forgetting_at or (before.counted_at and before.counted_at > now):
            return
        old = dict(_kept(edition))
        _store(edition, old, found)
        # Readers who were planned meanwhile may or may not be in the count.
        is_same = due == before.due_count
        Edition.objects.filter(pk=edition.pk).update(
            counted_at=now,
            counted_due=due if is_same else sum(found.values()),
            is_counted=is_settled and is_same,
            pace=_pace(before, old, found, now),
        )


def _due(edition: Edition) -> int:
    return Edition.objects.values_list("due_count", flat=True).get(pk=edition.pk)


def _store(
    edition: Edition,
    old: Mapping[tuple[str, str], int],
    found: Mapping[tuple[str, str], int],
) -> None:
    EditionCount.objects.bulk_create(
        [
            EditionCount(edition=edition, state=state, reason=reason, number=number)
            for (state, reason), number in found.items()
        ],
        update_conflicts=True,
        unique_fields=["edition", "state", "reason"],
        update_fields=["number"],
    )
    for state, reason in old.keys() - found.keys():
        edition.counts.filter(state=state, reason=reason).delete()


def count_last(edition: Edition, now: datetime) -> ledger.Ledger:
    """Afterwards what is in the outbox is counted for good, and may be forgotten; the ledger that it
    makes. The caller has locked the edition's row, and nothing of it is unsettled."""
    found = ledger.counted(edition)
    _store(edition, dict(_kept(edition)), found)
    Edition.objects.filter(pk=edition.pk).update(
        counted_at=now,
        counted_due=edition.due_count,
        is_counted=True,
        pace=0,
        forgetting_at=now,
    )
    return ledger.from_counts(edition, found, due=edition.due_count)


def _pace(
    before: Edition,
    old: Mapping[tuple[str, str], int],
    new: Mapping[tuple[str, str], int],
    now: datetime,
) -> float:
    if before.counted_at is None or now <= before.counted_at:
        return 0.0
    went_on = _settled(new) - _settled(old)
    return max(went_on, 0) / (now - before.counted_at).total_seconds()


def _settled(counts: Mapping[tuple[str, str], int]) -> int:
    """What was handed over or failed: what is skipped is so at once, when it is planned."""
    states = (ledger.State.SENT, ledger.State.FAILED, ledger.State.UNCERTAIN)
    return sum(number for (state, _), number in counts.items() if state in states)


def _kept(edition: Edition) -> Iterable[tuple[tuple[str, str], int]]:
    for state, reason, number in edition.counts.values_list("state", "reason", "number"):
        yield (state, reason), number


def ledger_of(edition: Edition) -> ledger.Ledger:
    """The edition's ledger as it was at `counted_at`."""
    return ledger.from_counts(edition, dict(_kept(edition)), due=edition.counted_due)


def _keep_readers(now: datetime) -> None:
    if not _take("figures:came", now, _CAME_EVERY):
        return
    _count_came(now)
    if _take(_READERS, now, READERS_EVERY):
        _count_readers()


def count_readers(now: datetime) -> None:
    """Afterwards the numbers of readers, and of who came and left today, are those of now, whenever
    they were counted before: many came at once."""
    _count_came(now)
    _count_readers()
    Lease.objects.update_or_create(
        name=_READERS, defaults={"expires_at": now, "free_at": now + READERS_EVERY}
    )


def _count_came(now: datetime) -> None:
    since = (now - _RECENT).date()
    found: dict[tuple[date, str, str], int] = {
        (day, _ACTIONS[action], ""): number
        for (day, action), number in subscribers.consents(since).items()
        if action in _ACTIONS
    }
    for (day, reason), number in subscribers.suppressions(since).items():
        found[day, Kind.SUPPRESSED, reason] = number
    _raise(found)


def _count_readers() -> None:
    states = subscribers.states()
    day = pacing.today()
    for kind, state in ((Kind.ACTIVE, "active"), (Kind.PENDING, "pending")):
        DayFigure.objects.update_or_create(
            day=day, kind=kind, about="", defaults={"number": states[state]}
        )


def _raise(found: Mapping[tuple[date, str, str], int]) -> None:
    """Afterwards none is below what was found: who is forgotten meanwhile was there."""
    known = {
        (row.day, row.kind, row.about): row.number
        for row in DayFigure.objects.filter(day__in={day for day, _, _ in found})
    }
    changed = {key: number for key, number in found.items() if number > known.get(key, 0)}
    _ensure(changed)
    for (day, kind, about), number in changed.items():
        DayFigure.objects.filter(day=day, kind=kind, about=about).update(
            number=Greatest(F("number"), number)
        )


def add(counted: Counter[tuple[str, str]]) -> None:
    """Adds to today's figures, by kind and what it is about. Called last in a transaction, and in
    one order, so that two who add to the same ones wait for each other for a moment only."""
    day = pacing.today()
    keys = [(day, kind, about) for kind, about in sorted(counted)]
    _ensure(keys)
    for _, kind, about in keys:
        DayFigure.objects.filter(day=day, kind=kind, about=about).update(
            number=F("number") + counted[kind, about]
        )


def _ensure(keys: Iterable[tuple[date, str, str]]) -> None:
    DayFigure.objects.bulk_create(
        [DayFigure(day=day, kind=kind, about=about) for day, kind, about in keys],
        ignore_conflicts=True,
    )


def by_day(kinds: Iterable[str], *, since: date) -> dict[str, dict[date, int]]:
    """The figures of each kind from `since` on, by day, whatever they are about."""
    rows = DayFigure.objects.filter(day__gte=since, kind__in=kinds).order_by("day")
    found: dict[str, dict[date, int]] = {kind: defaultdict(int) for kind in kinds}
    for row in rows:
        found[row.kind][row.day] += row.number
    return found


def latest(kind: str) -> int | None:
    """The newest figure of a kind that says how many there are; None before the first count."""
    rows = DayFigure.objects.filter(kind=kind, about="").order_by("-day")
    return rows.values_list("number", flat=True).first()


def readers() -> Readers:
    """How many readers there are, as the dashboard and `/status/` say it, and when that was counted."""
    free_at = Lease.objects.filter(name=_READERS).values_list("free_at", flat=True).first()
    active = latest(Kind.ACTIVE)
    counted_at = free_at - READERS_EVERY if free_at and active is not None else None
    return Readers(active, latest(Kind.PENDING), counted_at)
