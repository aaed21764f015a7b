"""A send as a whole: from `send_digests` to a balanced ledger, against the loop that others use."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.bench.installation import DAY, KEYWORDS, NOW, Installation, installation

Row = tuple[str, str, str]
WORKERS = 2
FEW = 10_000
"""Readers of the send that the memory is compared with."""
FOLLOWING = 20_000
"""The most readers of the send in which each follows something else."""


@dataclass
class Measured:
    """What a send took and used."""

    sent: int
    due: int
    planned: float
    seconds: float
    peak_mib: float
    messages: int
    used: dict[str, float]
    """Seconds of processor time, by process."""


def run(*, subscribers: int, audiences: int = 500, is_partitioned: bool = False) -> list[Row]:
    """Rows of what, figure, and the ratio to one render, one inliner and one call a reader."""
    with installation(EMAIL_PROVIDERS="mailgun") as made:
        few = measure(
            made,
            min(FEW, subscribers),
            min(audiences, FEW, subscribers),
            is_partitioned=is_partitioned,
        )
    with installation(EMAIL_PROVIDERS="mailgun") as made:
        found = measure(
            made, subscribers, min(audiences, subscribers), is_partitioned=is_partitioned
        )
        naive = float(made.python("tests.bench.naive"))
        alone = _planned_alone(made)
    following = min(subscribers, FOLLOWING)
    with installation(EMAIL_PROVIDERS="mailgun") as made:
        own = measure(made, following, following, with_keywords=True, is_partitioned=is_partitioned)
        lists = _count(made, "SELECT count(*) FROM digest_audience")
    rate = found.sent / found.seconds
    share = found.peak_mib / few.peak_mib - 1
    each = 1e6 / max(found.sent, 1)
    return [
        ("the naive loop (baseline)", f"{naive:,.1f}/s", "1 x"),
        (
            f"{subscribers:,} readers, {audiences} audiences, {WORKERS} workers: to a balanced ledger",
            f"{found.seconds:,.1f} s, {rate:,.0f}/s",
            f"{rate / naive:,.0f} x",
        ),
        (
            f"{following:,} readers, each with {KEYWORDS} keywords and an author: to a balanced ledger",
            f"{own.seconds:,.1f} s, {own.sent / own.seconds:,.0f}/s",
            f"{own.sent / own.seconds / naive:,.0f} x",
        ),
        (
            "  papers picked for each, and planned",
            f"{own.planned:,.1f} s",
            f"{lists:,} lists differ",
        ),
        ("  peak memory of a worker", f"{own.peak_mib:,.0f} MiB", ""),
        (f"planning {found.due:,} deliveries, while others send", f"{found.planned:,.1f} s", ""),
        (f"planning {found.due:,} deliveries, alone", f"{alone:,.1f} s", ""),
        ("peak memory of a worker", f"{found.peak_mib:,.0f} MiB", f"{share:+.0%} to {FEW:,}"),
        ("messages on the broker", f"{found.messages:,}", ""),
        *(
            (f"processor time, {name}", f"{spent:,.1f} s", f"{spent * each:,.0f} µs a reader")
            for name, spent in found.used.items()
        ),
    ]


def measure(
    made: Installation,
    subscribers: int,
    audiences: int,
    *,
    with_keywords: bool = False,
    is_partitioned: bool = False,
) -> Measured:
    """Sends to so many readers of a fresh installation, and checks that each got one digest."""
    address = made.start_esp("--mode", "lean")
    made.environment["MAILGUN_API_URL"] = f"{address}/v3"
    if is_partitioned:
        _divide(made)
    options = ["keywords"] if with_keywords else []
    made.python("tests.bench.installation", str(subscribers), str(audiences), *options)
    for number in range(WORKERS):
        made.start_worker(number)
    made.wait_for_workers(WORKERS)
    names = ["esp", *(f"worker{number}" for number in range(WORKERS))]
    before, busy, asked = made.messages(), _busy_seconds(), made.database_seconds()
    idle = {name: made.cpu_seconds(name) for name in names}
    started = time.perf_counter()
    made.manage("send_digests", "--date", str(DAY), "--now", NOW.isoformat(), "--yes", "--json")
    planned = time.perf_counter() - started
    ledger = _settled(made)
    seconds = time.perf_counter() - started
    used = {name: made.cpu_seconds(name) - idle[name] for name in names}
    used["database"] = made.database_seconds() - asked
    used["the rest of the machine"] = _busy_seconds() - busy - sum(used.values())
    counts = requests.get(f"{address}/_control/counts", timeout=60).json()
    assert ledger["balanced"], ledger
    assert ledger["pending"] == ledger["uncertain"] == ledger["failed"] == 0, ledger
    assert counts["readers"] == counts["accepted"] == ledger["sent"], counts
    return Measured(
        sent=ledger["sent"],
        due=ledger["due"],
        planned=planned,
        seconds=seconds,
        peak_mib=max(made.peak_mib(f"worker{number}") for number in range(WORKERS)),
        messages=made.messages() - before,
        used=used,
    )


def _divide(made: Installation) -> None:
    """The edition to come is of the second month, and there are three."""
    made.manage("partition_deliveries", "--now", NOW.isoformat(), "--yes")
    with psycopg.connect(made.environment["DATABASE_URL"]) as database:
        bound = database.execute(
            "SELECT substring(pg_get_expr(relpartbound, oid) FROM '\\d+')::int FROM pg_class"
            " WHERE relname = 'digest_delivery_2026_09'"
        ).fetchone()[0]
        database.execute("SELECT setval('digest_edition_id_seq', %s)", [bound])


def _planned_alone(made: Installation) -> float:
    made.python("tests.bench.steps", "unplan")
    return float(made.python("tests.bench.steps", "plan", str(DAY), NOW.isoformat()))


def _count(made: Installation, query: str) -> int:
    with psycopg.connect(made.environment["DATABASE_URL"]) as database:
        return int(database.execute(query).fetchone()[0])


def _settled(made: Installation) -> dict[str, Any]:
    unsettled = "SELECT EXISTS (SELECT FROM digest_batch WHERE state IN ('open', 'claimed'))"
    with psycopg.connect(made.environment["DATABASE_URL"], autocommit=True) as database:
        while database.execute(unsettled).fetchone()[0]:
            time.sleep(0.1)
    return json.loads(made.manage("ledger", "--date", str(DAY), "--json"))


def _busy_seconds() -> float:
    """Of all processors since the start of the machine."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / 100
