"""A backup is made in the middle of a send, the database is lost, and comes back on another server.

Real pg_dump and pg_restore between two clusters, with our own commands and a provider that counts.
Between the backup and the loss the rest of the edition went out, and a part of the next one.
"""

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.esp import FakeEsp
from tests.flows.postgres_server import postgres_server, programs
from tests.flows.processes import ROOT, Installation
from tests.services import missing
from tests.upstream import FakeUpstream

pytestmark = pytest.mark.flow
READERS = 60
PART = 20
SATURDAY = 5
THREE_DAYS_OLDER = """
UPDATE digest_fetch SET started_at = started_at - interval '3 days';
UPDATE digest_delivery SET created_at = created_at - interval '3 days';
UPDATE digest_edition SET closed_at = closed_at - interval '3 days';
"""


def weekday_before(day):
    """Weekends have no papers."""
    day -= timedelta(days=1)
    return weekday_before(day) if day.weekday() >= SATURDAY else day


# The last weekday whose edition is past its cutoff.
SECOND = weekday_before((datetime.now(UTC) - timedelta(hours=5)).date())
FIRST = weekday_before(SECOND)


class Stage:
    def __init__(self, folder, esp, upstream, database):
        self.esp = esp
        self.installation = Installation(
            folder, DEBUG=0, SECRET_KEY="only for this test, and long enough for the checks",
            DATABASE_URL=database, EMAIL_PROVIDERS="mailgun", MAILGUN_API_KEY="key",
            MAILGUN_API_URL=esp.url, MAILGUN_SENDER_DOMAIN="papers.example.org",
            DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>", POSTAL_ADDRESS="here",
            WEBHOOK_SECRET="user:word", LOG_LEVEL="WARNING", PAPER_SOURCES="hugging_face",
            HUGGING_FACE_URL=upstream.url, DJANGO_SETTINGS_MODULE="config.settings",
        )  # fmt: skip

    @property
    def database(self):
        return self.installation.environment["DATABASE_URL"]

    def run(self, *commands):
        """What each of the commands said; they run in one process."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.flows.several"], cwd=ROOT, timeout=120, text=True,
            env=self.installation.environment, input="\n".join(commands), capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def change(self, query):
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(query)

    def copies(self):
        """How many each reader got of each digest."""
        found = self.esp.inbox.items()
        return Counter((address, copy.subject) for address, got in found for copy in got)


def tool(name, *arguments):
    subprocess.run([programs() / name, *arguments], check=True, timeout=120)


@pytest.fixture
def servers():
    if programs() is None:
        missing("no PostgreSQL server to start")
    with postgres_server() as old, postgres_server() as new:
        yield old, new


@pytest.fixture
def stage(tmp_path, servers):
    readers = tmp_path / "readers.csv"
    lines = [f"reader{number}@example.org,agents,daily,UTC,7" for number in range(READERS)]
    readers.write_text("\n".join(["email,topics,frequency,timezone,hour", *lines]))
    with ExitStack() as stack:
        esp, upstream = stack.enter_context(FakeEsp()), stack.enter_context(FakeUpstream())
        made = Stage(tmp_path, esp, upstream, servers[0].create("papers"))
        made.run("migrate -v0", f"import_subscribers {readers} --confirmed --consent 'by hand'")
        yield made


def close(day):
    return (f"fetch_papers --date {day}", f"build_edition --date {day} --yes")


def ledger(day):
    return f"ledger --date {day} --json"


def read(said):
    """What is not nothing in a ledger that adds up."""
    found = json.loads(said)
    assert found.pop("balanced") is True
    return {name: number for name, number in found.items() if number and name != "edition"}


def saved_in_the_middle_of_a_send(stage, file):
    """Returns how many papers a search finds."""
    *_, found, said = stage.run(
        *close(FIRST), "everybody_is_due", f"send_digests --date {FIRST}", f"send_a_part {PART}",
        "search agents", ledger(FIRST),
    )  # fmt: skip
    assert read(said) == {"due": READERS, "sent": PART, "pending": READERS - PART}
    # It is three days old when it is needed.
    stage.change(THREE_DAYS_OLDER)
    stage.run("everybody_is_due")
    tool("pg_dump", "--format=custom", "--file", file, stage.database)
    return found


def go_on_until_the_loss(stage):
    """The first edition to its end, and a part of the second, of which the backup knows nothing."""
    said = stage.run(
        f"send_a_part {READERS}", ledger(FIRST), *close(SECOND), "everybody_is_due",
        f"send_digests --date {SECOND}", f"send_a_part {PART}",
    )  # fmt: skip
    assert read(said[1]) == {"due": READERS, "sent": READERS}
    assert stage.copies().total() == READERS + PART


def test_restored_database_sends_nobody_twice_and_forgets_nobody(stage, servers, tmp_path):
    old, new = servers
    dump = tmp_path / "papers.dump"
    found_before = saved_in_the_middle_of_a_send(stage, dump)
    go_on_until_the_loss(stage)
    gone, stopped = stage.copies(), datetime.now(UTC).isoformat()
    old.drop("papers")

    stage.installation.environment["DATABASE_URL"] = new.create("papers")
    tool("pg_restore", "--no-owner", "--exit-on-error", "--dbname", stage.database, dump)
    _, found, _, _, *said = stage.run(
        "migrate --check", "search agents", f"after_restore --stopped {stopped}",
        "send_digests --wait", ledger(FIRST), ledger(SECOND),
    )  # fmt: skip
    assert int(found) == int(found_before) > 0
    assert stage.copies() == gone
    first, second = map(read, said)
    assert first == {"due": READERS, "sent": PART, "uncertain": READERS - PART}
    assert second == {"due": READERS, "uncertain": READERS}

    # The provider's log of each day settles whom it reached; the others get theirs now.
    of_day = [tmp_path / "first.csv", tmp_path / "second.csv"]
    subjects = [subject for _, subject in gone]
    for file, subject in zip(of_day, sorted({*subjects}, key=subjects.count)[::-1], strict=True):
        file.write_text("\n".join(f"{who},accepted" for who, what in gone if what == subject))
    *_, first, second = stage.run(
        f"settle_deliveries --taken {of_day[0]} --date {FIRST}",
        f"settle_deliveries --taken {of_day[1]} --date {SECOND}",
        "settle_deliveries --release", "send_digests --wait", ledger(FIRST), ledger(SECOND),
    )  # fmt: skip
    assert read(first) == read(second) == {"due": READERS, "sent": READERS}
    assert {*stage.copies().values()} == {1}
    assert stage.copies().total() == 2 * READERS
