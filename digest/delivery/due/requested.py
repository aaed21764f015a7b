"""The digest that a reader asked for just now, beside those that come by themselves."""

from django.db import transaction
from django.utils import timezone

from digest.delivery import batches
from digest.editions import audiences, building
from digest.models import Audience, Batch, Delivery, Edition
from subscriptions import selectors, services
from subscriptions.models import Subscriber

from . import apart, planning

State = Delivery.State
Reason = Delivery.Reason


def plan(subscriber: Subscriber) -> Delivery | None:
    """The reader asked for today's digest: afterwards it is pending, unless they had it already.

    A pause does not hold it back, nor a delivery that was skipped before. Where nothing in the
    edition is for them, the answer says so and is not stored: they may choose other topics and
    ask again. None when no edition is closed yet.
    """
    edition = building.newest(Edition.Frequency.DAILY)
    if edition is None:
        return None
    # Before the edition is locked, as a month takes long to pick from.
    _audience(edition, subscriber)
    asked = selectors.with_suppression(Subscriber.objects.filter(pk=subscriber.pk))
    with transaction.atomic():
        locked = Edition.objects.select_for_update().get(pk=edition.pk)
        reader = asked.select_for_update(of=("self",)).first()
        if reader is None:
            return None
        audience = _audience(edition, reader)
        row = Delivery(edition=edition, subscriber=reader, audience=audience)
        if reader.is_suppressed:
            row.state = State.SUPPRESSED
        elif not audience.paper_count:
            row.state, row.reason = State.SKIPPED, Reason.NOTHING_NEW
        mine = Delivery.objects.filter(edition=edition, subscriber=reader)
        old = mine.first()
        if row.state == State.PENDING and (old is None or old.state == State.SKIPPED):
            row.batch = Batch.objects.create(
                pk=batches.first_id(locked), edition=edition, audience=audience, size=1
            )
            batches.count_up(edition, deliveries=0 if old else 1, batches=1)
            if old is None:
                row.save()
            else:
                mine.update(state=State.PENDING, reason="", audience=audience, batch=row.batch)
            services.note_requested(reader, timezone.now().date())
        # What was skipped before says why it was then; the row says how it is now.
        return mine.exclude(state=State.SKIPPED).first() or row


def _audience(edition: Edition, reader: Subscriber) -> Audience:
    """That of the reader: a month's or a week's reader gets what the month or the week has brought
    so far; nobody gets what was sent before."""
    since = planning.since_of(reader.slot, edition) if reader.slot else None
    first = apart.looks_back_to(reader, edition, since)
    if first is not None or reader.changed_on is not None:
        return apart.audience_of(edition, reader, first)
    return audiences.of_selection(edition, reader.selection_key)
