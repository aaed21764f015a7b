"""What `manage.py watch` does each minute, without beat and broker: it looks at everything, tells the
operator of what is wrong, and calls HEARTBEAT_URL, so that somebody else notices when it is silent.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import requests
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from digest.delivery import notices
from digest.delivery.notices import Trouble

from . import signs, telling, watch

logger = logging.getLogger(__name__)

DATABASE_AWAY = Trouble(
    what="The database can't be used: no page, no sign-up and no digest works.",
    mend="Start it, look at its disk and at DATABASE_URL. Type: manage.py check --database default",
)
ROUNDS_AWAY = 2
"""In a row, before it is told: a part that is started again is away for a moment."""
LEAST_FREE = 0.05
HEARTBEAT_TIMEOUT = 10


@dataclass
class Vigil:
    """What the process knows of the rounds before this one."""

    since: datetime
    """When it began to look for signs of life."""
    away: Counter[str] = field(default_factory=Counter)
    """For how many rounds in a row a part did not answer."""
    seen: dict[str, datetime] = field(default_factory=dict)
    """The newest signs of life: a cache that was emptied has none."""
    called_at: datetime | None = None
    """When the heartbeat was called, and what it was told."""
    called_with: str = ""
    is_database_told: bool | None = None
    """That it is away; null before the first look into the file that says so."""


def look(vigil: Vigil, now: datetime) -> list[str]:
    """One round; returns what is wrong, a line each. Nothing is raised: the next round looks again."""
    try:
        wrong = _look(vigil, now)
    except Exception as error:
        # Whatever it is, the next round must come, and the heartbeat must not say that all is well.
        logger.exception("the watch failed")
        wrong = [f"The watch itself failed: {type(error).__name__}; its log says why."]
    _call_heartbeat(vigil, now, wrong)
    return wrong


def _look(vigil: Vigil, now: datetime) -> list[str]:
    try:
        _watch(vigil, now)
        wrong = _wrong()
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the watch can't use the database", extra={"error": type(error).__name__})
        return [_note_database(vigil, now, is_away=True)]
    _note_database(vigil, now, is_away=False)
    return wrong


def _watch(vigil: Vigil, now: datetime) -> None:
    try:
        _check_parts(vigil, now)
    finally:
        # What is known already is told, whatever failed.
        try:
            watch.check(now)
        finally:
            telling.send_waiting(now)


def _wrong() -> list[str]:
    return list(notices.open_notices().order_by("pk").values_list("what", flat=True))


def _check_parts(vigil: Vigil, now: datetime) -> None:
    vigil.away["broker"] = 0 if signs.broker_answers() else vigil.away["broker"] + 1
    broker = Trouble(
        what="The broker (Redis) can't be reached: nothing new is fetched, planned or sent.",
        mend="Start Redis, or put REDIS_URL right. Type: manage.py check, redis-cli ping",
    )
    is_away = vigil.away["broker"] >= ROUNDS_AWAY
    notices.stand("broker_away", {"": broker} if is_away else {}, now=now)
    free, place = signs.fullest_disk()
    disk = Trouble(
        what=f"The disk under {place} is nearly full.",
        mend=f"Make room, or give it more. Type: df -h {place}",
    )
    notices.stand("disk_full", {"": disk} if free < LEAST_FREE else {}, now=now)
    _check_signs(vigil, now)


def _check_signs(vigil: Vigil, now: datetime) -> None:
    found = None if vigil.away["broker"] else signs.seen()
    if found is None:
        # Without it neither of them can do anything, which is told already; nor at once after it.
        vigil.since = now
        return
    for key, seen_at in found.items():
        if seen_at:
            vigil.seen[key] = seen_at
    beat, worker = vigil.seen.get(signs.BEAT_SEEN), vigil.seen.get(signs.WORKER_SEEN)
    is_beat_silent = signs.is_older(beat, vigil.since, signs.BEAT_SILENCE, now)
    trouble = Trouble(
        what="Beat is silent: nothing is fetched, closed, planned or sent by itself.",
        mend="Start it: celery -A config beat (docker compose up -d beat)",
    )
    notices.stand("beat_silent", {"": trouble} if is_beat_silent else {}, now=now)
    is_worker_silent = signs.is_older(worker, vigil.since, signs.WORKER_SILENCE, now)
    trouble = Trouble(
        what="No worker takes the tasks of the queue digest: nothing is planned, no event applied.",
        mend="Start one: celery -A config worker -Q fetch,digest (docker compose up -d worker)",
    )
    is_told = is_worker_silent and not is_beat_silent
    notices.stand("worker_silent", {"": trouble} if is_told else {}, now=now)


def _note_database(vigil: Vigil, now: datetime, *, is_away: bool) -> str:
    """Tells of a database that is away, and of its return, without it. That it was told is kept in
    a file, for a watch that is started again meanwhile."""
    mark = settings.VAR_DIR / "database_away"
    trouble = DATABASE_AWAY
    vigil.away["database"] = vigil.away["database"] + 1 if is_away else 0
    if vigil.is_database_told is None:
        vigil.is_database_told = mark.exists()
    news = telling.News(kind="database_away", trouble=trouble, is_over=not is_away)
    if is_away == vigil.is_database_told or 0 < vigil.away["database"] < ROUNDS_AWAY:
        return trouble.what
    if is_away:
        logger.error("operator notice", extra={"kind": news.kind, "what": trouble.what})
    if telling.send_at_once(news):
        vigil.is_database_told = is_away
        _keep_mark(mark, now, is_away=is_away)
    return trouble.what


def _keep_mark(mark: Path, now: datetime, *, is_away: bool) -> None:
    try:
        if is_away:
            mark.write_text(now.isoformat())
        else:
            mark.unlink(missing_ok=True)
    except OSError as error:
        # A full disk takes the database away, too; this process knows by itself what it told.
        logger.warning("what was told can't be kept", extra={"error": type(error).__name__})


def _call_heartbeat(vigil: Vigil, now: datetime, wrong: list[str]) -> None:
    """While all is well HEARTBEAT_URL is called every HEARTBEAT_EVERY seconds; its `/fail` as soon as
    it is not, and as often then."""
    text = "\n".join(wrong)
    every = timedelta(seconds=settings.HEARTBEAT_EVERY)
    is_time = vigil.called_at is None or now - vigil.called_at >= every
    if not settings.HEARTBEAT_URL or not (is_time or bool(text) != bool(vigil.called_with)):
        return
    url = settings.HEARTBEAT_URL + ("/fail" if wrong else "")
    try:
        answer = requests.post(url, data=text.encode(), timeout=HEARTBEAT_TIMEOUT)
    except requests.RequestException as error:
        # Its words repeat the address, which is a secret.
        logger.warning("heartbeat not taken", extra={"error": type(error).__name__})
        return
    if not answer.ok:
        logger.warning("heartbeat not taken", extra={"status": answer.status_code})
        return
    vigil.called_at, vigil.called_with = now, text
