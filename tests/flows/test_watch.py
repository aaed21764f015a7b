"""Each part is made to fail, and the operator hears of it once, by mail and webhook: a real beat,
worker, Redis and PostgreSQL that are stopped, killed and started again, beside a real `watch`.
"""

import email
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.postgres_server import postgres_server, programs
from tests.flows.processes import Installation, free_port, wait_for
from tests.receiver import receiver
from tests.services import RedisServer, missing
from tests.smtp import fast_sink

pytestmark = pytest.mark.flow
BIN = Path(sys.executable).parent
CELERY = [str(BIN / "celery"), "-q", "-A", "config"]
PAUSE = 4.0
"""Seconds for which nothing more may be told."""


WAITING = """
from datetime import timedelta
from django.utils import timezone
from digest.models import Audience, Batch, Delivery, Edition
made = Edition.objects.create(
    frequency="daily", date="2026-08-20", paper_count=3, due_count=1, batch_count=1
)
audience = Audience.objects.create(edition=made, contents_key="x", cards=[])
batch = Batch.objects.create(pk=made.pk << 32, edition=made, audience=audience, size=1)
Delivery.objects.create(edition=made, audience=audience, batch=batch)
Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=1))
"""
"""A digest that was planned a minute ago."""
COMPLAINTS = """
from django.utils import timezone
from digest.models import DayCount, Event
DayCount.objects.create(provider="smtp", day=timezone.now().date(), messages=2000)
for number in range(3):
    Event.objects.create(provider="smtp", event_id=str(number), type="complained")
"""
FETCHED = """
from datetime import timedelta
from django.utils import timezone
from digest.models import Fetch
now = timezone.now()
Fetch.objects.create(
    source="arxiv", day=now.date(), started_at=now - timedelta(minutes=5), finished_at=now, new=1
)
"""


class House(Installation):
    """An installation whose parts are started and ended one by one, and what its operator heard."""

    def __init__(self, folder, *, postgres, redis, mails, hook, pulse):
        super().__init__(
            folder,
            DJANGO_SETTINGS_MODULE="tests.flows.watch_settings",
            DEBUG=1,
            DATABASE_URL=postgres.url("watched"),
            REDIS_URL=redis.url,
            PAPER_SOURCES="arxiv",
            EMAIL_PROVIDERS="smtp",
            # What the digests go by does not work all along.
            SMTP_URL="smtp://127.0.0.1:9",
            OPERATOR_EMAIL="operator@example.org",
            ALARM_SMTP_URL=f"smtp://127.0.0.1:{mails.port}",
            ALARM_WEBHOOK_URL=f"{hook.url}/hook",
            HEARTBEAT_URL=f"{pulse.url}/beat",
        )
        self.postgres, self.redis = postgres, redis
        self.mails, self.hook, self.pulse = mails, hook, pulse

    def begin(self, name):
        commands = {
            "beat": [*CELERY, "beat", "-s", str(self.folder / "schedule"), "--pidfile="],
            "worker": [*CELERY, "worker", "-Q", "digest", "-c", "2", "--loglevel=INFO"],
            "watch": [sys.executable, "manage.py", "watch", "--every", "1"],
            "web": [
                str(BIN / "gunicorn"),
                "config.wsgi",
                "-b",
                f"127.0.0.1:{self.port}",
                "-w",
                "2",
            ],
        }
        self.start(name, commands[name])

    def end(self, name, number=signal.SIGTERM):
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def sql(self, query, *values):
        with psycopg.connect(self.postgres.url("watched"), autocommit=True) as connection:
            return connection.execute(query, values)

    def heard(self, kind):
        """What the webhook was told of it, in order."""
        return [each["state"] for each in self.hook.posted if each["kind"] == kind]

    def mailed(self, words):
        """How many mails have the words in their subject, which may be folded."""
        subjects = [email.message_from_bytes(body)["Subject"] for _, body in self.mails.mails]
        return sum(words in " ".join(subject.split()) for subject in subjects)

    def hears(self, kind, *states, seconds=40):
        wait_for(lambda: self.heard(kind) == list(states), seconds=seconds, what=f"{kind} {states}")

    def hears_no_more(self):
        before = len(self.hook.calls)
        time.sleep(PAUSE)
        assert len(self.hook.calls) == before

    def becomes_well(self):
        """The heartbeat says so after a while; else what it says is the failure's reason."""
        with suppress(AssertionError):
            wait_for(self.is_well, seconds=90)
        assert self.pulse.calls[-1] == ("/beat", "")

    def is_well(self):
        """Whether the newest call of the heartbeat said so."""
        return bool(self.pulse.calls) and self.pulse.paths[-1] == "/beat"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    if programs() is None:
        missing("no PostgreSQL server to start")
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as parts:
        redis = RedisServer(free_port(), folder)
        redis.start()
        parts.callback(redis.stop)
        postgres = parts.enter_context(postgres_server())
        postgres.create("watched")
        made = House(
            folder,
            postgres=postgres,
            redis=redis,
            mails=parts.enter_context(fast_sink()),
            hook=parts.enter_context(receiver()),
            pulse=parts.enter_context(receiver()),
        )
        parts.callback(made.stop)
        made.manage("migrate", "-v", "0")
        for name in ("beat", "worker", "watch", "web"):
            made.begin(name)
        wait_for(made.is_up, what="the web process")
        wait_for(made.is_well, what="the heartbeat")
        yield made


def test_while_all_is_well_only_the_heartbeat_is_called(house):
    before = len(house.pulse.calls)
    house.hears_no_more()
    assert len(house.pulse.calls) - before >= 2
    assert (house.hook.calls, house.mails.mails) == ([], [])


def test_beat_that_stops_is_told_once_and_its_return_too(house):
    house.end("beat", signal.SIGKILL)
    house.hears("beat_silent", "failing")
    house.hears_no_more()
    assert "Beat is silent" in dict(house.pulse.calls)["/beat/fail"]
    house.begin("beat")
    house.hears("beat_silent", "failing", "well")
    house.becomes_well()
    assert (house.mailed("Beat is silent"), house.mailed("Well again. It was: Beat")) == (2, 1)
    house.end("beat", signal.SIGKILL)
    house.hears("beat_silent", "failing", "well", "failing")
    house.begin("beat")
    house.hears("beat_silent", "failing", "well", "failing", "well")


def test_worker_that_hangs_is_told_and_beat_is_not(house):
    before = len(house.heard("beat_silent"))
    house.end("worker", signal.SIGKILL)
    house.hears("worker_silent", "failing")
    house.hears_no_more()
    house.begin("worker")
    house.hears("worker_silent", "failing", "well")
    assert len(house.heard("beat_silent")) == before


def test_broker_that_is_away_is_told_and_nothing_that_follows_from_it(house):
    before = len(house.hook.calls)
    house.redis.stop()
    house.hears("broker_away", "failing")
    house.hears_no_more()
    house.redis.start()
    house.hears("broker_away", "failing", "well")
    assert len(house.hook.calls) == before + 2


def test_database_that_is_away_is_told_without_it(house):
    before = len(house.hook.calls)
    house.postgres.stop("immediate")
    house.hears("database_away", "failing")
    # Who is started meanwhile knows that it was told.
    house.end("watch")
    house.begin("watch")
    house.hears_no_more()
    assert "The database can't be used" in dict(house.pulse.calls)["/beat/fail"]
    assert 'daily_papers_up{part="database"} 0.0' in metrics(house)
    house.postgres.start()
    house.hears("database_away", "failing", "well")
    house.becomes_well()
    told = {each["kind"] for each in house.hook.posted[before:]}
    assert told <= {"database_away", "worker_silent"}


def test_send_that_nobody_makes_is_told_as_late_unfinished_and_without_senders(house):
    house.manage("shell", "-v", "0", "-c", WAITING)
    for kind in ("senders_silent", "late", "unfinished"):
        house.hears(kind, "failing")
    assert "late" in requests.get(f"{house.url}/status/", timeout=10).text.lower()
    house.sql("UPDATE digest_delivery SET state = 'sent'")
    house.sql("UPDATE digest_batch SET state = 'done', claimed_at = now(), offered_at = now()")
    for kind in ("senders_silent", "late", "unfinished"):
        house.hears(kind, "failing", "well")


def test_ledger_that_does_not_add_up_is_told(house):
    house.sql("UPDATE digest_edition SET due_count = due_count + 1")
    house.hears("unbalanced", "failing")
    house.sql("UPDATE digest_edition SET due_count = due_count - 1")
    house.hears("unbalanced", "failing", "well")


def test_complaints_past_the_line_are_told_once(house):
    house.manage("shell", "-v", "0", "-c", COMPLAINTS)
    house.hears("complaints_warning", "failing")
    house.hears_no_more()
    assert house.mailed("0.15% of the readers of the last seven days complained") == 1


def test_fetches_that_stop_are_told(house):
    house.manage("shell", "-v", "0", "-c", FETCHED)
    house.hears("no_fetch", "failing")
    house.sql("UPDATE digest_fetch SET started_at = now()")
    house.hears("no_fetch", "failing", "well")


def metrics(house):
    return requests.get(f"{house.url}/metrics", timeout=20).text


def total(house, name, **labels):
    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics(house))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_pages_and_tasks_of_all_processes_are_added_up_and_outlive_them(house):
    name = "daily_papers_http_requests_total"
    before = total(house, name, view="site:topics")
    for _ in range(20):
        requests.get(f"{house.url}/topics/", timeout=10)
    assert total(house, name, view="site:topics") == before + 20
    tasks = total(house, "daily_papers_tasks_total", task="digest.tasks.dispatch_digests")
    house.end("web")
    house.begin("web")
    wait_for(house.is_up, what="the web process")
    assert total(house, name, view="site:topics") == before + 20
    assert (
        total(house, "daily_papers_tasks_total", task="digest.tasks.dispatch_digests") >= tasks > 0
    )


def test_every_alarm_was_mailed_as_often_as_it_was_posted(house):
    wait_for(lambda: len(house.mails.mails) == len(house.hook.calls), what="the last mail")
    assert "the watch failed" not in house.log("watch")
