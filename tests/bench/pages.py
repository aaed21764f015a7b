"""How fast pages are with an archive of 100,000 papers: one worker of gunicorn, one client.

A page is asked for many times, as on a busy morning, when it is kept for a minute; and each time
another one, so that it is made anew. The baseline is the same worker's answer without any work.
"""

import http.client
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from urllib.parse import quote_plus

import psycopg

from tests.bench.installation import Installation, installation
from tests.flows.processes import free_port, wait_for

HEADINGS = ("what", "median ms", "p95 ms", "requests/s", "times the baseline")
ASKED = 400
QUERIES = (
    "speculative decoding", '"language model"', "diffusion -video", "author:Lovelace",
    "model", "learning", "robot OR agent", "topic:video motion", "network before:2024",
    '"large language model" reasoning', "efficient attention", "category:cs.CL retrieval",
)  # fmt: skip


def run(*, subscribers: int, papers: int = 100_000) -> Iterator[tuple[str, ...]]:
    """Rows of the table; `subscribers` is of no matter."""
    with installation() as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.python("tests.bench.archive", str(papers))
        port = _start_web(made)
        words = _words(made)
        with psycopg.connect(made.environment["DATABASE_URL"]) as database:
            ids = [row[0] for row in database.execute(
                "SELECT arxiv_id FROM digest_paper ORDER BY md5(arxiv_id) LIMIT %s", [ASKED])]  # fmt: skip
            days = [row[0].isoformat() for row in database.execute(
                "SELECT date FROM digest_edition WHERE frequency = 'daily' AND paper_count > 0 "
                "ORDER BY date DESC LIMIT %s", [ASKED])]  # fmt: skip
        baseline = _measure(port, cycle(["/healthz"]))
        yield _row("an answer without work (/healthz)", baseline, baseline)
        for name, addresses in (
            ("the edition of today, kept", cycle(["/"])),
            ("an edition, each time another", cycle(f"/papers/{day}/" for day in days)),
            ("a paper, kept", cycle([f"/papers/{ids[0]}/"])),
            ("a paper, each time another", cycle(f"/papers/{name}/" for name in ids)),
            ("a search, each time another", (f"/search/?q={quote_plus(q)}" for q in words)),
            ("the API, a page of papers", cycle(["/api/v1/papers"])),
            ("the daily feed", cycle(["/feeds/daily.atom"])),
        ):
            yield _row(name, _measure(port, addresses), baseline)


def _words(made: Installation) -> Iterator[str]:
    """Queries of every kind, and then each with a word of the archive beside it."""
    with psycopg.connect(made.environment["DATABASE_URL"]) as database:
        titles = database.execute(
            "SELECT title FROM digest_paper ORDER BY md5(title) LIMIT %s", [2 * ASKED]
        ).fetchall()
    words = [word for (title,) in titles for word in title.split()[1:3]]
    return (
        f"{query} {word}" if number % 2 else f"{query} OR {word}"
        for number, (query, word) in enumerate(zip(cycle(QUERIES), words, strict=False))
    )


def _start_web(made: Installation) -> int:
    port = free_port()
    made.environment["API_RATE"] = "1000000/m"
    made.start(
        "web", sys.executable, "-m", "gunicorn", "config.wsgi", "--workers=1",
        "--worker-class=gthread", "--threads=2", f"--bind=127.0.0.1:{port}",
        "--log-level=warning",
    )  # fmt: skip
    wait_for(lambda: _status(port, "/healthz") == 200, seconds=60, what="the pages")
    return port


def _status(port: int, address: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", address)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _measure(port: int, addresses: Iterator[str]) -> list[float]:
    """Seconds of each answer, over one connection, after a few that warm the worker up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    ask = _asker(connection)
    warming = list(islice(addresses, 5))
    for address in warming:
        ask(address)
    seconds = [ask(address) for address in islice(addresses, ASKED)]
    connection.close()
    return seconds


def _asker(connection: http.client.HTTPConnection) -> Callable[[str], float]:
    headers = {
        "Accept-Encoding": "gzip",
        "Host": "papers.example.org",
        "X-Forwarded-Proto": "https",
    }

    def ask(address: str) -> float:
        started = time.perf_counter()
        connection.request("GET", address, headers=headers)
        response = connection.getresponse()
        response.read()
        spent = time.perf_counter() - started
        if response.status != 200:
            raise RuntimeError(f"{address} answered {response.status}")
        return spent

    return ask


def _row(name: str, seconds: list[float], baseline: list[float]) -> tuple[str, ...]:
    ordered = sorted(seconds)
    median = statistics.median(ordered)
    p95 = ordered[int(0.95 * len(ordered)) - 1]
    return (
        name,
        f"{1000 * median:.1f}",
        f"{1000 * p95:.1f}",
        f"{len(ordered) / sum(ordered):,.0f}",
        f"{median / statistics.median(baseline):.1f}",
    )
