"""Hugging Face and arXiv on this machine: their real wire formats, made-up papers, faults on demand.

    with FakeUpstream() as upstream:
        upstream.faults["/api/daily_papers"] = [Fault(status=429, retry_after="1")]  # the next call
        upstream.bodies["/rss/"] = recorded_bytes                                    # from now on
        ...
        upstream.calls        # path, query and User-Agent of each request, and when it came

Every weekday that has begun has `PAPERS_A_DAY` papers; weekends have none; the future is refused.
"""

import gzip
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.servers import LocalServer

PAPERS_A_DAY = 12
_SATURDAY = 5


@dataclass(frozen=True)
class Fault:
    """What one request runs into instead of its answer."""

    status: int = 200
    body: bytes = b""
    retry_after: str = ""
    stall: float = 0.0
    """Seconds of silence before the answer."""
    cut_at: int = 0
    """Bytes of the real answer after which the connection ends."""
    is_gzip: bool = False
    location: str = ""


@dataclass(frozen=True)
class Call:
    path: str
    query: dict[str, str]
    user_agent: str
    at: float


def paper_id(day: date, number: int) -> str:
    return f"{day:%y%m}.{day.day * 500 + number:05}"


def title(day: date, number: int) -> str:
    return f"Paper {number} of {day}: tool use & self-evolving <agents>"


def hugging_face_entry(day: date, number: int) -> dict[str, object]:
    """An entry of `/api/daily_papers`, in the schema of 2026, with what is always there."""
    submitted = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
    stamp = f"{submitted:%Y-%m-%dT%H:%M:%S}.000Z"
    return {
        "paper": {
            "id": paper_id(day, number),
            "authors": [
                {"_id": f"{number}{n}", "name": name, "hidden": False}
                for n, name in enumerate(["Ada Lovelace", "Alan Turing", "Grace Hopper"])
            ],
            "publishedAt": stamp,
            "title": title(day, number),
            "summary": f"We measure what was\nonly guessed before, {number} times, with language agents.",
            "upvotes": 100 - number,
            "ai_summary": f"An agent that measures, number {number}.",
            "ai_keywords": ["language agents", "tool use"],
            "githubRepo": "https://github.com/example/agents",
            "githubStars": 10 + number,
        },
        "publishedAt": stamp,
        "title": title(day, number),
        "numComments": number,
    }


def day_list(day: date, count: int = PAPERS_A_DAY) -> list[dict[str, object]]:
    return [hugging_face_entry(day, number) for number in range(1, count + 1)]


def hugging_face_page(day: date, entries: list[dict[str, object]]) -> bytes:
    props = escape(json.dumps({"dailyPapers": entries, "date": f"{day}T00:00:00.000Z"}))
    return (
        "<!DOCTYPE html><html><body><main>"
        f'<div class="SVELTE_HYDRATER" data-target="DailyPapers" data-props="{props}"></div>'
        "</main></body></html>"
    ).encode()


_ATOM_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
    'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
    'xmlns:arxiv="http://arxiv.org/schemas/atom"><id>http://arxiv.org/api/made-up</id>'
    "<title>arXiv Query</title><updated>{now}</updated>"
    "<opensearch:totalResults>{total}</opensearch:totalResults>"
)


def atom_entry(day: date, number: int, version: int = 1) -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/{paper_id(day, number)}v{version}</id>"
        f"<title>{escape(title(day, number))}</title>"
        f"<published>{day}T09:00:00Z</published><updated>{day}T09:00:00Z</updated>"
        "<summary>We measure what was only guessed before.</summary>"
        "<author><name>Ada Lovelace</name></author><author><name>Alan Turing</name></author>"
        '<category term="cs.AI"/><arxiv:primary_category term="cs.AI"/></entry>'
    )


def atom(entries: list[str], *, total: int | None = None) -> bytes:
    head = _ATOM_HEAD.format(
        now=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        total=len(entries) if total is None else total,
    )
    return (head + "".join(entries) + "</feed>").encode()


def rss(day: date, numbers: range = range(1, 4), announce: str = "new") -> bytes:
    stamp = f"{datetime(day.year, day.month, day.day, tzinfo=UTC):%a, %d %b %Y} 00:00:00 -0400"
    items = "".join(
        f"<item><title>{escape(title(day, number))}</title>"
        f"<description>arXiv:{paper_id(day, number)}v1 Announce Type: {announce} \n"
        "Abstract: We measure what was only guessed before.</description>"
        f'<guid isPermaLink="false">oai:arXiv.org:{paper_id(day, number)}v1</guid>'
        f"<category>cs.AI</category><pubDate>{stamp}</pubDate>"
        f"<arxiv:announce_type>{announce}</arxiv:announce_type>"
        "<dc:creator>Ada Lovelace, Alan Turing (King's College, Cambridge)</dc:creator></item>"
        for number in numbers
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<channel><title>cs.AI</title><pubDate>{stamp}</pubDate>{items}</channel></rss>"
    ).encode()


class FakeUpstream(LocalServer):
    """Both sources; `url` is what HUGGING_FACE_URL, ARXIV_API_URL and ARXIV_RSS_URL should be."""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        """By the beginning of a path: faults of the next calls, in order."""
        self.bodies: dict[str, bytes] = {}
        """By the beginning of a path: what is answered instead of made-up papers."""
        self.lists: dict[date, list[dict[str, object]]] = {}
        """By day: Hugging Face's list instead of the made-up one."""
        self.recorded: dict[date, bytes] = {}
        """By day: Hugging Face's answer, as it was received once."""
        self.submitted: dict[date, list[str]] = {}
        """By day: the Atom entries that arXiv's API has as submitted on it, at 09:00."""
        self.trending = day_list(date(2026, 1, 5), 3)
        """Hugging Face's list of what is trending."""
        self.announced_on: date | None = None
        """The day of the announcements; None: the feed is of the day before yesterday."""
        self.calls: list[Call] = []
        super().__init__(_handler(self))

    def calls_to(self, start: str) -> list[Call]:
        return [call for call in self.calls if call.path.startswith(start)]

    def list_of(self, day: date) -> list[dict[str, object]]:
        if day in self.lists:
            return self.lists[day]
        return [] if day.weekday() >= _SATURDAY else day_list(day)

    def next_fault(self, path: str) -> Fault | None:
        with self.lock:
            for start, faults in self.faults.items():
                if path.startswith(start) and faults:
                    return faults.pop(0)
        return None

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        for start, body in self.bodies.items():
            if path.startswith(start):
                return 200, body
        if path == "/api/daily_papers":
            return self._daily_papers(query)
        if path == "/papers":
            day = date.fromisoformat(query["date"])
            return 200, hugging_face_page(day, self.list_of(day))
        if path == "/api/query":
            return 200, self._submitted(query)
        if path.startswith("/rss/"):
            return 200, rss(self.announced_on or datetime.now(UTC).date() - timedelta(days=2))
        return 404, b'{"error":"Sorry, we can\'t find the page you are looking for."}'

    def _daily_papers(self, query: dict[str, str]) -> tuple[int, bytes]:
        size, number = int(query.get("limit", "50")), int(query.get("p", "0"))
        if query.get("sort") == "trending":
            entries = self.trending
        else:
            day = date.fromisoformat(query["date"])
            if day > datetime.now(UTC).date():
                return 400, b'{"error":"Invalid date"}'
            if day in self.recorded:
                return 200, b"[]" if number else self.recorded[day]
            entries = self.list_of(day)
        return 200, json.dumps(entries[number * size : (number + 1) * size]).encode()

    def _submitted(self, query: dict[str, str]) -> bytes:
        first, last = re.findall(r"\d{12}", query["search_query"])
        entries = [
            entry
            for day, submitted in sorted(self.submitted.items())
            if first <= f"{day:%Y%m%d}0900" <= last
            for entry in submitted
        ]
        start, size = int(query["start"]), int(query["max_results"])
        return atom(entries[start : start + size], total=len(entries))


def _handler(upstream: FakeUpstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            agent = self.headers.get("User-Agent", "")
            upstream.calls.append(Call(address.path, query, agent, time.monotonic()))
            fault = upstream.next_fault(address.path)
            try:
                self._answer(address.path, query, fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _answer(self, path: str, query: dict[str, str], fault: Fault | None) -> None:
            if fault is None:
                self._send(*upstream.answer(path, query))
                return
            time.sleep(fault.stall)
            if fault.cut_at or (fault.stall and not fault.body):
                status, body = upstream.answer(path, query)
            else:
                status, body = fault.status, fault.body
            body = gzip.compress(body) if fault.is_gzip else body
            self._send(status, body, fault)

        def _send(self, status: int, body: bytes, fault: Fault | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if fault and fault.retry_after:
                self.send_header("Retry-After", fault.retry_after)
            if fault and fault.location:
                self.send_header("Location", fault.location)
            if fault and fault.is_gzip:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            cut = fault.cut_at if fault else 0
            self.wfile.write(body[:cut] if cut else body)
            self.close_connection = bool(cut)

    return Handler
