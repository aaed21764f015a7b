"""arXiv: the announcements of the day where they serve, else the API by category."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta

from digest.errors import SourceError, SourceRefusedError
from digest.records import BadEntry, PaperRecord

from . import arxiv_feed
from .http import Http

PAGE_SIZE = 200
_EMPTY_TRIES = 3
_MOST_PAGES = 100
_SATURDAY = 5

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
        day; else the papers submitted for them, from the API, page by page. Weekends have none."""
        if not self.categories or day.weekday() >= _SATURDAY:
            return
        announced, failure = self._announced(day)
        if announced is not None:
            yield from arxiv_feed.parse_whole(announced, day)
            return
        number = 0
        for number, record in enumerate(self._submitted(day), start=1):  # noqa: B007
            yield record
        # An API without papers is an answer only beside announcements that could be read: its
        # index lags behind them at times.
        if failure and not number:
            raise SourceError(f"{failure}; the API has no papers of the day either")

    def _announced(self, day: date) -> tuple[arxiv_feed.Feed | None, str]:
        """The announcements, or None where they are of another day or can't be had, and why."""
        try:
            body = self._get(f"{self.rss_url}/rss/{'+'.join(self.categories)}")
            feed = arxiv_feed.read(body)
        except (SourceError, SourceRefusedError) as error:
            return None, str(error)
        if feed.day == day and feed.entries:
            return feed, ""
        return None, feed.error

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
        first, last = _submission_window(day)
        span = f"[{first:%Y%m%d%H%M} TO {last:%Y%m%d%H%M}]"
        wanted = " OR ".join(f"cat:{category}" for category in self.categories)
        params: dict[str, str | int] = {
            "search_query": f"({wanted}) AND submittedDate:{span}",
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


def _submission_window(day: date) -> tuple[datetime, datetime]:
    """When (UTC) the papers that arXiv announces on `day`, a working day, were submitted.

    What comes in until 14:00 Eastern is announced on the next working day
    (info.arxiv.org/help/availability.html). That is 18:00 UTC in summer and 19:00 in winter: the
    windows of two days overlap by that hour, so that no paper falls between them.
    """
    last = _working_day_before(day)
    first = _working_day_before(last)
    return datetime.combine(first, time(18)), datetime.combine(last, time(19))


def _working_day_before(day: date) -> date:
    return day - timedelta(days=1 if day.weekday() else 3)


def _read(body: tuple[bytes, str]) -> arxiv_feed.Feed:
    feed = arxiv_feed.read(body[0])
    if body[1]:
        feed.error = body[1]
    return feed


def _key(record: PaperRecord | BadEntry) -> str:
    return record.arxiv_id if isinstance(record, PaperRecord) else record.entry_id
