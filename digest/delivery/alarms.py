"""Tells the operator what of the outbox is late, stuck, in doubt, or does not add up."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min

from digest.models import Batch, Delivery, Edition, Lease
from subscriptions import selectors

from . import batches, circuit, ledger, notices, pacing, partitions, plans, providers

STUCK = timedelta(minutes=15)
"""How long past UNCERTAIN_AFTER a claim may stand: it is settled every five minutes."""
IN_DOUBT = timedelta(days=1)
A_DAY = timedelta(days=1)
LEDGER_EVERY = timedelta(hours=1)


def check_late(now: datetime) -> None:
    """The first open batch of each edition has waited longest, or about so."""
    still_open = Batch.objects.filter(state=Batch.State.OPEN, edition__held_at__isnull=True)
    first = still_open.order_by().values("edition_id").annotate(first=Min("pk"))
    late = (
        batches.deliveries_in([row["first"] for row in first])
        .filter(
            state=Delivery.State.PENDING,
            created_at__lt=now - timedelta(seconds=settings.LATE_AFTER),
        )
        .order_by()
        .values("edition_id")
        .annotate(since=Min("created_at"))
    )
    since_of = {row["edition_id"]: row["since"] for row in late}
    for edition in Edition.objects.filter(pk__in=since_of):
        since = since_of[edition.pk]
        notices.tell(
            "late",
            f"{edition.pk} {pacing.today()}",
            what=f"Digests of edition {edition.name} have waited since {since:%Y-%m-%d %H:%M} UTC.",
            mend="Are workers running, are SEND_RATE and WARM_UP large enough? Type: "
            + notices.command("ledger", edition),
        )


def check_unplanned(now: datetime) -> None:
    """Slots stay due while nothing can be planned: before the first edition, and when it fails."""
    limit = now - timedelta(seconds=settings.LATE_AFTER)
    if not Edition.objects.filter(paper_count__gt=0, closed_at__lt=limit).exists():
        return
    # Weekly readers in the east wait for hours until their week is closed.
    daily = selectors.due_slots(limit).exclude(frequency="weekly")
    weekly = selectors.due_slots(limit - A_DAY).filter(frequency="weekly")
    if number := daily.count() + weekly.count():
        notices.tell(
            "unplanned",
            pacing.today(),
            what=f"The readers of {number} hours of sending are due and not planned.",
            mend="Is beat running, and a worker? Its log says why. Type: manage.py send_digests",
        )


def check_stuck(now: datetime) -> None:
    limit = now - timedelta(seconds=settings.UNCERTAIN_AFTER) - STUCK
    stuck = Batch.objects.filter(state=Batch.State.CLAIMED, claimed_at__lt=limit)
    if number := stuck.count():
        notices.tell(
            "stuck",
            pacing.today(),
            what=f"{number} batches were claimed and are not settled.",
            mend="Is beat running, and a worker for the queue digest? Type: celery -A config status",
        )
    doubtful = Batch.objects.filter(state=Batch.State.UNCERTAIN, claimed_at__lt=now - IN_DOUBT)
    if number := doubtful.count():
        notices.tell(
            "in_doubt",
            pacing.today(),
            what=f"{number} batches have been in doubt for more than a day.",
            mend="Look for them in the provider's log, then type: manage.py settle_deliveries "
            "--release (send again) or --drop (give up)",
        )


def check_ways(sending: list[Edition]) -> None:
    """Every provider rests or is paused while digests wait."""
    ways = [way for way in providers.configured() if way.takes_digests]
    if not sending or not ways:
        return
    working = [way for way in ways if not plans.of(way.name).is_paused]
    resting = circuit.resting(working)
    paused = ", ".join(way.name for way in ways if way not in working)
    if not working:
        notices.tell(
            "all_paused",
            pacing.today(),
            what=f"Digests wait, and all providers are paused by an operator: {paused}.",
            mend=f"Resume one at {settings.SITE_URL}/admin/digest/providerplan/ or type: "
            f"manage.py resume_provider {ways[0].name}",
        )
    elif len(resting) == len(working):
        said = ", ".join(f"{row.name}: {row.detail}" for row in resting)
        also = f"; paused: {paused}" if paused else ""
        notices.tell(
            "no_provider",
            pacing.today(),
            what=f"No provider takes digests now ({said}{also}); they wait and are tried again.",
            mend="Look at the providers' status pages and at EMAIL_PROVIDERS. Type: manage.py check",
        )


def check_ledgers(now: datetime) -> None:
    """The newest editions', once an hour: each takes a third of a second a million readers."""
    name = "watch:ledger"
    Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
    due = Lease.objects.filter(name=name, free_at__lte=now)
    if not due.update(free_at=now + LEDGER_EVERY):
        return
    planned = Edition.objects.filter(due_count__gt=0)
    for frequency in Edition.Frequency.values:
        if edition := planned.filter(frequency=frequency).first():
            _check_ledger(edition)


def _check_ledger(edition: Edition) -> None:
    found = ledger.of_edition(edition)
    # What is planned or settled while the rows are counted is counted well the second time.
    if found.is_balanced or ledger.of_edition(edition).as_json() != found.as_json():
        return
    notices.tell(
        "unbalanced",
        f"{edition.pk} {pacing.today()}",
        what=f"The ledger of edition {edition.name} does not add up: {found.due} were due.",
        mend=f"Keep the database as it is, report it, and type: {notices.command('ledger', edition)}",
    )


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
