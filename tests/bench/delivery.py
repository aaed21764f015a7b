"""A send as a whole: from `send_digests` to a balanced ledger, against the loop that others use."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import requests

from tests.bench.installation import DAY, NOW, Installation, installation

Row = tuple[str, str, str]
WORKERS = 2


def run(*, subscribers: int, audiences: int = 500) -> list[Row]:
    """Rows of what, figure, and the ratio to one render, one inliner and one call a reader."""
    with installation(EMAIL_PROVIDERS="mailgun") as made:
        address = made.start_esp("--mode", "lean")
        made.environment["MAILGUN_API_URL"] = f"{address}/v3"
        audiences = min(audiences, subscribers)
        made.python("tests.bench.installation", str(subscribers), str(audiences))
        naive_rate = float(made.python("tests.bench.naive"))
        return list(_send(made, address, subscribers, naive_rate))


def _send(made: Installation, address: str, subscribers: int, naive_rate: float) -> Iterator[Row]:
    for number in range(WORKERS):
        made.start_worker(number)
    time.sleep(5)
    requests.post(f"{address}/_control/reset", timeout=60).raise_for_status()
    before, busy = made.messages(), _busy_seconds()
    idle = {name: made.cpu_seconds(name) for name in ("esp", "worker0", "worker1")}
    started = time.perf_counter()
    made.manage("send_digests", "--date", str(DAY), "--now", NOW.isoformat(), "--json")
    planned = time.perf_counter() - started
    ledger = _settled(made)
    seconds = time.perf_counter() - started
    counts = requests.get(f"{address}/_control/counts", timeout=60).json()
    assert ledger["balanced"], ledger
    assert ledger["pending"] == ledger["uncertain"] == ledger["failed"] == 0, ledger
    assert counts["readers"] == counts["accepted"] == ledger["sent"], counts
    rate = ledger["sent"] / seconds
    yield "the naive loop (baseline)", f"{naive_rate:,.1f}/s", "1 x"
    yield (
        f"{subscribers:,} readers, from send_digests to a balanced ledger",
        f"{seconds:,.1f} s, {rate:,.0f}/s", f"{rate / naive_rate:,.0f} x",
    )  # fmt: skip
    yield f"planning {ledger['due']:,} deliveries, while others send", f"{planned:,.1f} s", ""
    peak = max(made.peak_mib(f"worker{number}") for number in range(WORKERS))
    yield "peak memory of a worker", f"{peak:,.0f} MiB", ""
    yield "messages on the broker", f"{made.messages() - before:,}", ""
    used = {name: made.cpu_seconds(name) - idle[name] for name in idle}
    rest = _busy_seconds() - busy - sum(used.values())
    each = 1e6 / max(ledger["sent"], 1)
    for name, spent in [*used.items(), ("database, planning and the rest", rest)]:
        yield f"processor time: {name}", f"{spent:,.1f} s, {spent * each:,.0f} µs a reader", ""


def _settled(made: Installation) -> dict:
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
