"""The disk with the embedded database is full while an edition is sent, and has room again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from tests.esp import Events, FakeEsp
from tests.flows.faults import LONGEST, Row, judge, provider_settings, settings
from tests.flows.faults_seed import FEW, FIRST_DAY
from tests.flows.processes import ROOT, Installation, wait_for

SIZE = "48m"
FULL_SECONDS = 3.0
_NOW = "2041-01-01T08:00:00+00:00"
_ROOT = 0
_OPEN = "SELECT EXISTS (SELECT 1 FROM digest_batch WHERE state IN ({}))"
_STATES = """
SELECT email, delivery.state FROM digest_delivery AS delivery
JOIN subscriptions_subscriber AS reader ON reader.id = subscriber_id
"""
_READERS = "SELECT email FROM subscriptions_subscriber WHERE hour = ?"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of SIZE in the folder. Raises OSError where none may be mounted."""
    as_root = [] if os.geteuid() == _ROOT else ["sudo", "-n"]
    options = ["-t", "tmpfs", "-o", f"size={SIZE},uid={os.geteuid()}", "daily-papers-test"]
    done = subprocess.run(
        [*as_root, "mount", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([*as_root, "umount", "--lazy", str(folder)], check=False)


def fill(file: Path) -> None:
    """Afterwards not one more byte can be written."""
    with file.open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while ballast.write(b"\0" * size):
                    pass


def play_disk_full(*, readers: int, has_webhooks: bool = True) -> Row:
    """`manage.py run` sends an edition; raises OSError where no small disk can be made."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "var").mkdir()
        stack.enter_context(small_disk(folder / "var"))
        chosen = settings("", "") | {"DEBUG": 1, "EMBEDDED_REDIS": "auto"}
        installation = Installation(folder, **chosen)
        events = Events(installation.url, secret="user:word", signing_key="key", delay=0.2)
        esp = stack.enter_context(
            FakeEsp(keeps_copies=False, events=events if has_webhooks else None)
        )
        installation.environment |= {k: str(v) for k, v in provider_settings(esp.root).items()}
        installation.manage("migrate", "-v0")
        subprocess.run(
            [sys.executable, "-m", "tests.flows.faults_seed", str(readers), "0"],
            cwd=ROOT, env=installation.environment | {"LOG_LEVEL": "WARNING"}, check=True,
            timeout=120,
        )  # fmt: skip
        stack.callback(installation.stop, with_signal=signal.SIGINT)
        installation.start("run", [sys.executable, "manage.py", "run"])
        wait_for(installation.is_up, what="the web process")
        return _play(installation, esp, has_webhooks=has_webhooks)


def _play(installation: Installation, esp: FakeEsp, *, has_webhooks: bool) -> Row:
    var = installation.folder / "var"
    esp.set_faults("slow:0.2=1")
    started = time.monotonic()
    installation.manage("send_digests", "--date", str(FIRST_DAY), "--now", _NOW, "--yes")
    fill(var / "ballast")
    time.sleep(FULL_SECONDS)
    (var / "ballast").unlink()
    states = "'open', 'claimed', 'uncertain'" if has_webhooks else "'open', 'claimed'"
    wait_for(
        lambda: rows(var, _OPEN.format(states)) == [(0,)], seconds=LONGEST, what="a settled ledger"
    )
    seconds = time.monotonic() - started
    done = installation.manage("ledger", "--date", str(FIRST_DAY), "--json", check=False)
    due = [email for (email,) in rows(var, _READERS, FEW)]
    found = judge(dict(rows(var, _STATES)), esp.accepted, due=due)
    is_true = json.loads(done.stdout)["balanced"] and not found.pop("denied")
    name = "disk full under the embedded database"
    return Row(name, len(due), **found, is_balanced=is_true, seconds=seconds)


def rows(var: Path, query: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(var / "daily_papers.sqlite3", timeout=30)) as connection:
        return connection.execute(query, values).fetchall()
