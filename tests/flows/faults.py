"""Sends of an edition with real processes while something breaks, and what each reader got.

A `Stage` is an installation with its own PostgreSQL database, Redis, web process, workers, beat
and provider. It plays one `Scenario` after the other and returns a `Row` for each: our ledger
compared with the provider's count, reader by reader.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import requests

from tests.bench.installation import family
from tests.flows.faults_seed import EDITIONS, FEW, FIRST_DAY
from tests.flows.postgres_server import PostgresServer
from tests.flows.processes import ROOT, Installation, free_port, wait_for
from tests.services import RedisServer

BIN = Path(sys.executable).parent
WORKERS = 3
LONGEST = 150.0
"""Seconds that a scenario may take."""
CALM = 4.0
"""Seconds without any change after which doubt counts as lasting."""
SEEDED = "seeded"
_FAR = datetime(2040, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """What became of everybody who was due."""

    scenario: str
    due: int
    sent: int
    failed: int
    """Listed, with a reason."""
    lost: int
    """Got nothing, and no list says so."""
    repeated: int
    """Got more than one copy."""
    uncertain: int
    """Listed as such."""
    is_balanced: bool
    """The ledger adds up, and nobody whom it calls not sent to was reached."""
    seconds: float

    def as_text(self) -> tuple[str, ...]:
        numbers = [f"{number:,}" for number in self[1:7]]
        return self.scenario, *numbers, "yes" if self.is_balanced else "NO", f"{self.seconds:.1f}"


HEADINGS = (
    "scenario", "due", "sent", "failed", "lost", "repeated", "uncertain", "balanced", "seconds",
)  # fmt: skip


def judge(
    states: Mapping[str, str], accepted: Mapping[str, int], *, due: Sequence[str]
) -> dict[str, int]:
    """Of the readers who were due: the numbers of a Row, and who was reached but is not sent."""
    numbers: Counter[str] = Counter()
    for reader in due:
        state, copies = states.get(reader, "missing"), accepted.get(reader, 0)
        numbers[state] += 1
        numbers["lost"] += not copies and state not in ("failed", "uncertain")
        numbers["repeated"] += copies > 1
        numbers["denied"] += copies > 0 and state not in ("sent", "uncertain")
    names = ("sent", "failed", "lost", "repeated", "uncertain", "denied")
    return {name: numbers[name] for name in names}


class Crew:
    """Processes that are started again whenever they end, as a service manager would do."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.commands: dict[str, Sequence[str]] = {}
        self.groups: list[int] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()

    def start(self, name: str, *command: str) -> None:
        with self.lock:
            self._start(name, command)
            self.commands[name] = command

    def pid(self, name: str) -> int:
        return self.installation.processes[name].pid

    def kill(self, name: str, *, child: bool = False, group: bool = True) -> None:
        """With SIGKILL: a child of the process, or it alone, or it and its children."""
        pid = self.pid(name)
        with suppress(ProcessLookupError, FileNotFoundError):
            children = family(pid)[1:] if child else []
            if children:
                os.kill(random.choice(children), signal.SIGKILL)
            elif group:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)

    def dismiss(self, name: str) -> None:
        """Ends the process for good."""
        with self.lock:
            del self.commands[name]
            self.kill(name)
            self.installation.processes[name].wait(20)

    def stop(self) -> None:
        """Ends everything that was ever started, also children that outlived their parents."""
        self.closing.set()
        self.keeper.join()
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self.installation.processes.values():
            process.wait(20)

    def _start(self, name: str, command: Sequence[str]) -> None:
        self.installation.start(name, command)
        self.groups.append(self.pid(name))

    def _keep(self) -> None:
        while not self.closing.wait(0.1):
            with self.lock:
                for name, command in self.commands.items():
                    if self.installation.processes[name].poll() is not None:
                        self._start(name, command)


@dataclass(frozen=True)
class Scenario:
    """What breaks, at the provider or elsewhere, while an edition is sent."""

    name: str
    faults: str = ""
    """In the words of tests/esp/faults.py."""
    events: Mapping[str, float] = field(default_factory=dict)
    """How the provider reports, where it does: options of tests/esp/events.py."""
    disturb: Callable[["Stage"], None] = lambda stage: None
    provider: str = "mailgun"
    crowd: int = FEW
    """The hour of the crowd that is due."""
    is_planned_by_beat: bool = False
    leaves_doubt: bool = False
    """Nothing can settle what is uncertain."""


_EVENTS = {"share": 1.0, "delay": 0.2, "spread": 0.0, "doubled": 0.0, "doubles_anew": False}


class Stage:
    """One running installation. Each scenario gets an edition of its own."""

    def __init__(
        self,
        folder: Path,
        postgres: PostgresServer,
        *,
        has_webhooks: bool,
    ) -> None:
        self.postgres, self.has_webhooks = postgres, has_webhooks
        self.days = itertools.count()
        self.name = "with_webhooks" if has_webhooks else "without_webhooks"
        self.database = postgres.create(self.name, template=SEEDED)
        self.redis = RedisServer(free_port(), folder)
        self.esp = f"http://127.0.0.1:{free_port()}"
        self.installation = Installation(
            folder,
            **settings(self.database, self.redis.url),
            **provider_settings(self.esp),
        )
        self.crew = Crew(self.installation)
        self.provider = ""

    def start(self) -> None:
        self.redis.start()
        port = self.esp.rpartition(":")[2]
        to = ["--events-to", self.installation.url] if self.has_webhooks else []
        self.crew.start(
            "esp", sys.executable, "-m", "tests.esp", "--port", port, "--mode", "counts",
            *to, "--events", "workers=4", "--secret", "user:word", "--signing-key", "key",
        )  # fmt: skip
        if self.has_webhooks:
            self.start_web()
            wait_for(self.installation.is_up, what="the web process")
        self.start_beat("beat")
        wait_for(lambda: (self.installation.folder / "esp.log").stat().st_size, what="provider")

    def start_web(self) -> None:
        self.crew.start(
            "web", str(BIN / "gunicorn"), "config.wsgi", "-b", f"127.0.0.1:{self.installation.port}",
            "--worker-class=gthread", "--workers=1", "--threads=4", "--log-level=warning",
        )  # fmt: skip

    def start_beat(self, name: str) -> None:
        schedule = str(self.installation.folder / name)
        celery = [str(BIN / "celery"), "-q", "-A", "config", "beat", "-s", schedule]
        self.crew.start(name, *celery, "--pidfile=", "--loglevel=WARNING")

    def use(self, provider: str) -> None:
        """Afterwards the workers send through this provider."""
        if provider == self.provider:
            return
        self.installation.environment["EMAIL_PROVIDERS"] = self.provider = provider
        for name in self.workers:
            self.crew.dismiss(name)
        for number in range(WORKERS):
            self.crew.start(
                f"worker{number}", str(BIN / "celery"), "-q", "-A", "config", "worker",
                "--queues=mail,digest", "--concurrency=1", "--loglevel=INFO",
                f"--hostname=w{number}@%h", "--without-gossip", "--without-mingle",
                "--without-heartbeat",
            )  # fmt: skip

    @property
    def workers(self) -> list[str]:
        return [name for name in self.crew.commands if name.startswith("worker")]

    def stop(self) -> None:
        self.crew.stop()
        self.redis.stop()

    def play(self, scenario: Scenario) -> Row:
        """Sends an edition to the scenario's crowd while it happens; returns when all is settled,
        or nothing changes any more."""
        # Beat plans the newest.
        place = EDITIONS - 1 if scenario.is_planned_by_beat else next(self.days)
        day = FIRST_DAY + timedelta(days=place)
        self.use(scenario.provider)
        self.tell("reset", {})
        self.tell("faults", {"faults": scenario.faults})
        if self.has_webhooks:
            self.tell("events", _EVENTS | dict(scenario.events))
        now = self._make_due(scenario)
        started = time.monotonic()
        if not scenario.is_planned_by_beat:
            self.installation.manage(
                "send_digests", "--date", str(day), "--now", now.isoformat(), "--yes"
            )
        scenario.disturb(self)
        self._settle(day.isoformat(), scenario)
        seconds = time.monotonic() - started
        done = self.installation.manage("ledger", "--date", str(day), "--json", check=False)
        assert done.stdout, done.stderr
        ledger = json.loads(done.stdout)
        due = [email for (email,) in self.rows(_READERS, scenario.crowd)]
        states = dict(self.rows(_STATES, day))
        found = judge(states, self.ask("readers"), due=due)
        is_true = ledger["balanced"] and not found.pop("denied") and len(states) == len(due)
        return Row(scenario.name, len(due), **found, is_balanced=is_true, seconds=seconds)

    def _make_due(self, scenario: Scenario) -> datetime:
        """Only the scenario's crowd is due: at the time that is returned, or, for beat, now."""
        now = datetime(2039, 1, 1, tzinfo=UTC)
        if scenario.is_planned_by_beat:
            now = datetime.now(UTC)
        due = now - timedelta(minutes=5)
        self.rows("UPDATE subscriptions_slot SET next_digest_at = %s", _FAR)
        self.rows(
            "UPDATE subscriptions_slot SET next_digest_at = %s WHERE hour = %s", due, scenario.crowd
        )
        return now

    def _settle(self, day: str, scenario: Scenario) -> None:
        is_doubt_over = self.has_webhooks and not scenario.leaves_doubt
        ends_at = time.monotonic() + LONGEST
        before: object = None
        changed_at = time.monotonic()
        while time.monotonic() < ends_at:
            time.sleep(0.2)
            with suppress(psycopg.Error):
                found = dict(self.rows(_BATCHES, day))
                if found != before:
                    before, changed_at = found, time.monotonic()
                is_sent = found and not found.get("open") and not found.get("claimed")
                if is_sent and not found.get("uncertain"):
                    return
                is_calm = time.monotonic() > changed_at + CALM
                if is_sent and not is_doubt_over and is_calm:
                    return

    def rows(self, query: str, *values: object) -> list[tuple]:
        with psycopg.connect(self.database, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def ask(self, what: str) -> dict:
        return requests.get(f"{self.esp}/_control/{what}", timeout=30).json()

    def tell(self, what: str, data: Mapping[str, object]) -> None:
        def is_told() -> bool:
            # Where it refuses connections as its own fault, it is up again before long.
            with suppress(requests.ConnectionError):
                answer = requests.post(f"{self.esp}/_control/{what}", json=data, timeout=30)
                assert answer.ok, answer.text
                return True
            return False

        wait_for(is_told, seconds=20, what="the provider")


_READERS = """
SELECT email FROM subscriptions_subscriber WHERE hour = %s
"""
_STATES = """
SELECT email, delivery.state FROM digest_delivery AS delivery
JOIN digest_edition AS edition ON edition.id = edition_id AND edition.date = %s
JOIN subscriptions_subscriber AS reader ON reader.id = subscriber_id
"""
_BATCHES = """
SELECT batch.state, COUNT(*) FROM digest_batch AS batch
JOIN digest_edition AS edition ON edition.id = edition_id AND edition.date = %s GROUP BY 1
"""


def settings(database: str, redis_url: str) -> dict[str, object]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.flows.fast_settings",
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "DEBUG": 0,
        "SECRET_KEY": "only for this test, and long enough to please Django's own checks",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DEFAULT_FROM_EMAIL": "Daily Papers <digest@papers.example.org>",
        "POSTAL_ADDRESS": "12 Sample Street, Springfield, IL 62701, USA",
        # Upstream is nowhere.
        "HUGGING_FACE_URL": "http://127.0.0.1:9",
        "ARXIV_API_URL": "http://127.0.0.1:9",
        "ARXIV_RSS_URL": "http://127.0.0.1:9",
    }


def provider_settings(esp: str) -> dict[str, object]:
    """With which each of the fake provider's four names is the process at this address."""
    return {
        "EMAIL_PROVIDERS": "mailgun",
        "WEBHOOK_SECRET": "user:word",
        "MAILGUN_WEBHOOK_SIGNING_KEY": "key",
        "MAILGUN_API_KEY": "key",
        "MAILGUN_SENDER_DOMAIN": "papers.example.org",
        "MAILGUN_API_URL": f"{esp}/v3",
        "BREVO_API_KEY": "key",
        "BREVO_API_URL": f"{esp}/v3/",
        "POSTMARK_SERVER_TOKEN": "token",
        "POSTMARK_API_URL": f"{esp}/",
        "AWS_ENDPOINT_URL": esp,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


def make_seed(postgres: PostgresServer, *, few: int, many: int) -> None:
    """Afterwards the server has the database that stages copy."""
    url = postgres.create(SEEDED)
    with tempfile.TemporaryDirectory() as folder:
        chosen = settings(url, "redis://127.0.0.1:9/0") | {"LOG_LEVEL": "WARNING"}
        installation = Installation(Path(folder), **chosen)
        installation.manage("migrate", "-v0")
        subprocess.run(
            [sys.executable, "-m", "tests.flows.faults_seed", str(few), str(many)],
            cwd=ROOT, env=installation.environment, check=True, timeout=120,
        )  # fmt: skip


@contextmanager
def stage(postgres: PostgresServer, *, has_webhooks: bool) -> Iterator[Stage]:
    """A running stage; its processes are ended and its database is dropped afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = Stage(folder, postgres, has_webhooks=has_webhooks)
        stack.callback(postgres.drop, made.name)
        stack.callback(made.stop)
        made.start()
        yield made
