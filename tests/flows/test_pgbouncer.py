"""Everything works through a real PgBouncer in transaction mode, with few connections behind it."""

import os
import pwd
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from tests.esp import FakeEsp
from tests.flows.postgres_server import postgres_server, programs
from tests.flows.processes import ROOT, clean_environment, free_port, wait_for
from tests.services import missing
from tests.upstream import FakeUpstream

pytestmark = pytest.mark.flow
READERS = 300
DAY = "2026-08-20"
POOL = 2
TWO_SESSIONS = f"""
import django
django.setup()
from django.db import connection, transaction
from subscriptions.models import Subscriber
import psycopg, os
rows = Subscriber.objects.order_by("pk").iterator(chunk_size=10)
found = [next(rows)]
with psycopg.connect(os.environ["DATABASE_URL"]) as other:
    other.execute("SELECT 1")  # its transaction holds the session that the rows began in
    found += rows
assert len(found) == {READERS}, len(found)
"""


@contextmanager
def pgbouncer(server, folder):
    """The address of a pooler of its own, with `POOL` sessions for all."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        missing("no pgbouncer")
    port, user = free_port(), pwd.getpwnam("postgres")
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"[databases]\npapers = host=127.0.0.1 port={server.port} user=test\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\n"
        f"unix_socket_dir =\npool_mode = transaction\ndefault_pool_size = {POOL}\n"
    )
    for path in (file, *folder.parents[:2], folder):
        path.chmod(0o755)
    as_user = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, file], stdout=log, stderr=log, **as_user)
    url = f"postgres://test@127.0.0.1:{port}/papers"
    try:
        wait_for(lambda: answers(url), what="PgBouncer")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url):
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


class Stage:
    def __init__(self, folder, url, esp, upstream):
        self.environment = clean_environment(
            VAR_DIR=folder / "var", DATABASE_URL=url, DATABASE_POOLED=1, DEBUG=1,
            EMAIL_PROVIDERS="mailgun", MAILGUN_API_KEY="key", MAILGUN_API_URL=esp.url,
            MAILGUN_SENDER_DOMAIN="papers.example.org", HUGGING_FACE_URL=upstream.url,
            DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>", LOG_LEVEL="WARNING",
            DJANGO_SETTINGS_MODULE="config.settings",
        )  # fmt: skip

    def python(self, *arguments, lines=(), **settings):
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment | settings, timeout=120,
            input="\n".join(lines), capture_output=True, text=True, check=False,
        )  # fmt: skip

    def run(self, *lines):
        done = self.python("-m", "tests.flows.several", lines=lines)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    if programs() is None:
        missing("no PostgreSQL server to start")
    folder = tmp_path_factory.mktemp("pgbouncer")
    readers = folder / "readers.csv"
    lines = [f"reader{number}@example.org,agents,daily,UTC,7" for number in range(READERS)]
    readers.write_text("\n".join(["email,topics,frequency,timezone,hour", *lines]))
    with postgres_server() as server, FakeEsp() as esp, FakeUpstream() as upstream:
        server.create("papers")
        with pgbouncer(server, folder) as url:
            made = Stage(folder, url, esp, upstream)
            made.run("migrate -v0", f"import_subscribers {readers} --confirmed --consent 'by hand'")
            made.esp = esp
            yield made


def test_an_edition_goes_out_by_more_processes_than_there_are_sessions(stage):
    stage.run(
        f"fetch_papers --date {DAY} --source hugging_face", f"build_edition --date {DAY} --yes",
        "everybody_is_due", f"send_digests --date {DAY}",
    )  # fmt: skip
    with ThreadPoolExecutor() as pool:
        parts = [*[f"send_a_part {READERS // 10}"] * 3, f"send_digests --date {DAY} --wait"]
        list(pool.map(lambda _: stage.run(*parts), range(POOL + 1)))
    assert len(stage.esp.inbox) == READERS
    assert {len(copies) for copies in stage.esp.inbox.values()} == {1}
    assert '"balanced": true' in stage.run(f"ledger --date {DAY} --json").replace("\\", "")


def test_long_answers_are_read_whole_whichever_session_they_meet(stage):
    done = stage.python("-c", TWO_SESSIONS)
    assert done.returncode == 0, done.stderr


def test_without_the_setting_they_are_not(stage):
    """So the setting is needed, and the test before is one of it."""
    done = stage.python("-c", TWO_SESSIONS, DATABASE_POOLED="0")
    assert "cursor" in done.stderr
    assert "does not exist" in done.stderr
