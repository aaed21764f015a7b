"""arXiv: the announcements of the day where they serve, else the API by category."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date

from digest.errors import SourceError, SourceRefusedError
from digest.records import BadEntry, PaperRecord

from . import arxiv_feed
from .http import Http

PAGE_SIZE = 200
_EMPTY_TRIES = 3
_MOST_PAGES = 100

Turn = Callable[[], AbstractContextManager[None]]
"""Held around each request: arXiv allows one connection and a request every three seconds, for
the whole installation (its API terms of use)."""


class Arxiv:
    """The papers of some categories."""

    name = "arxiv"

    def __init__(
        self,
        http: Http,
        *,
        api_url: str,
        rss_url: str,
        categories: Sequence[str],
        turn: Turn,
    ) -> None:
        self.http = http
        self.api_url = api_url.rstrip("/")
        self.rss_url = rss_url.rstrip("/")
        self.categories = tuple(categories)
        self.turn = turn

    def fetch(self, day: date) -> Iterator[PaperRecord | BadEntry]:
        """See `Source.fetch`. The day's announcements in one request, where the feed is of that
        day; else the papers submitted on it, from the API, page by page."""
        if not self.categories:
            return
        announced = self._announced(day)
        if announced is not None:
            yield from arxiv_feed.parse_whole(announced, day)
            return
        yield from self._submitted(day)

    def _announced(self, day: date) -> arxiv_feed.Feed | None:
        """The announcements, or None where they are of another day or can't be had."""
        try:
            body = self._get(f"{self.rss_url}/rss/{'+'.join(self.categories)}")
            feed = arxiv_feed.read(body)
        except (SourceError, SourceRefusedError):
            return None
        return feed if feed.day == day else None

    def _submitted(self, day: date) -> Iterator[PaperRecord | BadEntry]:
        seen: set[str] = set()
        start = 0
        for _ in range(_MOST_PAGES):
            feed = self._page(day, start)
            fresh = [record for record in arxiv_feed.parse(feed, day) if _key(record) not in seen]
            seen.update(map(_key, fresh))
            yield from fresh
            if feed.error:
                raise SourceError(f"{feed.error}; {len(fresh)} entries before that were taken")
            start += len(feed.entries)
            # A server that ignores `start` would send the same page for ever.
            if not fresh or start >= (feed.total or 0):
                return

    def _page(self, day: date, start: int) -> arxiv_feed.Feed:
        stamp = f"{day:%Y%m%d}"
        wanted = " OR ".join(f"cat:{category}" for category in self.categories)
        params: dict[str, str | int] = {
            "search_query": f"({wanted}) AND submittedDate:[{stamp}0000 TO {stamp}2359]",
            "sortBy": "submittedDate",
            "sortOrder": "ascending",
            "start": start,
            "max_results": PAGE_SIZE,
        }
        for _ in range(_EMPTY_TRIES):
            feed = _read(self._get_partial(f"{self.api_url}/api/query", params))
            # The API now and then answers a good query with an empty page.
            if feed.entries or feed.error or (feed.total or 0) <= start:
                return feed
        raise SourceError(f"arXiv: an empty page although it counts {feed.total} papers")

    def _get(self, url: str, params: dict[str, str | int] | None = None) -> bytes:
        with self.turn():
            return self.http.get(url, params)

    def _get_partial(self, url: str, params: dict[str, str | int]) -> tuple[bytes, str]:
        """The body, and why it is not whole."""
        try:
            return self._get(url, params), ""
        except SourceError as error:
            if not error.partial:
                raise
            return error.partial, str(error)


def _read(body: tuple[bytes, str]) -> arxiv_feed.Feed:
    feed = arxiv_feed.read(body[0])
    if body[1]:
        feed.error = body[1]
    return feed


def _key(record: PaperRecord | BadEntry) -> str:
    return record.arxiv_id if isinstance(record, PaperRecord) else record.entry_id
