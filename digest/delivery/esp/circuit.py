"""Which providers may be called now: not one that is down, refuses our key, asks for patience, has
had its number of today or is paused by an operator. Shared by all workers, on all machines.

A sender asks `available` before it claims, `admit` before each call, and hands the answer to
`report`. A process believes what it read for a second, so that none of them costs much.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.utils import timezone

from digest.delivery import notices
from digest.models import Circuit
from digest.records import Result

from . import pacing, plans
from .answers import Answer
from .providers import Provider

logger = logging.getLogger(__name__)

MOST_FAILURES = 3
"""In a row: then nobody calls for a while."""
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=15)
SETTINGS_REST = timedelta(minutes=5)
"""How long a provider that refuses us rests: only the operator can mend it, and may do so soon."""
TRIAL = timedelta(minutes=3)
"""Longer than a turn and a call take; then another worker may try."""
KNOWN_FOR = timedelta(seconds=1)

# In the words of answers.py: it is about our key, account or settings, not about readers.
_REFUSES_US = re.compile(
    r"check the key|SMTPAuthenticationError|SMTP 53[0458]\b|SettingsError|ImproperlyConfigured"
    r"|CredentialsError|CredentialRetrievalError"
)
_ASKS_FOR_PATIENCE = re.compile(r"HTTP (429|503)\b|TooManyRequests|LimitExceeded|Throttling")


class _Known:
    """What this process read of the circuits, and when; and the trials that are its own."""

    rows: dict[str, Circuit] = {}
    read_at: datetime | None = None
    trials: dict[str, datetime] = {}


def forget() -> None:
    """Afterwards the circuits are read anew; trials of this process are somebody else's."""
    _Known.rows, _Known.read_at, _Known.trials = {}, None, {}


def is_closed(provider: Provider) -> bool:
    """Whether the provider works as far as anybody knows."""
    row = _row(provider.name)
    return row is None or row.open_until is None


def available(ways: Iterable[Provider]) -> list[Provider]:
    """Those of the providers that may be offered digests now, in their order.

    None where others have booked the first one's turns of the next minute: then nothing is to be
    claimed either. Where a provider's rest is over, one worker gets it, to try with one call.
    """
    pacing.write_counts()
    working = [way for way in ways if not plans.of(way.name).is_paused]
    found = [way for way in working if pacing.left_today(way) != 0 and _is_open_to_us(way.name)]
    return [] if found and pacing.is_crowded(found[0]) else found


def admit(provider: Provider, messages: int) -> bool:
    """Returns when a call with that many messages may be made, which are counted by then.

    False, mostly at once, where the provider is not available any more: it must not be called.
    """
    if not _may_call(provider.name) or not pacing.book(provider, messages):
        return False
    # Its turn may have been a while in coming.
    if _may_call(provider.name):
        _Known.trials.pop(provider.name, None)
        return True
    pacing.count(provider, -messages)
    return False


def report(provider: Provider, answer: Answer, *, messages: int) -> None:
    """Takes the provider's answer to a call; what it surely did not take counts no more.

    A silence is a failure like any other: one more call would put more readers in doubt. A
    database that is away raises nothing, or what the provider said of the readers would be lost.
    """
    try:
        if answer.result in (Result.FAILED, Result.DEFERRED):
            pacing.count(provider, -messages)
        if answer.is_provider_down or answer.result is Result.UNCERTAIN:
            _note_failure(provider.name, answer)
        else:
            note_success(provider.name)
    except (OperationalError, InterfaceError):
        logger.warning("database is away, a provider's answer is forgotten")


def note_success(name: str) -> None:
    """Afterwards it is closed, if this was its trial, and has not failed in a row."""
    row = _row(name)
    if row is None or not (row.failures or row.is_on_trial):
        return
    worked = Circuit.objects.filter(Q(open_until__isnull=True) | Q(is_on_trial=True), name=name)
    worked.update(
        failures=0, failed_at=None, openings=0, open_until=None, is_on_trial=False, detail=""
    )
    _Known.read_at = None
    if row.is_on_trial:
        logger.info("provider works again", extra={"provider": name})


def note_failure(name: str, *, detail: str) -> int:
    """Counts one more failure of what is closed; returns how many there are in a row."""
    Circuit.objects.get_or_create(name=name)
    closed = Circuit.objects.filter(name=name, open_until__isnull=True)
    closed.filter(failures=0).update(failed_at=timezone.now())
    closed.update(failures=F("failures") + 1, detail=detail[:200])
    _Known.read_at = None
    return Circuit.objects.get(name=name).failures


def _note_failure(name: str, answer: Answer) -> None:
    failures = note_failure(name, detail=answer.detail)
    row = _row(name)
    refuses_us = bool(_REFUSES_US.search(answer.detail))
    is_urgent = refuses_us or answer.retry_after or _ASKS_FOR_PATIENCE.search(answer.detail)
    if row is None or not (is_urgent or row.is_on_trial or failures >= MOST_FAILURES):
        return
    rest = min(FIRST_REST * 2 ** min(row.openings, 10), LONGEST_REST)
    if refuses_us:
        rest = SETTINGS_REST
    elif answer.retry_after:
        rest = timedelta(seconds=answer.retry_after)
    _open(name, rest, answer.detail)
    if refuses_us:
        _tell_of_settings(name, answer.detail)


def _open(name: str, rest: timedelta, detail: str) -> None:
    """Of many workers whose calls fail at the same time, the first one says for how long."""
    free = Circuit.objects.filter(Q(open_until__isnull=True) | Q(is_on_trial=True), name=name)
    opened = free.update(
        open_until=timezone.now() + rest,
        openings=F("openings") + 1,
        failures=0,
        failed_at=None,
        is_on_trial=False,
        detail=detail[:200],
    )
    _Known.read_at = None
    if opened:
        logger.warning(
            "provider rests",
            extra={"provider": name, "seconds": int(rest.total_seconds()), "detail": detail},
        )


def _tell_of_settings(name: str, detail: str) -> None:
    notices.tell(
        "provider_settings",
        f"{name} {pacing.today()}",
        what=f"{name} refuses our key or account ({detail}). No reader is lost: another provider takes them, or they wait.",
        mend="Put the provider's settings right, restart the workers, and type: manage.py check",
        link="/admin/digest/providerplan/",
    )


def _row(name: str) -> Circuit | None:
    now = timezone.now()
    if _Known.read_at is None or abs(now - _Known.read_at) > KNOWN_FOR:
        _Known.rows = {row.name: row for row in Circuit.objects.all()}
        _Known.read_at = now
    return _Known.rows.get(name)


def _is_open_to_us(name: str) -> bool:
    """Whether it is closed, or on a trial of this process; takes the trial where it is free."""
    row = _row(name)
    if row is None or row.open_until is None:
        return True
    now = timezone.now()
    if row.open_until > now:
        return _Known.trials.get(name) == row.open_until
    ends_at = now + TRIAL
    mine = Circuit.objects.filter(name=name, open_until=row.open_until)
    taken = bool(mine.update(open_until=ends_at, is_on_trial=True))
    _Known.read_at = None
    if taken:
        _Known.trials[name] = ends_at
    return taken


def _may_call(name: str) -> bool:
    if plans.of(name).is_paused:
        return False
    row = _row(name)
    if row is None or row.open_until is None:
        return True
    return _Known.trials.get(name) == row.open_until


def resting(ways: Sequence[Provider], moment: datetime) -> list[Circuit]:
    """The circuits of those that nobody may call at the moment, by what is known now. A rest that is
    over is none, though nobody has tried since."""
    names = [way.name for way in ways]
    return list(Circuit.objects.filter(name__in=names, open_until__gt=moment).order_by("name"))
