"""After a restore: what the database no longer knows may have been done since it was saved.

A backup is a while old, and meanwhile digests went out. What it calls pending may have been sent, and
who was due after it may have had their digest. All of that is put in doubt, as after a silence of the
provider: nothing of it is sent until the operator says what became of it.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection, models, transaction
from django.db.models import Max
from django.utils import timezone

from digest.delivery import batches, notices
from digest.delivery.due import planning
from digest.editions import building
from digest.models import Batch, Delivery, Edition, Fetch, Notice
from subscriptions import services
from subscriptions.models import TransactionalMessage

logger = logging.getLogger(__name__)

State = Delivery.State
DETAIL = "restored from a backup: may have been sent since"
_KIND = "restored"
_GAP = 1_000_000_000
"""More than a backup can lack of deliveries or single mails."""
_MARGIN = 20
"""Editions more than one for each day and week: those that an operator closed by hand."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore put in doubt."""

    pending: int
    """Deliveries that waited, or were in doubt, when the backup was made."""
    due: int
    """Readers whose hour came between the backup and the end of the old database."""
    slots: int
    """Slots that were moved on without a digest, as there is no edition for them."""
    messages: int
    """Confirm and other single mails that waited, and will not be sent."""


def newest_trace() -> datetime | None:
    """When this database last noted anything of papers or digests: about when it was saved."""
    found = [
        Fetch.objects.aggregate(at=Max("started_at"))["at"],
        Delivery.objects.aggregate(at=Max("created_at"))["at"],
        Edition.objects.aggregate(at=Max("closed_at"))["at"],
    ]
    return max((at for at in found if at is not None), default=None)


def lost_days(stopped: datetime) -> list[date]:
    """The days whose lists may have been read since the backup, oldest first."""
    last, known = stopped.astimezone(UTC).date(), newest_trace()
    first = (known or stopped).astimezone(UTC).date() - timedelta(days=1)
    first = max(first, last - timedelta(days=building.CATCH_UP_DAYS))
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def settle(stopped: datetime) -> Restored | None:
    """Afterwards nothing is sent of what may have been sent until `stopped`, when the old database
    came to its end; None where that was done for this restore before.

    Runs while no worker does. It is one transaction: a kill leaves the database as restored.
    """
    with transaction.atomic():
        key = stopped.isoformat()
        if Notice.objects.filter(kind=_KIND, key=key).exists():
            return None
        # First, so that what is made anew has numbers that nothing lost ever had.
        _leave_numbers_out(stopped)
        pending = _put_in_doubt()
        # Who was due since is planned as they were then. Rows of before are in doubt by now, so
        # that none is taken for late and merged into these.
        planning.plan(stopped)
        due = _put_in_doubt() - pending
        found = Restored(pending, due, _move_on(stopped), _stop_messages())
        notices.tell(
            _KIND,
            key,
            what=f"A backup was restored; {pending + due} deliveries are in doubt since.",
            mend="See in the provider's log whom they reached, then type: manage.py "
            "settle_deliveries --taken FILE, and what is left --drop or --release",
            link="/admin/digest/batch/in-doubt/",
            level=logging.WARNING,
        )
    return found


def _put_in_doubt() -> int:
    """Returns how many deliveries are in doubt afterwards, of which nobody knows who was offered
    them: so no silence of a provider settles them (`evidence.py`)."""
    unsettled = Batch.objects.exclude(state=Batch.State.DONE)
    ids = list(unsettled.values_list("pk", flat=True))
    rows = Delivery.objects.filter(batch__in=unsettled.values("pk"), state=State.PENDING)
    rows.update(state=State.UNCERTAIN, detail=DETAIL)
    unsettled.update(
        state=Batch.State.UNCERTAIN, offered_at=None, claimed_at=timezone.now(), retry_at=None
    )
    batches.close(ids)
    doubtful = Delivery.objects.filter(batch__state=Batch.State.UNCERTAIN, state=State.UNCERTAIN)
    return doubtful.count()


def _move_on(stopped: datetime) -> int:
    """A slot without an edition to plan would else be due once papers are fetched."""
    number = 0
    for frequency in Edition.Frequency:
        newest = building.newest(frequency)
        for slot in planning.slots_due(stopped, frequency):
            number += services.advance(slot, stopped, ended_on=newest.date if newest else None)
    return number


def _stop_messages() -> int:
    states = TransactionalMessage.State
    waiting = TransactionalMessage.objects.filter(state__in=[states.PENDING, states.CLAIMED])
    return waiting.update(state=states.UNCERTAIN, address="")


def _leave_numbers_out(stopped: datetime) -> None:
    """Providers and readers hold numbers of rows that are lost, and may come back with them.

    Editions get no more than they need: their numbers are a part of their batches', and say which
    partition their deliveries are in.
    """
    days = (stopped - (newest_trace() or stopped)).days
    _skip(Edition, 2 * max(days, 0) + _MARGIN)
    _skip(Delivery, _GAP)
    _skip(TransactionalMessage, _GAP)


def _skip(model: type[models.Model], number: int) -> None:
    table = model._meta.db_table  # noqa: SLF001  documented for all to use
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [number, table]
            )
            return
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        (sequence,) = cursor.fetchone()
        cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, number])
