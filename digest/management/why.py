"""Why nothing is sent, in one line for whoever typed `send_digests`."""

from datetime import datetime

from django.db.models import Min
from django.utils import timezone
from django.utils.formats import date_format

from digest.delivery import outbox, sending
from digest.delivery.due import planning
from digest.delivery.esp import pacing, plans
from digest.models import Circuit, Edition
from subscriptions import selectors
from subscriptions.models import Slot


def not_sent(made: planning.Plan, now: datetime) -> str:
    """What keeps digests of the plan's editions from being sent; "" where nothing does."""
    if not made.editions:
        return "Nothing is sent: no edition with papers is closed."
    fresh = list(Edition.objects.filter(pk__in=[edition.pk for edition in made.editions]))
    stopped = [line for edition in fresh if (line := _stopped(edition))]
    if len(stopped) == len(fresh):
        return f"Nothing is sent: {'; '.join(stopped)}."
    waiting = made.to_send or outbox.pending(now)
    if waiting:
        if reason := no_provider(timezone.now()):
            number = "1 digest waits" if waiting == 1 else f"{waiting:,} digests wait"
            return f"{number}: {'; '.join([*stopped, reason])}."
        # Those of the other edition go: how many wait of this one is for its ledger to say.
        return f"Not all is sent: {'; '.join(stopped)}." if stopped else ""
    if made.states:
        return "Nothing is sent: whoever was due gets nothing of it, as above."
    return f"Nothing is sent: {'; '.join([*stopped, _nobody_due(now)])}."


def _stopped(edition: Edition) -> str:
    name = f"the {edition.frequency} edition {edition.name}"
    if edition.dropped_at:
        return f"{name} was called off on {_at(edition.dropped_at)}"
    if edition.held_at:
        return (
            f"{name} is held since {_at(edition.held_at)}: {edition.held_because} (release_edition)"
        )
    return ""


def no_provider(now: datetime) -> str:
    """Why no provider takes digests now; "" where one does."""
    configured = [way for way in plans.ordered() if way.takes_digests]
    if not configured:
        return "no provider that takes digests is configured (EMAIL_PROVIDERS)"
    ways = sending.ways_out()
    if not ways:
        return "all providers are paused (resume_provider)"
    # Only looked at: to ask `circuit.available` takes the one call that tries a rested provider.
    open_ones = Circuit.objects.filter(name__in=[way.name for way in ways], open_until__gt=now)
    resting = {row.name: row for row in open_ones}
    said = []
    for way in ways:
        if row := resting.get(way.name):
            said.append(f"{way.name} rests until {_at(row.open_until or now)}: {row.detail}")
        elif pacing.left_today(way) == 0:
            said.append(f"{way.name} has had its number of today")
        else:
            return ""
    return "; ".join(said)


def _nobody_due(now: datetime) -> str:
    readers = selectors.mailable_subscribers().filter(slot__isnull=False)
    if not readers.exists():
        return "there are no readers"
    if selectors.due_slots(now).exists():
        return "who is due waits until the week is closed"
    next_at = Slot.objects.filter(next_digest_at__gt=now).aggregate(at=Min("next_digest_at"))["at"]
    return (
        f"nobody's hour has come; the next one is on {_at(next_at)}" if next_at else "nobody is due"
    )


def _at(moment: datetime) -> str:
    return date_format(moment, "SHORT_DATETIME_FORMAT")
