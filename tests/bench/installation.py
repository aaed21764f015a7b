"""What the big benchmarks run on: a database and a Redis of their own, readers, and real processes."""

import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
import requests

from digest.management import embedded_redis
from tests.flows.processes import ROOT, clean_environment, free_port, wait_for
from tests.services import POSTGRES_URL

DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, tzinfo=UTC)
PAPERS = 40
COMMON, WORDS = 60, 6000
"""Keywords are of these ranks by how frequent a word is."""
KEYWORDS = 4
"""How many a reader follows, beside topics and an author."""


@dataclass
class Installation:
    """Its settings, its processes by name, and what they used."""

    folder: Path
    environment: dict[str, str]
    redis_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        return self.processes[name]

    def start_esp(self, *options: str) -> str:
        """The address of a fake provider in a process of its own."""
        port = free_port()
        self.start("esp", sys.executable, "-m", "tests.esp", "--port", str(port), *options)
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: (self.folder / "esp.log").read_text().strip(), what="the provider")
        return address

    def start_worker(self, number: int) -> None:
        self.start(
            f"worker{number}", sys.executable, "-m", "celery", "-q", "-A", "config", "worker",
            "--queues=mail,digest", "--concurrency=1", "--pool=prefork", "--loglevel=WARNING",
            f"--hostname=bench{number}@%h", "--without-gossip", "--without-mingle",
            "--without-heartbeat",
        )  # fmt: skip

    def start_web(self) -> int:
        """The port of gunicorn, started as in deploy/, once it answers."""
        port = free_port()
        self.start(
            "web", sys.executable, "-m", "gunicorn", "config.wsgi", f"--bind=127.0.0.1:{port}",
            "--worker-class=gthread", "--workers=2", "--threads=8", "--worker-tmp-dir=/dev/shm",
            "--no-control-socket", "--log-level=warning",
        )  # fmt: skip

        def answers() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
            except requests.RequestException:
                return False

        wait_for(answers, what="the pages")
        return port

    def wait_for_workers(self, number: int) -> None:
        """Returns when so many workers wait for messages."""

        def waiting() -> bool:
            with redis.Redis(port=self.redis_port) as client:
                return sum("brpop" in entry["cmd"] for entry in client.client_list()) >= number

        wait_for(waiting, what="the workers")

    def start_sink(self) -> int:
        """The port of an SMTP server in a process of its own."""
        sink = subprocess.Popen(
            [sys.executable, "-m", "tests.smtp"], cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.processes["sink"] = sink
        assert sink.stdout
        return int(sink.stdout.readline())

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def python(self, code: str, *arguments: str) -> str:
        """What a module of ours prints that runs with these settings."""
        done = subprocess.run(
            [sys.executable, "-m", code, *arguments], cwd=ROOT, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def peak_mib(self, name: str) -> float:
        """The most memory that the process, or a child of it, had resident."""
        return max(_status(pid, "VmHWM") for pid in family(self.processes[name].pid)) / 1024

    def cpu_seconds(self, name: str) -> float:
        """What the process and its living children used."""
        return sum(map(_cpu, family(self.processes[name].pid)))

    def database_seconds(self) -> float:
        """What the database server used so far, for whomever, where it is on this machine."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as database:
            backend = Path(f"/proc/{database.info.backend_pid}/stat")
            if not backend.exists():
                return 0.0
            server = int(backend.read_text().rpartition(")")[2].split()[1])
            gone = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[13:15]
            return sum(map(int, gone)) / os.sysconf("SC_CLK_TCK") + sum(map(_cpu, family(server)))

    def messages(self) -> int:
        """How many messages were put on the broker's queues so far."""
        with redis.Redis(port=self.redis_port) as client:
            stats = client.info("commandstats")
        return int(stats.get("cmdstat_lpush", {}).get("calls", 0))


def family(pid: int) -> list[int]:
    """The process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in family(int(child)))]


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # ended meanwhile
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def installation(**settings: str) -> Iterator[Installation]:
    """Migrated and empty; its processes are ended and its database is dropped afterwards."""
    name, redis_port = f"daily_papers_bench_{uuid.uuid4().hex[:8]}", free_port()
    url = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))
    with (
        tempfile.TemporaryDirectory() as scratch,
        psycopg.connect(POSTGRES_URL, autocommit=True) as server,
    ):
        server.execute(f'CREATE DATABASE "{name}"')
        folder = Path(scratch)
        environment = clean_environment(
            VAR_DIR=folder / "var", DATABASE_URL=url, DEBUG=0, LOG_LEVEL="WARNING",
            REDIS_URL=f"redis://127.0.0.1:{redis_port}/0", SECRET_KEY="bench" * 10,
            SITE_URL="https://papers.example.org", POSTAL_ADDRESS="12 Sample Street, Springfield",
            DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>",
            WEBHOOK_SECRET="user:word", MAILGUN_WEBHOOK_SIGNING_KEY="key", MAILGUN_API_KEY="key",
            MAILGUN_SENDER_DOMAIN="papers.example.org", SECURE_SSL_REDIRECT=0, SECOND_FACTOR="optional", **settings,
        )  # fmt: skip
        made = Installation(folder, environment, redis_port)
        try:
            _start_redis(made)
            made.manage("migrate", "-v0")
            yield made
        finally:
            for process in reversed(made.processes.values()):
                process.terminate()
            for process in made.processes.values():
                process.wait(30)
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _start_redis(made: Installation) -> None:
    server = embedded_redis.executable("auto")
    made.start(
        "redis", server, "--port", str(made.redis_port), "--bind", "127.0.0.1", "--save", "",
        "--dir", str(made.folder),
    )  # fmt: skip
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        try:
            with redis.Redis(port=made.redis_port) as client:
                client.ping()
        except redis.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("redis-server does not answer")


def seed(readers: int, selections: int, *, with_keywords: bool = False, slot_hour: int = 7) -> None:
    """An edition of DAY and active readers who are due, spread over that many selections, of topics
    and, `with_keywords`, of KEYWORDS words or phrases and an author each, too.

    Runs in a process with the installation's settings; what the readers follow is stored for one
    of each selection, which is all that planning reads.
    """
    from django.db import connection  # noqa: PLC0415  after the settings

    from digest.editions import building  # noqa: PLC0415
    from subscriptions.models import Topic  # noqa: PLC0415
    from subscriptions.records import Rhythm  # noqa: PLC0415
    from subscriptions.services import slots  # noqa: PLC0415
    from tests.bench.archive import vocabulary  # noqa: PLC0415
    from tests.digest.builders import make_listing, make_paper  # noqa: PLC0415

    topics = {topic.slug: topic for topic in Topic.objects.all()}
    by_chance = random.Random(1)
    known = vocabulary()
    weights = list(accumulate(1 / (rank + 8) for rank in range(len(known))))
    for number in range(PAPERS):
        paper = make_paper(
            arxiv_id=f"2608.{number:05}",
            title=f"Paper {number}: an efficient closed-loop harness for self-evolving systems",
            abstract=" ".join(by_chance.choices(known, cum_weights=weights, k=180)),
            authors=[
                f"{name} {number}" for name in ("Ada Lovelace", "Alan Turing", "Grace Hopper")
            ],
            upvotes=100 - number,
            topics=by_chance.sample(list(topics.values()), 3),
        )
        make_listing(paper, DAY)
    building.build(DAY)
    slot = slots.ensure(Rhythm("daily", slot_hour, "UTC"), datetime(2026, 8, 20, 8, tzinfo=UTC))
    words = known[COMMON:WORDS] if with_keywords else []
    chosen = _selections(sorted(topics), words, selections, by_chance)
    with connection.cursor() as cursor:
        _insert_readers(cursor, readers, slot.pk, chosen, topics)


def _selections(slugs: list[str], words: list[str], number: int, by_chance: random.Random) -> list:
    from subscriptions.records import Selection  # noqa: PLC0415

    found: dict = {}
    while len(found) < number:
        picked = tuple(sorted(by_chance.sample(slugs, by_chance.randint(1, 6))))
        selection = Selection(topics=picked, length=by_chance.randint(5, 12))
        if words:
            followed = {" ".join(by_chance.sample(words, 1 + n % 2)) for n in range(KEYWORDS)}
            author = f"Turing {by_chance.randrange(10 * PAPERS)}"
            selection = replace(selection, keywords=tuple(sorted(followed)), authors=(author,))
        found[selection.key] = selection
    return list(found.values())


def _insert_readers(cursor, readers: int, slot_id: int, chosen: list, topics: dict) -> None:
    cursor.execute("CREATE TEMP TABLE pick (n int PRIMARY KEY, key text, length int)")
    cursor.execute("CREATE TEMP TABLE pick_topic (n int, topic bigint)")
    cursor.execute("CREATE TEMP TABLE pick_keyword (n int, text text)")
    cursor.execute("CREATE TEMP TABLE pick_author (n int, name text)")
    with cursor.copy("COPY pick FROM STDIN") as rows:
        for number, selection in enumerate(chosen):
            rows.write_row((number, selection.key, selection.length))
    with cursor.copy("COPY pick_topic FROM STDIN") as rows:
        for number, selection in enumerate(chosen):
            for slug in selection.topics:
                rows.write_row((number, topics[slug].pk))
    for kind in ("keyword", "author"):
        with cursor.copy(f"COPY pick_{kind} FROM STDIN") as rows:
            for number, selection in enumerate(chosen):
                for word in getattr(selection, f"{kind}s"):
                    rows.write_row((number, word))
    cursor.execute(
        """
        INSERT INTO subscriptions_subscriber (
            public_id, email, address_hash, state, token_version, frequency, hour, timezone,
            length, selection_key, slot_id, created_at, confirmed_at
        ) SELECT gen_random_uuid(), 'reader' || i || '@example' || (i %% 1000) || '.org',
            encode(sha256(i::text::bytea), 'hex'), 'active', 1, 'daily', 7, 'UTC',
            pick.length, pick.key, %s, now(), now()
        FROM generate_series(1, %s) i JOIN pick ON pick.n = i %% %s
        """,
        [slot_id, readers, len(chosen)],
    )
    cursor.execute(
        """
        CREATE TEMP TABLE one AS
        SELECT MAX(subscriber.id) AS id, pick.n FROM subscriptions_subscriber AS subscriber
        JOIN pick ON pick.key = subscriber.selection_key GROUP BY pick.n;
        INSERT INTO subscriptions_subscription (subscriber_id, topic_id, created_at)
        SELECT one.id, topic, now() FROM one JOIN pick_topic USING (n);
        INSERT INTO subscriptions_followedkeyword (subscriber_id, text)
        SELECT one.id, text FROM one JOIN pick_keyword USING (n);
        INSERT INTO subscriptions_followedauthor (subscriber_id, name)
        SELECT one.id, name FROM one JOIN pick_author USING (n)
        """
    )
    # As autovacuum leaves tables that are older than this.
    cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    seed(int(sys.argv[1]), int(sys.argv[2]), with_keywords="keywords" in sys.argv[3:])
