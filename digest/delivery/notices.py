"""Keeps what the operator is told: an ERROR in the log at once, each once a cause.

`tell` is for what happened; `stand` for what goes on and ends, or `begin` and `end`, where it is known when
it does. `telling.py` sends it on.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from digest.models import Edition, Notice

logger = logging.getLogger(__name__)

HELD = "held"
"""The kind of the notice that lasts while the send of an edition is held; its key is the edition's."""
WELL_AFTER = timedelta(minutes=3)
"""How long it must have been well before that is believed: what comes and goes is told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong, how it is mended, and where it is seen: a page of the site, from the root on."""

    what: str
    mend: str
    link: str = ""


def tell(
    kind: str, key: object, *, what: str, mend: str, link: str = "", level: int = logging.ERROR
) -> bool:
    """Afterwards the operator was told, or is by `telling.send_waiting`; False where they had been
    before.

    No network is used here, so this may stand in a transaction and between two calls.
    """
    return _add(kind, str(key), Trouble(what=what, mend=mend, link=link), level=level)


def stand(
    kind: str, found: Mapping[str, Trouble], *, now: datetime, again: timedelta | None = None
) -> None:
    """Afterwards the open notices of the kind are those that were found, by what they are about:
    new ones are told, and what was not found for a while has ended, which is told, too.

    What lasts is in the words of now; where it lasts for `again`, it is told anew.
    """
    if again is not None:
        mine = open_notices().filter(kind=kind, key__in=[key[:60] for key in found])
        _end_silently(mine.filter(created_at__lte=now - again), now)
    for key, trouble in found.items():
        _add(kind, key, trouble, lasts=True)
    still = open_notices().filter(kind=kind)
    still.filter(key__in=[key[:60] for key in found]).update(seen_at=now)
    over = still.exclude(key__in=[key[:60] for key in found])
    for notice in over.filter(seen_at__lte=now - WELL_AFTER):
        if open_notices().filter(pk=notice.pk).update(ended_at=now):
            logger.info("operator notice ended", extra={"kind": kind, "what": notice.what})


def begin(kind: str, key: object, trouble: Trouble) -> bool:
    """Afterwards it stands until it is ended; False where it did before."""
    return _add(kind, str(key), trouble, lasts=True)


def end(kind: str, key: object, *, now: datetime) -> None:
    """Afterwards it is over. Who was told of it is told so; who was not yet hears of neither."""
    mine = open_notices().filter(kind=kind, key=str(key)[:60])
    mine.filter(mailed_at__isnull=True).update(end_mailed_at=now)
    mine.filter(posted_at__isnull=True).update(end_posted_at=now)
    if mine.update(ended_at=now):
        logger.info("operator notice ended", extra={"kind": kind, "key": str(key)})


def give_up(kind: str, *, but: Collection[str], now: datetime) -> None:
    """Afterwards notices of the kind about anything else than these are over, without a word."""
    _end_silently(open_notices().filter(kind=kind).exclude(key__in=[key[:60] for key in but]), now)


def forget(limit: datetime) -> int:
    """Afterwards there are none of before; how many there were."""
    return Notice.objects.filter(created_at__lt=limit).delete()[0]


def _end_silently(those: QuerySet[Notice], now: datetime) -> None:
    those.update(ended_at=now, end_mailed_at=now, end_posted_at=now)


def open_notices() -> QuerySet[Notice]:
    """What is wrong now."""
    return Notice.objects.filter(lasts=True, ended_at__isnull=True)


def _add(
    kind: str, key: str, trouble: Trouble, *, lasts: bool = False, level: int = logging.ERROR
) -> bool:
    now = timezone.now()
    words = {"what": _line(trouble.what), "mend": _line(trouble.mend), "link": trouble.link}
    notice, is_new = Notice.objects.get_or_create(
        kind=kind,
        key=key[:60],
        ended_at=None,
        defaults={
            **words,
            "lasts": lasts,
            "created_at": now,
            "seen_at": now if lasts else None,
        },
    )
    if is_new:
        beside = {"kind": kind, "what": trouble.what, "mend": trouble.mend}
        logger.log(level, "operator notice", extra=beside)
    elif lasts and notice.what != words["what"]:
        Notice.objects.filter(pk=notice.pk).update(**words)
    return is_new


def _line(text: str) -> str:
    """One, however many it was: what a provider said may have several."""
    return " ".join(text.split())[:300]


def command(name: str, edition: Edition) -> str:
    """What to type for an edition."""
    frequency = "" if edition.frequency == Edition.Frequency.DAILY else " --frequency weekly"
    return f"manage.py {name} --date {edition.date}{frequency}"


def page_of(edition: Edition) -> str:
    """Where the operator sees the edition. Not by `reverse`, which loads every view, and with them
    a client library of every provider, into workers that serve none."""
    return f"/admin/digest/edition/{edition.pk}/change/"
