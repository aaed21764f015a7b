"""Numbers for the operator that answer at once: kept while things happen, never counted live."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest

from digest.models import Batch, DayFigure, Edition, EditionCount, Lease
from subscriptions import figures as readers
from subscriptions.models import ConsentRecord

from . import ledger, pacing

Kind = DayFigure.Kind
READERS_EVERY = timedelta(minutes=10)
"""How often all readers are counted; who came and went is counted each time."""
_RECENT = timedelta(days=1)
_UNSETTLED = [Batch.State.OPEN, Batch.State.CLAIMED, Batch.State.UNCERTAIN]
_ACTIONS = {
    ConsentRecord.Action.SIGNED_UP.value: Kind.SIGNED_UP,
    ConsentRecord.Action.CONFIRMED.value: Kind.CONFIRMED,
    ConsentRecord.Action.IMPORTED.value: Kind.IMPORTED,
    ConsentRecord.Action.UNSUBSCRIBED.value: Kind.UNSUBSCRIBED,
    ConsentRecord.Action.RESUBSCRIBED.value: Kind.RESUBSCRIBED,
}


def keep(now: datetime) -> None:
    """Afterwards the numbers are those of now. Counting takes a third of a second for a million
    deliveries, and only editions that something may have changed in are counted."""
    for edition in _uncounted():
        count(edition, now)
    _keep_readers(now)


def _uncounted() -> list[Edition]:
    """What is being sent or in doubt, and what was planned or settled since the last count."""
    # One by one, as each state has an index of its own.
    changing = {
        edition_id
        for state in _UNSETTLED
        for edition_id in Batch.objects.filter(state=state)
        .order_by()
        .values_list("edition_id", flat=True)
        .distinct()
    }
    planned = Edition.objects.filter(due_count__gt=0, forgetting_at__isnull=True)
    found = planned.annotate(counted=Sum("counts__number")).filter(
        Q(pk__in=changing)
        | Q(is_counted=False)
        | Q(counted__isnull=True)
        | ~Q(counted=F("due_count"))
    )
    return list(found.order_by("pk"))


def count(edition: Edition, now: datetime) -> None:
    """Afterwards the edition's `counts` say what is in the outbox, and `pace` how fast that went on
    since they said so last."""
    # Asked first: what is settled after it may be in the count, and is counted again.
    is_settled = not Batch.objects.filter(edition=edition, state__in=_UNSETTLED).exists()
    found = ledger.counted(edition)
    with transaction.atomic():
        before = Edition.objects.select_for_update().get(pk=edition.pk)
        if before.forgetting_at or (before.counted_at and before.counted_at > now):
            return
        old = dict(_kept(edition))
        _store(edition, old, found)
        Edition.objects.filter(pk=edition.pk).update(
            counted_at=now, is_counted=is_settled, pace=_pace(before, old, found, now)
        )


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
        counted_at=now, is_counted=True, pace=0, forgetting_at=now
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
    """The edition's ledger as it was at `counted_at`. As long as it is planned and sent, `due` is
    that of the count, too: more may have been planned since."""
    counts = dict(_kept(edition))
    due = edition.due_count if edition.is_counted else sum(counts.values())
    return ledger.from_counts(edition, counts, due=due)


def _keep_readers(now: datetime) -> None:
    since = (now - _RECENT).date()
    found: dict[tuple[date, str, str], int] = {
        (day, _ACTIONS[action], ""): number
        for (day, action), number in readers.consents(since).items()
        if action in _ACTIONS
    }
    for (day, reason), number in readers.suppressions(since).items():
        found[day, Kind.SUPPRESSED, reason] = number
    _raise(found)
    name = "figures:readers"
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    if Lease.objects.filter(name=name, free_at__lte=now).update(free_at=now + READERS_EVERY):
        states = readers.states()
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
