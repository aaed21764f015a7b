"""Hugging Face Daily Papers: the JSON API of a day, and the web page where the API fails."""

import json
import re
from collections.abc import Iterator
from datetime import date
from http import HTTPStatus
from typing import Any

from digest.errors import RetryLaterError, SourceError, SourceRefusedError
from digest.records import BadEntry, PaperRecord

from . import base
from .http import Http

PAGE_SIZE = 100
_MOST_PAGES = 50
# Not by a tree: the parser of HTML takes a time that grows with the square of a tag's attributes.
# Text of papers has no `<` in the page, and no quote in an attribute, so that none looks like this.
_PROPS = re.compile(
    rb'<div\s[^<>]{0,200}?\bdata-target="DailyPapers"\s{1,9}data-props="(?P<props>[^"]*)"'
)
_ESCAPES = (
    ("&quot;", '"'),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
)
"""What a page writes for these signs. `&` is the last: what it then makes is no escape."""


class HuggingFace:
    """The list of a day at `url`, paged until a short page: the default of 50 cuts days."""

    name = "hugging_face"

    def __init__(self, http: Http, *, url: str) -> None:
        self.http = http
        self.url = url.rstrip("/")

    def fetch(self, day: date) -> Iterator[PaperRecord | BadEntry]:
        """See `Source.fetch`. The list day is the one asked for, whatever `publishedAt` says.

        Where the API fails, the rest of the day comes from the web page. Raises SourceRefusedError
        for a day that is not out yet, RetryLaterError where the source asks for patience.
        """
        seen: set[str] = set()
        try:
            yield from self._api(seen, day, date=day.isoformat())
        except RetryLaterError:
            # The page is on the same host: it is asked no sooner than the API.
            raise
        except (SourceError, SourceRefusedError) as error:
            if isinstance(error, SourceRefusedError) and error.status == HTTPStatus.BAD_REQUEST:
                raise SourceRefusedError(f"{error}; is {day} in the future?") from error
            yield from self._page(seen, day, error)

    def fetch_trending(self) -> Iterator[PaperRecord | BadEntry]:
        """What is trending now, in its order; these papers need not stand on any day's list."""
        yield from self._api(set(), None, most_pages=1, sort="trending")

    def _api(
        self, seen: set[str], day: date | None, *, most_pages: int = _MOST_PAGES, **query: str
    ) -> Iterator[PaperRecord | BadEntry]:
        for number in range(most_pages):
            params: dict[str, str | int] = {**query, "limit": PAGE_SIZE, "p": number}
            entries = entries_of(self.http.get(f"{self.url}/api/daily_papers", params))
            before = len(seen)
            yield from parse(entries, day, seen)
            # A server that ignores `p` would send the same page for ever.
            if len(entries) < PAGE_SIZE or len(seen) == before:
                return

    def _page(
        self, seen: set[str], day: date, error: SourceError | SourceRefusedError
    ) -> Iterator[PaperRecord | BadEntry]:
        try:
            body = self.http.get(f"{self.url}/papers", {"date": day.isoformat()})
            entries = entries_of_page(body, day)
        except (SourceError, SourceRefusedError) as second:
            raise SourceError(f"{error}; the web page too: {second}") from second
        yield from parse(entries, day, seen)


def _loaded(text: str) -> Any:
    """The JSON; SourceError where it holds too much. Counted before it is made: three bytes of text
    would be two hundred of memory."""
    if sum(map(text.count, "{[,")) > base.MOST_NODES:
        raise SourceError(f"Hugging Face: more than {base.MOST_NODES:,} values, lists and objects")
    return json.loads(text)


def entries_of(body: bytes) -> list[Any]:
    """The entries of a list, or the one paper of `/api/papers/<id>`; SourceError for all else."""
    try:
        data = _loaded(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        kind = "a web page" if body.lstrip()[:1] == b"<" else "broken JSON"
        raise SourceError(f"Hugging Face: {kind} instead of a list of papers") from error
    if isinstance(data, dict) and isinstance(data.get("error"), str):
        said = base.one_line(data["error"])[:200]
        raise SourceError(f"Hugging Face: answers with an error: {said}")
    if isinstance(data, dict) and "id" in data:
        return [data]
    if not isinstance(data, list):
        raise SourceError(f"Hugging Face: {type(data).__name__} instead of a list")
    return data


def entries_of_page(body: bytes, day: date | None) -> list[Any]:
    """The entries of the web page, of the day where one is given; SourceError when it is not that."""
    for match in _PROPS.finditer(body):
        try:
            data = _loaded(_unescaped(match["props"].decode()))
            entries, shown = data["dailyPapers"], str(data["date"])[:10]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceError("Hugging Face: the web page has changed its form") from error
        if day is not None and shown != day.isoformat():
            raise SourceError(f"Hugging Face: the web page shows {shown[:10]}, not {day}")
        if isinstance(entries, list):
            return entries
    raise SourceError("Hugging Face: the web page holds no list of papers")


def _unescaped(text: str) -> str:
    # html.unescape knows two thousand more, and holds every piece between two of them by itself.
    for escape, sign in _ESCAPES:
        text = text.replace(escape, sign)
    return text


def parse(entries: list[Any], day: date | None, seen: set[str]) -> Iterator[PaperRecord | BadEntry]:
    """The records of a list, each id once; what can't be read comes as BadEntry."""
    for number, entry in enumerate(entries, start=1):
        try:
            record = parse_entry(entry, day)
        except base.EntryError as error:
            yield BadEntry(_name(entry, number), str(error))
            continue
        if record.arxiv_id not in seen:
            seen.add(record.arxiv_id)
            yield record


def _name(entry: object, number: int) -> str:
    paper = entry.get("paper") if isinstance(entry, dict) else None
    given = paper.get("id") if isinstance(paper, dict) else None
    return base.one_line(given)[:40] if isinstance(given, str) else f"#{number}"


def parse_entry(entry: object, day: date | None) -> PaperRecord:
    """One entry of a list, or the bare paper of `/api/papers/<id>`; EntryError when it is bad."""
    if not isinstance(entry, dict):
        raise base.EntryError(f"{type(entry).__name__} where a paper belongs")
    paper = entry.get("paper", entry)
    if not isinstance(paper, dict):
        raise base.EntryError(f"{type(paper).__name__} where a paper belongs")
    arxiv_id, version = base.arxiv_id(paper.get("id"))
    authors = paper.get("authors")
    if not isinstance(authors, list):
        raise base.EntryError("no list of authors")
    organization = paper.get("organization") or entry.get("organization")
    discussion = f"https://huggingface.co/papers/{arxiv_id}" if paper.get("discussionId") else ""
    return PaperRecord(
        arxiv_id=arxiv_id,
        version=version,
        title=base.title(paper.get("title") or entry.get("title")),
        abstract=base.abstract(paper.get("summary")),
        authors=base.names([a.get("name") for a in authors if isinstance(a, dict)]),
        published_at=base.moment(paper.get("publishedAt")),
        listed_on=day,
        summary=_optional(paper.get("ai_summary")),
        keywords=base.strings(paper.get("ai_keywords")),
        upvotes=base.count(paper.get("upvotes")),
        comments=base.count(entry.get("numComments")),
        code_url=base.link(paper.get("githubRepo")),
        code_stars=base.count(paper.get("githubStars")),
        project_url=base.link(paper.get("projectPage")),
        discussion_url=discussion,
        organization=_organization(organization),
    )


def _optional(value: object) -> str:
    return base.one_line(value)[:1000] if isinstance(value, str) else ""


def _organization(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    return _optional(value.get("fullname") or value.get("name"))[:200]
