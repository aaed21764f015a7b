"""An import that is killed in the middle: nothing is lost, nobody is mailed twice, and it goes on."""

import json
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from tests.flows.processes import ROOT, Installation, wait_for

pytestmark = pytest.mark.flow
ROWS = 12_000


@pytest.fixture
def made(tmp_path, postgres_database):
    installation = Installation(
        tmp_path, DATABASE_URL=postgres_database, REDIS_URL="redis://127.0.0.1:9/0", DEBUG=1
    )
    installation.manage("migrate", "-v0")
    return installation


def test_killed_import_goes_on_and_mails_nobody_twice(made, postgres_database, tmp_path):
    file = tmp_path / "readers.csv"
    file.write_text("email\n" + "".join(f"reader{n}@example.org\n" for n in range(ROWS)))

    def number(what):
        with psycopg.connect(postgres_database) as database:
            return database.execute(f"SELECT count(*) FROM subscriptions_{what}").fetchone()[0]  # noqa: S608

    made.start("import", [sys.executable, "manage.py", "import_subscribers", str(file)])
    wait_for(lambda: number("subscriber") >= 3000, what="the first pages")
    made.processes["import"].send_signal(signal.SIGKILL)
    made.processes["import"].wait(20)
    taken = number("subscriber")
    assert 3000 <= taken < ROWS
    assert number("transactionalmessage") == number("consentrecord") == taken
    said = json.loads(made.manage("import_subscribers", str(file), "--json").stdout)
    assert (said["added"], said["known"]) == (ROWS - taken, taken)
    assert number("subscriber") == number("transactionalmessage") == number("consentrecord") == ROWS
    started = time.monotonic()
    said = json.loads(made.manage("import_subscribers", str(file), "--json").stdout)
    assert (said["added"], said["known"]) == (0, ROWS)
    assert time.monotonic() - started < 30


def test_import_that_is_interrupted_says_how_to_go_on(made, tmp_path):
    file = tmp_path / "readers.csv"
    file.write_text("email\n" + "".join(f"reader{n}@example.org\n" for n in range(ROWS)))
    # Where the tests run in the background of a shell, that ignores Ctrl-C for all below it.
    process = subprocess.Popen(
        [
            "env", "--default-signal=INT",
            sys.executable, "manage.py", "import_subscribers", str(file),
        ],
        cwd=ROOT, env=made.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with psycopg.connect(made.environment["DATABASE_URL"]) as database:
        query = "SELECT 1 FROM subscriptions_subscriber LIMIT 1"
        wait_for(lambda: database.execute(query).fetchone(), what="the first page")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
