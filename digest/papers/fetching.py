"""Reads the lists of a day from the configured sources into the archive, and keeps a record."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.db import connection
from django.utils import timezone

from digest.errors import DigestError
from digest.models import Fetch
from digest.records import FetchCounts, PaperRecord

from . import ingest, lease, trending
from .sources.arxiv import Arxiv
from .sources.base import Source, one_line
from .sources.http import Http
from .sources.hugging_face import HuggingFace

logger = logging.getLogger(__name__)

ARXIV_PAUSE = timedelta(seconds=3)
SOURCES = ("hugging_face", "arxiv")
_NAMES = {"hugging_face": "Hugging Face Daily Papers", "arxiv": "arXiv"}
_VOTES_MOVE = frozenset({"hugging_face"})


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """What one source brought."""

    counts: FetchCounts
    error: str = ""
    """One line for an operator; empty when the list was read to its end."""


def name_of(source: str) -> str:
    """The source as people call it."""
    return _NAMES.get(source, source)


def _user_agent() -> str:
    contact = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return f"DailyPapers/1.0 ({settings.SITE_URL}; mailto:{contact})"


def _hugging_face() -> HuggingFace:
    return HuggingFace(Http("Hugging Face", _user_agent()), url=settings.HUGGING_FACE_URL)


def _arxiv() -> Source:
    return Arxiv(
        Http("arXiv", _user_agent()),
        api_url=settings.ARXIV_API_URL,
        rss_url=settings.ARXIV_RSS_URL,
        categories=settings.ARXIV_CATEGORIES,
        turn=_arxiv_turn,
    )


def _arxiv_turn() -> AbstractContextManager[None]:
    return lease.turn("arxiv", pause=ARXIV_PAUSE)


_MAKERS: dict[str, Callable[[], Source]] = {"hugging_face": _hugging_face, "arxiv": _arxiv}


def fetch(day: date, *, source_names: Sequence[str]) -> dict[str, FetchOutcome]:
    """Afterwards the archive holds what each source lists on the day; the outcome by source.

    A source that fails, in whatever way, stops no other, keeps what it got, and is completed by
    the next fetch.
    """
    return {name: _fetch_one(name, day) for name in source_names}


def _fetch_one(name: str, day: date) -> FetchOutcome:
    row = Fetch.objects.create(source=name, day=day, started_at=timezone.now())
    counts = FetchCounts()
    error = _store(name, day, counts)
    Fetch.objects.filter(pk=row.pk).update(
        finished_at=timezone.now(), error=error, **asdict(counts)
    )
    log = logger.warning if error else logger.info
    log(
        "source fetched",
        extra={
            "source": name,
            "day": day,
            **asdict(counts),
            **({"error": error} if error else {}),
        },
    )
    return FetchOutcome(counts, error)


def _store(name: str, day: date, counts: FetchCounts) -> str:
    """Stores what the source lists; returns why not all of it, "" if it is all."""
    try:
        ingest.store(_MAKERS[name]().fetch(day), source=name, counts=counts)
    except DigestError as failure:
        return one_line(str(failure))[:500]
    except Exception as failure:
        # One source failing never stops the other, so its mistakes end here, as its error.
        logger.exception("source failed unexpectedly", extra={"source": name, "day": day})
        # A connection that broke would fail the next source, too.
        if not connection.is_usable():
            connection.close()
        return f"unexpected: {type(failure).__name__}"
    return ""


def fetch_trending() -> None:
    """Afterwards the archive knows what is trending now: by votes alone, and the source's order of
    before, where that can't be read."""
    _rank_trending()
    trending.warm(timezone.now())


def _rank_trending() -> None:
    if HuggingFace.name not in settings.PAPER_SOURCES:
        return
    try:
        entries = list(_hugging_face().fetch_trending())
    except DigestError as error:
        logger.warning("trending papers not fetched", extra={"error": str(error)})
        return
    ingest.store(entries, source=HuggingFace.name)
    ingest.rank_trending([e.arxiv_id for e in entries if isinstance(e, PaperRecord)])


def fetch_recent(now: datetime) -> None:
    """Today's lists, what is trending, yesterday's lists where votes still move or they were never
    read whole, and that of one of the days before, in turn, on which papers may begin to trend."""
    today = now.date()
    yesterday = today - timedelta(days=1)
    names = settings.PAPER_SOURCES
    # A list may grow until its day is over: arXiv announces hours into the day, and by its API the
    # index may lag. So only a clean fetch that began afterwards shows that it was read whole.
    over_at = datetime.combine(today, time.min, tzinfo=UTC)
    whole = set(
        Fetch.objects.filter(
            day=yesterday, error="", finished_at__isnull=False, started_at__gte=over_at
        ).values_list("source", flat=True)
    )
    open_names = [name for name in names if name in _VOTES_MOVE or name not in whole]
    fetch(yesterday, source_names=open_names)
    fetch(today, source_names=names)
    earlier = today - timedelta(days=2 + now.hour % (trending.DAYS - 2))
    fetch(earlier, source_names=[name for name in names if name in _VOTES_MOVE])
    fetch_trending()


def forget(limit: datetime) -> int:
    """Afterwards no record of a fetch is from before; how many were."""
    return Fetch.objects.filter(started_at__lt=limit).delete()[0]
