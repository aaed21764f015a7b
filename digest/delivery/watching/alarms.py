"""Tells the operator what of the outbox is late, stuck, in doubt, or does not add up."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Min, Q

from digest.delivery import batches, ledger, notices, partitions
from digest.delivery.esp import circuit, pacing, plans, providers
from digest.delivery.esp.providers import Provider
from digest.delivery.notices import Trouble
from digest.models import Batch, Delivery, Edition, Lease
from subscriptions import selectors

STUCK = timedelta(minutes=15)
"""How long past UNCERTAIN_AFTER a claim may stand: it is settled every five minutes."""
IN_DOUBT = timedelta(days=1)
A_DAY = timedelta(days=1)
LEDGER_EVERY = timedelta(hours=1)
SENDERS_REST = timedelta(minutes=15)
"""How long digests may wait without any sender that takes one."""

State = Batch.State


def oldest_waiting(states: Iterable[str]) -> dict[int, datetime]:
    """Since when the oldest digest of each edition waits, about, in batches of these states: the
    first batch has waited longest, but for those that were in doubt until they were released."""
    first: list[int] = []
    found: dict[int, datetime] = {}
    # One by one, as each state has an index of its own.
    for state in states:
        left = Batch.objects.filter(state=state).order_by().values_list("edition_id")
        rows = left.annotate(
            first=Min("pk", filter=Q(released_at__isnull=True)), released=Min("released_at")
        )
        for edition_id, batch_id, released_at in rows:
            if batch_id is not None:
                first.append(batch_id)
            if released_at is not None:
                found[edition_id] = min(found.get(edition_id, released_at), released_at)
    waiting = batches.deliveries_in(first).filter(state=Delivery.State.PENDING)
    planned = waiting.order_by().values_list("edition_id").annotate(since=Min("created_at"))
    for edition_id, since in planned:
        found[edition_id] = min(found.get(edition_id, since), since)
    return found


def check_late(now: datetime) -> None:
    """Digests wait longer than they should; and a send is not over by its time, for whatever reason,
    one that is held among them."""
    open_since = oldest_waiting([State.OPEN])
    any_since = oldest_waiting([State.OPEN, State.CLAIMED])
    late: dict[str, Trouble] = {}
    unfinished: dict[str, Trouble] = {}
    for edition in Edition.objects.filter(pk__in=any_since).order_by("pk"):
        key, link = str(edition.pk), notices.page_of(edition)
        since = open_since.get(edition.pk, now)
        if edition.held_at is None and since < now - timedelta(seconds=settings.LATE_AFTER):
            late[key] = Trouble(
                what=f"Digests of edition {edition.name} have waited since {since:%Y-%m-%d %H:%M} UTC.",
                mend="Are workers running, are SEND_RATE and WARM_UP large enough? Type: "
                + notices.command("ledger", edition),
                link=link,
            )
        if any_since[edition.pk] < now - timedelta(seconds=settings.SEND_BY):
            reason = f"it is held: {edition.held_because}" if edition.held_at else "it is too slow"
            unfinished[key] = Trouble(
                what=f"The send of edition {edition.name} should be over and is not; {reason}."[
                    :300
                ],
                mend="Release it, or look at the log of the senders and the providers. Type: "
                + notices.command("ledger", edition),
                link=link,
            )
    Edition.objects.filter(pk__in={*late, *unfinished}, was_late=False).update(was_late=True)
    notices.stand("late", late, now=now)
    notices.stand("unfinished", unfinished, now=now, again=A_DAY)


def check_unplanned(now: datetime) -> None:
    """Slots stay due while nothing can be planned: before the first edition, and when it fails."""
    limit = now - timedelta(seconds=settings.LATE_AFTER)
    # Weekly readers in the east wait for hours until their week is closed.
    daily = selectors.due_slots(limit).exclude(frequency="weekly")
    weekly = selectors.due_slots(limit - A_DAY).filter(frequency="weekly")
    found = {}
    if Edition.objects.filter(paper_count__gt=0, closed_at__lt=limit).exists() and (
        number := daily.count() + weekly.count()
    ):
        found[""] = Trouble(
            what=f"The readers of {number} {'hour' if number == 1 else 'hours'} of sending are due "
            "and not planned.",
            mend="Is beat running, and a worker? Its log says why. Type: manage.py send_digests",
            link="/admin/digest/edition/",
        )
    notices.stand("unplanned", found, now=now, again=A_DAY)


def check_stuck(now: datetime) -> None:
    """Claims that nobody settles, and doubt that no evidence ends; by their editions, every day."""
    limit = now - timedelta(seconds=settings.UNCERTAIN_AFTER) - STUCK
    stuck = {
        str(edition.pk): Trouble(
            what=f"{_have(number, edition)} been claimed and not settled.",
            mend="Is beat running, and a worker for the queue digest? Type: celery -A config status",
            link="/admin/digest/batch/?state=claimed",
        )
        for edition, number in _by_edition(State.CLAIMED, limit)
    }
    notices.stand("stuck", stuck, now=now, again=A_DAY)
    doubtful = {
        str(edition.pk): Trouble(
            what=f"{_have(number, edition)} been in doubt for more than a day.",
            mend="Look for it in the provider's log, then type: "
            f"{notices.command('settle_deliveries', edition)} --release (send again) or --drop",
            link="/admin/digest/batch/in-doubt/",
        )
        for edition, number in _by_edition(State.UNCERTAIN, now - IN_DOUBT)
    }
    notices.stand("in_doubt", doubtful, now=now, again=A_DAY)


def _by_edition(state: str, limit: datetime) -> list[tuple[Edition, int]]:
    """How many batches of each edition are in the state since before the limit."""
    old = Batch.objects.filter(state=state, claimed_at__lt=limit).order_by()
    numbers = dict(old.values_list("edition_id").annotate(Count("pk")))
    editions = Edition.objects.filter(pk__in=numbers).order_by("pk")
    return [(edition, numbers[edition.pk]) for edition in editions]


def _have(number: int, edition: Edition) -> str:
    return (
        f"1 batch of edition {edition.name} has"
        if number == 1
        else f"{number} batches of edition {edition.name} have"
    )


def check_ways(sending: list[Edition], now: datetime) -> None:
    """Digests wait, and no provider may be called; or they could be sent, and no sender takes them."""
    ways = [way for way in providers.configured() if way.takes_digests] if sending else []
    working = [way for way in ways if not plans.of(way.name).is_paused]
    paused = ", ".join(way.name for way in ways if way not in working)
    resting = {row.name: row.detail for row in circuit.resting(working, now)}
    full = [way.name for way in working if pacing.left_today(way) == 0]
    why = dict.fromkeys(full, "has had its number of today") | resting
    free = [way for way in working if way.name not in why]
    all_paused, none = {}, {}
    if ways and not working:
        all_paused[""] = Trouble(
            what=f"Digests wait, and all providers are paused by an operator: {paused}.",
            mend=f"Resume one, or type: manage.py resume_provider {ways[0].name}",
            link="/admin/digest/providerplan/",
        )
    elif not free and (resting or paused):
        # Where all have had their number it is as the operator planned it; `late` says it in time.
        said = ", ".join(f"{name}: {reason}" for name, reason in why.items())
        also = f"; paused: {paused}" if paused else ""
        none[""] = Trouble(
            what=f"No provider takes digests now ({said}{also}); they wait and are tried again.",
            mend="Look at the providers' status pages and at EMAIL_PROVIDERS. Type: manage.py check",
            link="/admin/digest/providerplan/",
        )
    notices.stand("all_paused", all_paused, now=now)
    notices.stand("no_provider", none, now=now)
    notices.stand("senders_silent", _silence(now) if _were_free(free, now) else {}, now=now)


def _were_free(free: list[Provider], now: datetime) -> bool:
    """Whether one of those that are free has been for as long as senders may rest: not where its own
    rest has just ended, or the day whose number it had had."""
    since = now - SENDERS_REST
    rested = {row.name for row in circuit.resting(free, since)}
    is_new_day = since.astimezone(UTC).date() < now.astimezone(UTC).date()
    return any(
        way.name not in rested
        and not (is_new_day and pacing.cap_of(way, pacing.today()) is not None)
        for way in free
    )


def _silence(now: datetime) -> dict[str, Trouble]:
    limit = now - SENDERS_REST
    waiting = {pk for pk, since in oldest_waiting([State.OPEN]).items() if since < limit}
    is_time = Q(retry_at__isnull=True) | Q(retry_at__lt=limit)
    offerable = Batch.objects.filter(is_time, state=State.OPEN, edition_id__in=waiting)
    offerable = offerable.filter(edition__held_at__isnull=True)
    if not waiting or not offerable.exists():
        return {}
    newest = Batch.objects.filter(edition_id__in=waiting).aggregate(at=Max("claimed_at"))["at"]
    if newest and newest > limit:
        return {}
    trouble = Trouble(
        what="Digests wait, a provider is free, and no sender takes them.",
        mend="Is a worker for the queue mail running? Type: celery -A config status",
        link="/admin/digest/edition/",
    )
    return {"": trouble}


def check_ledgers(now: datetime) -> None:
    """The newest editions', once an hour: each takes a third of a second a million readers."""
    name = "watch:ledger"
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    due = Lease.objects.filter(name=name, free_at__lte=now)
    if not due.update(free_at=now + LEDGER_EVERY):
        return
    planned = Edition.objects.filter(due_count__gt=0)
    newest = [planned.filter(frequency=name).first() for name in Edition.Frequency.values]
    found = {}
    for edition in newest:
        if edition and (due_count := _unbalanced(edition)):
            found[str(edition.pk)] = Trouble(
                what=f"The ledger of edition {edition.name} does not add up: {due_count} were due.",
                mend="Keep the database as it is, report it, and type: "
                + notices.command("ledger", edition),
                link=notices.page_of(edition),
            )
    notices.stand("unbalanced", found, now=now)


def _unbalanced(edition: Edition) -> int:
    """How many were due, where that is not what became of them; 0 where it is."""
    found = ledger.of_edition(edition)
    # What is planned or settled while the rows are counted is counted well the second time.
    if found.is_balanced or ledger.of_edition(edition).as_json() != found.as_json():
        return 0
    return found.due or 1


def check_partitions() -> None:
    """Deliveries for whose edition no partition was made ahead are safe, but go row by row."""
    if number := partitions.overflow():
        notices.tell(
            "partitions",
            pacing.today().replace(day=1),
            what=f"{number} deliveries are in the partition {partitions.DEFAULT}: none was made for "
            "their edition.",
            mend="Is beat running, and a worker at night? Type: manage.py partition_deliveries",
            level=logging.WARNING,
        )
