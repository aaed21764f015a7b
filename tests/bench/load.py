"""Ten times the busiest hour of 100,000 readers against the production processes: gunicorn as in deploy/,
PostgreSQL and Redis, a filled archive. By locust, whose people each come from elsewhere, and by wrk, as fast
as it goes.

What has to hold, or `make bench` ends with 1: so much is asked as was wanted, every answer is a 2xx or 3xx,
and the workers' memory stays where it was.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.installation import Installation, family, installation
from tests.flows.processes import ROOT

HEADINGS = ("what", "asked", "not 2xx or 3xx", "5xx or none", "p50", "p95", "p99")
TIMES, READERS, PAPERS = 10, 100_000, 20_000
SIZE = f"{TIMES} times the busiest hour of {READERS:,} readers, {PAPERS:,} papers"
WARMING, SECONDS, WRK_SECONDS = 10, 40, 5
LEAST_ASKED = 0.9
"""Of the requests a second that are wanted: people who wait for slow answers ask less."""
MOST_GROWTH = 1.25
"""Of the workers' memory, from after the warming to the end."""
IN_THE_HOUR = {
    # Two in five readers live where it is seven o'clock, and the provider reports one event for each.
    "webhooks": 0.4,
    # A fifth open a page or a feed, as their digest is new; one in fifty a paper that nobody else did.
    "pages": 0.2,
    "papers": 0.02,
    "searches": 0.01,
    "api": 0.02,
    "preferences": 0.004,
    "unsubscribes": 0.002,
    # 60 people; half of them open their mail within it.
    "sign-ups": 0.0006,
    "confirms": 0.0003,
}
"""How many requests a reader makes in the busiest hour."""
NORMAL = {kind: share * READERS / 3600 for kind, share in IN_THE_HOUR.items()}
"""Requests a second."""
PEOPLE = dict.fromkeys(NORMAL, 2) | {"webhooks": 48, "pages": 32, "papers": 12, "searches": 8}
"""Who ask at once at most: each waits for an answer before the next request."""
TOKENS = 3000
OURS = ", our fault"
"""Behind the name of a request that was answered by a 5xx, or not at all."""
failures: list[str] = []


def run(*, subscribers: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table; `subscribers` is of no matter."""
    with installation(TRUSTED_PROXIES="1", API_RATE="1000000/m") as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.python("tests.bench.archive", str(PAPERS))
        warming, known = json.loads(made.python("tests.bench.load"))
        made.start_worker(1)
        port = made.start_web()
        for row in _rows(_locust(made, port, warming, WARMING)):
            _note(row)
        before = _memory(made)
        told = _locust(made, port, known, SECONDS)
        for row in [_total(told), *_rows(told), *_wrk(port)]:
            _note(row)
            yield row
        yield _grown(before, _memory(made))
    print(f"normal: {sum(NORMAL.values()):.1f} requests/s; asked: {TIMES} times that")


def _note(row: tuple[str, ...]) -> None:
    refused, ours = int(row[2] or 0), int(row[3] or 0)
    if refused or ours:
        failures.append(f"{row[0]}: {refused} answers not 2xx or 3xx, {ours} of 5xx or none")


def _memory(made: Installation) -> dict[int, float]:
    """What each worker of gunicorn holds now, in MiB."""
    _master, *workers = family(made.processes["web"].pid)
    status = {pid: Path(f"/proc/{pid}/status").read_text() for pid in workers}
    return {pid: int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024 for pid, text in status.items()}


def _grown(before: dict[int, float], after: dict[int, float]) -> tuple[str, ...]:
    """The row of the workers' memory; also notes what is wrong with it."""
    if before.keys() != after.keys():
        failures.append("a worker ended meanwhile")
    ratio = max(after.values()) / max(before.values())
    if ratio > MOST_GROWTH:
        failures.append(f"the workers' memory grew to {ratio:.2f} times what it was")
    figures = [" + ".join(f"{mib:.0f}" for mib in found.values()) for found in (before, after)]
    return (
        f"MiB of the workers before, after; grown to at most {MOST_GROWTH}",
        "", "", "", *figures, f"{ratio:.2f} x",
    )  # fmt: skip


def _locust(
    made: Installation, port: int, known: dict[str, list[str]], seconds: int
) -> list[dict[str, Any]]:
    """Its figures of each kind of request."""
    people = str(sum(PEOPLE.values()))
    (made.folder / "known.json").write_text(json.dumps(known))
    done = subprocess.run(
        [Path(sys.executable).with_name("locust"), "-f", ROOT / "tests/bench/crowd.py",
         "--headless", "--json", "--only-summary", "--run-time", f"{seconds}s", "--users", people,
         "--spawn-rate", people, "--reset-stats", "--host", f"http://127.0.0.1:{port}", "--loglevel", "ERROR"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=made.environment | {
            "CROWD_KNOWN": str(made.folder / "known.json"), "PYTHONPATH": str(ROOT),
        },
    )  # fmt: skip
    try:
        return list(json.loads(done.stdout))
    except ValueError as error:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:]) from error


def _total(told: list[dict[str, Any]]) -> tuple[str, ...]:
    """The row of all that was asked; also notes where that is too little."""
    asked = sum(each["num_requests"] for each in told if not each["name"].endswith(OURS))
    # From when all people were there to the last answer.
    began = min(each["start_time"] for each in told)
    seconds = max(each["last_request_timestamp"] for each in told) - began
    wanted = TIMES * sum(NORMAL.values())
    rates = f"{asked / seconds:.0f}/s of {wanted:.0f}/s"
    if asked < LEAST_ASKED * wanted * seconds:
        failures.append(f"only {rates} were asked")
    return f"all: {rates}", f"{asked:,}", "", "", "", "", ""


def _rows(told: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A row for each kind of request, the most frequent first."""
    faults = {each["name"]: each["num_requests"] for each in told if each["name"].endswith(OURS)}
    for each in sorted(told, key=lambda entry: -int(entry["num_requests"])):
        if each["name"] in faults:
            continue
        times = {float(ms): int(number) for ms, number in each["response_times"].items()}
        yield (
            each["name"], f"{each['num_requests']:,}", str(each["num_failures"]),
            str(faults.get(each["name"] + OURS, 0)),
            *(f"{_percentile(times, share):.0f} ms" for share in (0.5, 0.95, 0.99)),
        )  # fmt: skip


def _percentile(times: dict[float, int], share: float) -> float:
    left = share * sum(times.values())
    for milliseconds in sorted(times):
        left -= times[milliseconds]
        if left <= 0:
            return milliseconds
    return 0


def _wrk(port: int) -> Iterator[tuple[str, ...]]:
    for name, path in (("the front page", "/"), ("an answer without work", "/healthz")):
        said = subprocess.run(
            ["wrk", "-t2", "-c64", f"-d{WRK_SECONDS}s", "--latency", "-H", "Host: papers.example.org",
             "-H", "X-Forwarded-Proto: https", "-H", "Accept-Encoding: gzip", "-H",
             "X-Forwarded-For: 203.0.113.9", f"http://127.0.0.1:{port}{path}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        (asked,) = re.findall(r"(\d+) requests in", said)
        (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
        bad = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
        cut = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", said)))
        late = dict(re.findall(r"(50|99)%\s+([\d.]+\w+)", said))
        # wrk does not tell 4xx from 5xx; there is no limit on these two that a 4xx could come from.
        yield (
            f"wrk, 64 connections, {name}: {float(rate):,.0f}/s", f"{int(asked):,}", str(bad),
            str(bad + cut), late["50"], "", late["99"],
        )  # fmt: skip


def seed() -> None:
    """Active readers, and what the crowd knows, by kind: links and papers, one half to warm up with.
    Prints that. Runs with the installation's settings."""
    from django.db import connection  # noqa: PLC0415  after the settings

    from digest.models import Paper  # noqa: PLC0415
    from subscriptions import tokens  # noqa: PLC0415
    from subscriptions.models import Subscriber  # noqa: PLC0415
    from tests.builders import make_subscriber  # noqa: PLC0415

    with connection.cursor() as cursor:
        _insert_readers(cursor)
    readers = list(Subscriber.objects.order_by("pk")[: 2 * TOKENS])
    pending = [make_subscriber(f"p{n}@example.net", state="pending") for n in range(TOKENS // 10)]
    papers = Paper.objects.order_by("-pk").values_list("arxiv_id", flat=True)[:TOKENS]
    known = {
        "preferences": [tokens.make_preferences(reader) for reader in readers[:TOKENS]],
        "unsubscribe": [tokens.make_unsubscribe(reader.public_id) for reader in readers[TOKENS:]],
        "confirm": [tokens.make_confirm(reader) for reader in pending],
        "papers": list(papers),
    }
    print(json.dumps([{kind: found[n::2] for kind, found in known.items()} for n in (0, 1)]))


def _insert_readers(cursor: Any) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from subscriptions.records import Rhythm, Selection  # noqa: PLC0415
    from subscriptions.services import slots  # noqa: PLC0415

    slot = slots.ensure(Rhythm("daily", 7, "UTC"), datetime.now(UTC))
    cursor.execute(
        """
        INSERT INTO subscriptions_subscriber (public_id, email, address_hash, state, token_version,
            frequency, hour, timezone, length, selection_key, slot_id, created_at, confirmed_at)
        SELECT gen_random_uuid(), 'reader' || i || '@example' || (i %% 1000) || '.org',
            encode(sha256(i::text::bytea), 'hex'), 'active', 1, 'daily', 7, 'UTC', 8, %s, %s,
            now(), now() FROM generate_series(1, %s) i
        """,
        [Selection().key, slot.pk, READERS],
    )
    cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    seed()
