"""A reader's whole life on PostgreSQL and Redis, with every library at its loudest: no address and no
token is in any log, task, key of the cache, metric or report; and who is erased is nowhere any more.
"""

import gzip
import json
import re
import secrets
import subprocess
import sys
import threading
import time
import uuid
from base64 import b64decode
from email import message_from_bytes, policy
from pathlib import Path

import psycopg
import pytest
import redis
import requests
from aiosmtpd.controller import Controller

from tests.esp.events import Events, path_of, request_of
from tests.esp.faults import named
from tests.esp.records import Event
from tests.esp.server import FakeEsp
from tests.flows import leaks
from tests.flows.processes import Installation, free_port, wait_for
from tests.flows.test_reports import FakeSentry
from tests.smtp import Sink

pytestmark = pytest.mark.flow
BIN = Path(sys.executable).parent
READER, MOVED = "Grace.Hopper+papers@example.org", "grace.moved@example.net"
BAD, LISTED, UNLUCKY = "bad.mailbox@example.org", "listed@example.org", "unlucky@example.org"
PEOPLE = [READER, MOVED, BAD, LISTED, UNLUCKY]
WORD = "Hopperian compilers"
SECRETS = {
    "SECRET_KEY": "only for this test, and long enough to please Django's own checks",
    "WEBHOOK_SECRET": "papers:a-secret-of-the-webhook",
    "METRICS_TOKEN": "a-secret-of-the-metrics",
    "MAILGUN_WEBHOOK_SIGNING_KEY": "a-secret-of-its-events",
}


class Overheard:
    """Everything that any process says to Redis: tasks, keys and values of the cache, locks."""

    def __init__(self, server):
        self.commands: list[str] = []
        self._client = redis.Redis(port=server.port, socket_timeout=None)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with self._client.monitor() as heard:
            try:
                for each in heard.listen():
                    self.commands.append(each["command"])
            except (redis.RedisError, ValueError, OSError):
                pass  # It ends with the server.

    def tasks(self):
        bodies = re.findall(r'"body\\*": \\*"([A-Za-z0-9+/=]+)', " ".join(self.commands))
        return [b64decode(body).decode() for body in bodies]


@pytest.fixture(params=["mailgun", "smtp"])
def way(request):
    return request.param


@pytest.fixture
def esp():
    with FakeEsp() as running:
        yield running


@pytest.fixture
def sink():
    handler = Sink()
    server = Controller(handler, hostname="127.0.0.1", port=free_port())
    server.start()
    handler.port = server.port
    yield handler
    server.stop()


@pytest.fixture
def sentry():
    with FakeSentry() as running:
        yield running


@pytest.fixture
def overheard(redis_server):
    return Overheard(redis_server)


@pytest.fixture
def papers(  # noqa: PLR0917  what it stands on
    tmp_path, way, esp, sink, sentry, overheard, postgres_database, redis_server
):
    made = Installation(
        tmp_path, DJANGO_SETTINGS_MODULE="tests.flows.loud_settings", DATABASE_URL=postgres_database,
        REDIS_URL=redis_server.url, DEBUG=0, ALLOWED_HOSTS="127.0.0.1", EMAIL_PROVIDERS=way,
        MAILGUN_API_KEY="key", MAILGUN_API_URL=esp.url, MAILGUN_SENDER_DOMAIN="papers.example.org",
        SMTP_URL=f"smtp://127.0.0.1:{sink.port}",
        SENTRY_DSN=sentry.url.replace("://", "://key@") + "/1", LOG_LEVEL="DEBUG",
        DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>", POSTAL_ADDRESS="12 Sample Street",
        HUGGING_FACE_URL="http://127.0.0.1:9", ARXIV_API_URL="http://127.0.0.1:9",
        ARXIV_RSS_URL="http://127.0.0.1:9", SIGNUP_RATE_CLIENT="500/h", **SECRETS,
    )  # fmt: skip
    made.manage("migrate", "-v0")
    made.manage("collectstatic", "-v0", "--noinput")
    made.manage("first_edition")
    made.start("web", [
        str(BIN / "gunicorn"), "config.wsgi", f"--bind=127.0.0.1:{made.port}", "--access-logfile=-",
        "--log-level=debug", "--worker-class=gthread", "--threads=4",
    ])  # fmt: skip
    celery = [str(BIN / "celery"), "-A", "config"]
    made.start(
        "worker", [*celery, "worker", "-Q", "fetch,digest,mail", "-c", "2", "-l", "DEBUG", "-E"]
    )
    made.start("beat", [*celery, "beat", "-s", str(tmp_path / "beat"), "-l", "DEBUG"])
    try:
        wait_for(made.is_up, what="web")
        yield made
    finally:
        made.stop()


class Mailboxes:
    """What came to readers, by either way."""

    def __init__(self, way, esp, sink):
        self.way, self.esp, self.sink = way, esp, sink

    def texts(self, address):
        if self.way == "mailgun":
            return [
                f"{copy.subject}\n{copy.text}\n{copy.headers}" for copy in self.esp.inbox[address]
            ]
        mails = [m for to, m in list(self.sink.mails) if address in to]
        return [_text(message_from_bytes(raw, policy=policy.default)) for raw in mails]

    def link(self, address, part):
        def found():
            for text in self.texts(address):
                if hit := re.search(rf"https?://[^\s>]+/{part}/[^\s>)\"']+", text):
                    return hit[0].removesuffix("<")
            return None

        return wait_for(found, seconds=90, what=f"{part} for {address}")

    def everything(self):
        return "\n".join(text for address in PEOPLE for text in self.texts(address))


def _text(mail):
    return (
        f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}\n{mail['List-Unsubscribe']}"
    )


@pytest.fixture
def mailboxes(way, esp, sink):
    return Mailboxes(way, esp, sink)


class Life:
    """What a reader's browser does, and every page that it was shown."""

    def __init__(self, papers, mailboxes):
        self.url, self.mailboxes = papers.url, mailboxes
        self.tokens: set[str] = set()
        self._browser = requests.Session()

    def post(self, address, **fields):
        return self._keep(self._browser.post(self._whole(address), fields, timeout=30), address)

    def get(self, address):
        return self._keep(self._browser.get(self._whole(address), timeout=30), address)

    def _whole(self, address):
        return address if address.startswith("http") else self.url + address

    def _keep(self, answer, address):
        said = f"{address} {answer.text} {self.mailboxes.everything()}"
        self.tokens |= set(re.findall(r"/([A-Za-z0-9_-]{43,})/", said))
        self.tokens |= {value for value in self._browser.cookies.values() if len(value) >= 43}
        return answer

    def join(self, address):
        assert self.post("/subscribe/", email=address, topics=["agents"]).status_code == 200
        # The browser that signed up confirms by opening the link.
        return self.get(self.mailboxes.link(address, "confirm")).text


def ask_for_digest(life, page, address):
    life.post(re.search(r'action="(/digests/send/[^"]+)"', page)[1])
    return life.mailboxes.link(address, "digests")


def choose(life, preferences):
    form = life.get(preferences).text
    life.post(
        preferences, save="1", keywords=[WORD], topics=["agents"], frequency="daily", hour="7",
        timezone="UTC", length="8", pause="0", learns="1",
    )  # fmt: skip
    more = re.search(r'href="([^"]*/my-data/[^"]+)"', form)[1]
    ask = re.search(r'href="([^"]*/address/[^"]*)"|href="([^"]*/preferences/[^"]+/address/)"', form)
    return more, next(each for each in ask.groups() if each)


def run_into_errors(life, papers, database):
    """Pages and tasks fail with the reader's address and link in hand."""
    database.execute("ALTER TABLE subscriptions_consentrecord RENAME TO gone")
    assert life.post("/subscribe/", email=UNLUCKY).status_code == 500
    database.execute("ALTER TABLE gone RENAME TO subscriptions_consentrecord")
    database.execute("ALTER TABLE subscriptions_suppression RENAME TO gone")
    assert life.post("/preferences/", email=MOVED).status_code == 500
    database.execute("ALTER TABLE gone RENAME TO subscriptions_suppression")
    answer = requests.post(
        f"{papers.url}/api/v1/subscribe", json={"email": f"{UNLUCKY} "}, timeout=30,
        headers={"Referer": f"{papers.url}/preferences/{'Ab1' * 20}/", "Cookie": f"x={READER}"},
    )  # fmt: skip
    assert answer.status_code in (202, 422)
    assert life.get(f"/search/?q={READER}").status_code == 200
    assert life.get(f"/no/such/page/{READER}/{'Ab1' * 20}/").status_code == 404


def bring_list(papers):
    rows = papers.folder / "list.csv"
    rows.write_text(f"email,topics\n{LISTED},agents\nno address of {UNLUCKY},agents\n")
    done = papers.manage("import_subscribers", str(rows), check=False)
    return done.stderr


def report(papers, esp, way, database):
    """An event, with words of a mail server that name the reader, which is applied; and a forged one."""
    if way != "mailgun":
        return
    (digest,) = [copy for copy in esp.inbox[READER] if "delivery" in copy.metadata]
    told = Event("deferred", digest, time.time(), secrets.token_hex(25))
    headers, body = request_of(told, Events(papers.url, SECRETS["WEBHOOK_SECRET"],
                                            SECRETS["MAILGUN_WEBHOOK_SIGNING_KEY"]))  # fmt: skip
    words = json.loads(body)
    said = f"452 4.2.2 <{READER}>: the mailbox of {READER} is full"
    words["event-data"]["delivery-status"] |= {"message": said, "description": said}
    posted = requests.post(
        papers.url + path_of(told), json.dumps(words), headers=headers, timeout=10
    )
    assert posted.status_code == 200
    applied = (
        "SELECT 1 FROM digest_event"
        " WHERE description LIKE '%: the mailbox of %' AND applied_at IS NOT NULL"
    )
    wait_for(lambda: database.execute(applied).fetchone(), what="the event's effect")
    url = f"{papers.url}/webhooks/mailgun/tracking/"
    body = json.dumps({"event-data": {"event": "failed", "recipient": READER}})
    forged = requests.post(url, body, auth=("papers", "wrong"), timeout=10)
    assert forged.status_code in (400, 403)


def everything_written(papers, overheard, sentry):
    """By name: what each part of the installation wrote about readers, beside its database."""
    scrape = requests.get(
        f"{papers.url}/metrics", timeout=10,
        headers={"Authorization": f"Bearer {SECRETS['METRICS_TOKEN']}"},
    )  # fmt: skip
    assert "daily_papers" in scrape.text or "digest" in scrape.text
    logs = {path.name: path.read_text(errors="replace") for path in papers.folder.glob("*.log")}
    return logs | {
        "redis": "\n".join(overheard.commands),
        "tasks": "\n".join(overheard.tasks()),
        "metrics": scrape.text,
        "status": requests.get(f"{papers.url}/status/", timeout=10).text,
        "sentry": "\n".join(body.decode(errors="replace") for body in sentry.envelopes),
    }


def test_no_address_and_no_token_is_written_anywhere(  # noqa: PLR0917  all that is looked into
    papers, way, esp, sink, mailboxes, overheard, sentry, postgres_database
):
    life = Life(papers, mailboxes)
    page = life.join(READER)
    life.get(ask_for_digest(life, page, READER))
    more, ask = choose(life, life.get(mailboxes.link(READER, "digests/manage")).url)
    data = life.get(more).json()
    assert WORD in str(data["followed_keywords"])

    sink.refuse[BAD] = f"550 5.1.1 <{BAD}>: {BAD} is unknown here"
    if way == "mailgun":
        esp.faults.append(named("bad", BAD))
    life.post("/subscribe/", email=BAD)
    imported = bring_list(papers)
    mailboxes.link(LISTED, "confirm")

    life.post(ask, email=MOVED)
    life.post(mailboxes.link(MOVED, "address"))
    unsubscribe = mailboxes.link(READER, "unsubscribe")
    said = life.post(unsubscribe, **{"List-Unsubscribe": "One-Click"}).text
    life.post(unsubscribe, why="1", reason="other")
    undo = re.search(r'name="undo" value="([^"]+)"', said)[1]
    assert "subscribed again" in life.post(unsubscribe, undo=undo).text
    life.post("/preferences/", email=MOVED)
    moved_link = mailboxes.link(MOVED, "preferences")
    with psycopg.connect(postgres_database, autocommit=True) as database:
        run_into_errors(life, papers, database)
        report(papers, esp, way, database)
    wait_for(sentry.events, what="a report")

    form = life.get(moved_link).text
    more = re.search(r'href="([^"]*/my-data/[^"]+)"', form)[1]
    public_id = _id_of(postgres_database, MOVED)
    assert life.post(more).status_code == 200
    assert life.post(more).status_code == 404
    _wait_until_quiet(postgres_database)
    papers.manage(
        "shell", "-v0", "-c", "from digest import tasks; tasks.forget.delay()", check=False
    )

    written = everything_written(papers, overheard, sentry) | {"import": imported}
    assert len(life.tokens) > 8
    assert "DEBUG" in written["web.log"] + written["worker.log"]
    assert len(overheard.tasks()) > 5
    # They would have been there.
    assert "[address]" in written["web.log"] + written["worker.log"]
    assert "/[token]/" in written["web.log"]
    assert "UndefinedTable" in written["sentry"] or "relation" in written["sentry"]
    wrong = [
        f"{name}: {found}"
        for name, text in written.items()
        for found in _known_in(text, [*PEOPLE, *life.tokens, *leaks.secrets_of(papers)])
    ]
    assert not wrong, "\n".join(sorted(set(wrong))[:30])
    assert [f for name in ("web.log", "worker.log", "beat.log", "sentry", "metrics", "tasks")
            for f in leaks.in_text(written[name])] == []  # fmt: skip
    check_nothing_is_left(papers, postgres_database, overheard, public_id, life.tokens)


def _known_in(text, known):
    """Which of these stand in the text, whatever their form."""
    folded = text.lower()
    for each in known:
        forms = {each, each.replace("@", "%40"), each.replace("@", "=40"), each.replace("+", "%2B")}
        if any(form.lower() in folded for form in forms):
            yield each
    yield from (f for f in leaks.in_text(text) if f.startswith("base64 of") and "@" in f)


def _id_of(url, address):
    with psycopg.connect(url) as database:
        query = "SELECT public_id FROM subscriptions_subscriber WHERE email = %s"
        return str(database.execute(query, [address]).fetchone()[0])


def _wait_until_quiet(url):
    waiting = "SELECT count(*) FROM subscriptions_transactionalmessage WHERE state IN ('pending', 'claimed')"

    def is_quiet():
        with psycopg.connect(url) as database:
            return database.execute(waiting).fetchone()[0] <= 1

    wait_for(is_quiet, seconds=60, what="the worker")


def check_nothing_is_left(papers, url, overheard, public_id, tokens):
    """Of the erased reader: in any table, file under var/, or key of Redis."""
    dump = subprocess.run(
        ["pg_dump", "--data-only", "--inserts", url], capture_output=True, text=True, check=True
    ).stdout
    assert "subscriptions_suppression" in dump
    assert LISTED in dump
    files = "\n".join(
        gzip.decompress(raw).decode(errors="replace") if raw[:2] == b"\x1f\x8b" else raw.decode(errors="replace")
        for path in (papers.folder / "var").rglob("*")
        if path.is_file() and (raw := path.read_bytes())
    )  # fmt: skip
    left = redis.from_url(papers.environment["REDIS_URL"])
    kept = "\n".join(
        repr((key, left.dump(key)))
        for key in left.scan_iter(count=1000)
        if not key.startswith(b"_kombu")
    )
    names = [READER, MOVED, public_id, uuid.UUID(public_id).hex, *tokens]
    for name, text in {"database": dump, "files": files, "redis": kept}.items():
        found = [each for each in names if each.lower() in text.lower()]
        assert not found, f"{name}: {found}"
    assert WORD.lower() not in dump.lower()
    assert "'erased'" in dump
