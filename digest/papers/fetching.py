"""Reads the lists of a day from the configured sources into the archive, and keeps a record."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.utils import timezone

from digest.errors import DigestError
from digest.models import Fetch
from digest.records import FetchCounts, PaperRecord

from . import ingest, lease
from .sources.arxiv import Arxiv
from .sources.base import Source
from .sources.http import Http
from .sources.hugging_face import HuggingFace

logger = logging.getLogger(__name__)

ARXIV_PAUSE = timedelta(seconds=3)
SOURCES = ("hugging_face", "arxiv")
_VOTES_MOVE = frozenset({"hugging_face"})


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """What one source brought."""

    counts: FetchCounts
    error: str = ""
    """One line for an operator; empty when the list was read to its end."""


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

    A source that fails stops no other, keeps what it got, and is completed by the next fetch.
    """
    return {name: _fetch_one(_MAKERS[name](), day) for name in source_names}


def _fetch_one(source: Source, day: date) -> FetchOutcome:
    row = Fetch.objects.create(source=source.name, day=day, started_at=timezone.now())
    counts, error = FetchCounts(), ""
    try:
        ingest.store(source.fetch(day), source=source.name, counts=counts)
    except DigestError as failure:
        error = " ".join(str(failure).split())[:500]
    Fetch.objects.filter(pk=row.pk).update(
        finished_at=timezone.now(), error=error, **asdict(counts)
    )
    log = logger.warning if error else logger.info
    log(
        "source fetched",
        extra={
            "source": source.name,
            "day": day,
            **asdict(counts),
            **({"error": error} if error else {}),
        },
    )
    return FetchOutcome(counts, error)


def fetch_trending() -> None:
    """Afterwards the archive knows what is trending now; when that can't be read, all stays."""
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
    """Today's lists, what is trending, and yesterday's lists where votes still move or they were
    never read whole."""
    today = now.date()
    yesterday = today - timedelta(days=1)
    names = settings.PAPER_SOURCES
    whole = set(
        Fetch.objects.filter(
            day=yesterday, error="", finished_at__isnull=False, started_at__date__gte=yesterday
        ).values_list("source", flat=True)
    )
    open_names = [name for name in names if name in _VOTES_MOVE or name not in whole]
    fetch(yesterday, source_names=open_names)
    fetch(today, source_names=names)
    fetch_trending()
