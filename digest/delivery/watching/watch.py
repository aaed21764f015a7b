"""Looks after the sends: holds an edition when mailbox providers would mind or all goes wrong, and
tells the operator of what is late, in doubt or does not add up. Limits: EMAIL_STANDARDS section 3.

What counts towards a hold was offered since the edition's last hold, so that who releases it is
not overruled by what they have seen.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from digest.delivery import batches, dropping, notices
from digest.delivery.esp import circuit, pacing
from digest.delivery.feedback import refusals
from digest.delivery.notices import Trouble
from digest.models import Batch, Circuit, DayCount, Delivery, Edition, Event, Notice

from . import alarms, deadman, signups, standing

logger = logging.getLogger(__name__)

MOST_COMPLAINTS = 0.003
WARN_OF_COMPLAINTS = 0.001
FEWEST_COMPLAINTS = 3
"""Fewer say nothing, however few readers there are: one reader of a hundred may press anything.
At the share of the warning a list of 1,000 gets to three by chance on one day in twelve."""
MOST_BOUNCES = 0.05
MOST_FAILURES = 0.20
FEWEST_OUTCOMES = 100
"""A share of fewer is chance."""
SAMPLE = 2000
"""How many of the newest outcomes are looked at: counting all of an edition takes too long."""
MOST_BATCHES = 500
"""In the sample."""
ERRORS_IN_A_ROW = 5
AT_ONCE = timedelta(minutes=2)
WEEK = timedelta(days=7)

_ANSWERED = [Batch.State.DONE, Batch.State.UNCERTAIN]
_HARD = frozenset({"bounced", "invalid"})


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest outcomes of an edition."""

    outcomes: int
    failed: int
    dead: int
    """Of the failed: there is no such mailbox."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What came back about an edition: readers of whom the providers reported it."""

    bounced: int
    complained: int


def check(now: datetime) -> None:
    """Afterwards what must stop is held, and the operator is told of it, once. Run every minute.

    A check that fails stops no other; the first error is raised at last. The number of queries
    depends on how many editions are being sent, not on their readers.
    """
    sending = _being_sent()
    checks: list[Callable[[], None]] = [
        *(partial(_check_edition, edition, now) for edition in sending),
        partial(_check_week, sending, now),
        partial(_check_holds, now),
        partial(_check_errors, now),
        partial(alarms.check_late, now),
        partial(alarms.check_unplanned, now),
        partial(alarms.check_stuck, now),
        partial(alarms.check_ways, sending, now),
        partial(alarms.check_ledgers, now),
        partial(refusals.check, now),
        partial(deadman.check_fetches, now),
        partial(deadman.check_papers, now),
        partial(deadman.check_editions, now),
        partial(signups.check_sign_ups, now),
        partial(standing.keep, now),
        # It may take some seconds, for which no hold waits.
        dropping.sweep,
    ]
    errors = [error for each in checks if (error := _try(each))]
    if errors:
        raise errors[0]


def _try(check: Callable[[], None]) -> Exception | None:
    try:
        check()
    except Exception as error:
        if isinstance(error, DatabaseError | InterfaceError) and not connection.is_usable():
            # None of the others could do anything, and each would wait for it.
            raise
        logger.exception("a check of the watch failed")
        return error
    return None


def hold(edition: Edition, *, because: str, now: datetime) -> bool:
    """Afterwards nothing more of the edition is claimed; False where it was held already, or called off.

    What a worker has claimed by now is still sent.
    """
    with transaction.atomic():
        free = Edition.objects.filter(pk=edition.pk, held_at__isnull=True, dropped_at__isnull=True)
        if not free.update(held_at=now, held_because=because[:200]):
            return False
        notices.begin(notices.HELD, edition.pk, _trouble(edition, because))
    return True


def _trouble(edition: Edition, because: str) -> Trouble:
    return Trouble(
        what=f"The {edition.frequency} edition {edition.name} is held: {because}.",
        mend=f"Look into it, then type: {notices.command('release_edition', edition)}",
        link=notices.page_of(edition),
    )


def release(edition: Edition, *, seen: datetime | None = None) -> bool:
    """Afterwards the edition is sent on; False where it was not held, or not by the hold that was
    seen (when it began)."""
    with transaction.atomic():
        if not dropping.held(edition, seen).update(held_at=None, held_because=""):
            return False
        Circuit.objects.filter(name=_circuit(edition.pk)).delete()
        notices.end(notices.HELD, edition.pk, now=timezone.now())
    return True


def _check_holds(now: datetime) -> None:
    """What is held and has nothing left to send, with nobody due any more, is over; it begins again
    where something is put back, as what was in doubt."""
    told = set(notices.open_notices().filter(kind=notices.HELD).values_list("key", flat=True))
    held = {str(pk) for pk in standing.held_for_now(now)}
    for key in told - held:
        notices.end(notices.HELD, key, now=now)
    for edition in Edition.objects.filter(pk__in=held - told):
        notices.begin(notices.HELD, edition.pk, _trouble(edition, edition.held_because))


def note_error(edition_id: int) -> None:
    """Counts a batch of the edition that ended in an error of our own."""
    circuit.note_failure(_circuit(edition_id), detail="an error of our own")


def _circuit(edition_id: int) -> str:
    return f"edition {edition_id}"


def _being_sent() -> list[Edition]:
    """The editions that have something left to hold or to be told of, and are not held."""
    unsettled = [Batch.State.OPEN, Batch.State.CLAIMED]
    left = Batch.objects.filter(state__in=unsettled).order_by().values("edition_id").distinct()
    return list(Edition.objects.filter(pk__in=left, held_at__isnull=True).order_by("pk"))


def _check_edition(edition: Edition, now: datetime) -> None:
    since = _last_hold(edition) or edition.closed_at
    offered = Batch.objects.filter(edition=edition, offered_at__gt=since, state__in=_ANSWERED)
    sent = offered.aggregate(number=Sum("size"))["number"] or 0
    if not sent:
        return
    sample, reports = _sample(offered), _reports(edition, since)
    if because := _why_hold(sent, sample, reports):
        hold(edition, because=because, now=now)
    elif _is_too_many(reports.complained, sent - reports.bounced, WARN_OF_COMPLAINTS):
        share = _share(reports.complained, sent - reports.bounced)
        _warn(f"edition {edition.name}", edition.name, share)


def _why_hold(sent: int, sample: Sample, reports: Reports) -> str:
    """The reason to hold, in words; "" where there is none."""
    delivered = sent - reports.bounced
    if _is_too_many(reports.complained, delivered, MOST_COMPLAINTS):
        share = _share(reports.complained, delivered)
        return f"{share:.2%} of its readers complained ({reports.complained})"
    # Who bounced at once has no event, and who has one was taken at first.
    bounces = _share(reports.bounced, sent) + _share(sample.dead, sample.outcomes)
    if sent >= FEWEST_OUTCOMES and bounces >= MOST_BOUNCES:
        return f"{bounces:.1%} of its mails bounced for good"
    if sample.outcomes >= FEWEST_OUTCOMES and sample.failed >= MOST_FAILURES * sample.outcomes:
        return f"{sample.failed} of the last {sample.outcomes} deliveries failed"
    return ""


def _last_hold(edition: Edition) -> datetime | None:
    # Up to 0.1.0 a hold was told with its time in the key.
    is_mine = Q(key=str(edition.pk)) | Q(key__startswith=f"{edition.pk} ")
    held = Notice.objects.filter(is_mine, kind=notices.HELD)
    newest: datetime | None = held.aggregate(newest=Max("created_at"))["newest"]
    return newest


def _sample(offered: QuerySet[Batch]) -> Sample:
    newest = offered.order_by("-offered_at")
    chosen: list[int] = []
    total = 0
    for batch_id, size in newest.values_list("pk", "size")[:MOST_BATCHES]:
        chosen.append(batch_id)
        total += size
        if total >= SAMPLE:
            break
    failed = Q(state=Delivery.State.FAILED) & ~Q(reason=Delivery.Reason.DROPPED)
    # answers.py: `SMTP 550 5.1.1`; of a batch, the provider's word for the one reader.
    dead = failed & (Q(detail__contains=" 5.1.") | Q(detail__in=["rejected", "invalid"]))
    found = batches.deliveries_in(chosen).aggregate(
        outcomes=Count("pk", filter=failed | Q(state=Delivery.State.SENT)),
        failed=Count("pk", filter=failed),
        dead=Count("pk", filter=dead),
    )
    return Sample(**found)


def _reports(edition: Edition, since: datetime) -> Reports:
    theirs = Delivery.objects.filter(
        pk=OuterRef("delivery_id"), edition=edition, batch__offered_at__gt=since
    )
    found = _bad_events(since).filter(Exists(theirs))
    numbers = found.aggregate(
        bounced=Count("delivery_id", filter=~_COMPLAINED, distinct=True),
        complained=Count("delivery_id", filter=_COMPLAINED, distinct=True),
    )
    return Reports(**numbers)


_COMPLAINED = Q(type="complained")


def _bad_events(since: datetime) -> QuerySet[Event]:
    """Complaints and hard bounces, whether or not their effect was applied yet."""
    events = Event.objects.filter(
        # The condition of the index, word for word.
        type__in=["bounced", "complained", "rejected"],
        received_at__gt=since,
    )
    return events.filter(_COMPLAINED | Q(reject_reason__in=_HARD))


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0


def _is_too_many(complaints: int, delivered: int, limit: float) -> bool:
    return complaints >= FEWEST_COMPLAINTS and _share(complaints, delivered) >= limit


def _check_week(sending: list[Edition], now: datetime) -> None:
    """Complaints come days after the mail, when its edition is sent: all of a week count, too.

    It holds an edition once a day: who releases it has seen it.
    """
    complained = _bad_events(now - WEEK).filter(_COMPLAINED).count()
    days = DayCount.objects.filter(day__gt=pacing.today() - WEEK)
    taken = days.aggregate(number=Sum("messages"))["number"] or 0
    share = _share(complained, taken)
    if sending and _is_too_many(complained, taken, MOST_COMPLAINTS):
        because = f"{share:.2%} of all readers of a week complained ({complained})"
        for edition in sending:
            held_at = _last_hold(edition)
            if held_at is None or held_at.astimezone(UTC).date() < pacing.today():
                hold(edition, because=because, now=now)
    elif _is_too_many(complained, taken, WARN_OF_COMPLAINTS):
        _warn("the last seven days", f"week {pacing.today()}", share)


def _warn(what: str, key: object, share: float) -> None:
    notices.tell(
        "complaints_warning",
        key,
        what=f"{share:.2%} of the readers of {what} complained; at 0.30% the send is held.",
        mend="Look at where they signed up, and into the provider's list of complaints.",
        link="/admin/digest/event/?type=complained",
        level=logging.WARNING,
    )


def _check_errors(now: datetime) -> None:
    """Batches in a row that end in an error of our own: the next one would, too."""
    for row in Circuit.objects.filter(name__startswith="edition ", failures__gt=0):
        edition_id = int(row.name.removeprefix("edition "))
        done = Batch.objects.filter(
            edition_id=edition_id,
            state=Batch.State.DONE,
            # A worker claims several batches at once, and some went well beside the one that failed.
            claimed_at__gt=(row.failed_at or now) - AT_ONCE,
        )
        if done.exists():
            row.delete()
        elif row.failures >= ERRORS_IN_A_ROW:
            because = f"{row.failures} batches in a row ended in an error of our own"
            # Its edition may be gone: then nothing is held, and it says nothing.
            for edition in Edition.objects.filter(pk=edition_id):
                hold(edition, because=because, now=now)
