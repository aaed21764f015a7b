"""From today's papers to a reader's inbox with real processes, on both kinds of installation.

PostgreSQL, Redis, a Celery worker and beat, gunicorn and an SMTP server that keeps the mails; and
the same on SQLite with the embedded broker. Upstream is served from bytes on this machine.
"""

import email
import json
import re
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from email import policy
from pathlib import Path

import pytest
import requests
from aiosmtpd.controller import Controller

from tests.flows.processes import ROOT, Installation, free_port, wait_for
from tests.upstream import FakeUpstream

pytestmark = pytest.mark.flow
DAY = date(2026, 8, 20)
BIN = Path(sys.executable).parent
RECORDED = ROOT.parent / "shared" / "upstream" / "hf_daily_papers" / f"{DAY}.json"


class Keeper:
    """Keeps every mail, as received."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        assert len(envelope.rcpt_tos) == 1
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def to(self, address: str, subject: str = "") -> list[email.message.EmailMessage]:
        return [m for m in list(self.mails) if m["To"] == address and subject in m["Subject"]]


@pytest.fixture
def keeper():
    handler = Keeper()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    handler.port = controller.port
    yield handler
    controller.stop()


@pytest.fixture
def upstream():
    """The day as it really was, where the recorded answers are beside the project."""
    with FakeUpstream() as running:
        if RECORDED.exists():
            running.recorded[DAY] = RECORDED.read_bytes()
        yield running


@pytest.fixture
def postgres_installation(tmp_path, keeper, upstream, postgres_database, redis_server):
    yield from run(
        Installation(
            tmp_path, DATABASE_URL=postgres_database, REDIS_URL=redis_server.url, DEBUG=0,
            SECRET_KEY="only for this test, and long enough to please Django's own checks",
            ALLOWED_HOSTS="127.0.0.1", WEBHOOK_SECRET="user:word", **common(keeper, upstream),
        )
    )  # fmt: skip


@pytest.fixture
def embedded_installation(tmp_path, keeper, upstream):
    yield from run(Installation(tmp_path, **common(keeper, upstream)), embedded=True)


@pytest.fixture(params=["postgres_installation", "embedded_installation"])
def installation(request):
    return request.getfixturevalue(request.param)


def common(keeper, upstream):
    return {
        "EMAIL_PROVIDERS": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{keeper.port}",
        "DEFAULT_FROM_EMAIL": "Daily Papers <digest@papers.example.org>",
        "POSTAL_ADDRESS": "12 Sample Street, Springfield, IL 62701, USA",
        "HUGGING_FACE_URL": upstream.url,
        "ARXIV_API_URL": upstream.url,
        "ARXIV_RSS_URL": upstream.url,
    }


def run(installation, *, embedded=False):
    """The processes of docker-compose.yml, or the one command of `make run`."""
    try:
        if embedded:
            installation.start("run", [sys.executable, "manage.py", "run"])
        else:
            installation.manage("migrate", "-v0")
            installation.manage("collectstatic", "-v0", "--noinput")
            installation.start(
                "web",
                [str(BIN / "gunicorn"), "config.wsgi", "-b", f"127.0.0.1:{installation.port}"],
            )
            celery = [str(BIN / "celery"), "-A", "config"]
            queues = ["-Q", "fetch,digest,mail", "-c", "2"]
            installation.start("worker", [*celery, "worker", *queues])
            schedule = str(installation.folder / "beat")
            installation.start("beat", [*celery, "beat", "-s", schedule])
        wait_for(installation.is_up, what="the web process")
        yield installation
    finally:
        installation.stop(with_signal=signal.SIGINT if embedded else signal.SIGTERM)


def links(mail, pattern):
    text = mail.get_body(("plain",)).get_content()
    return re.findall(rf"https?://\S+/{pattern}/\S+", text)


def subscribe_and_confirm(installation, keeper, address):
    answer = requests.post(
        f"{installation.url}/subscribe/", {"email": address, "topics": ["agents"]}, timeout=10
    )
    assert answer.status_code == 200
    (mail,) = wait_for(lambda: keeper.to(address, "Confirm"), seconds=90, what="confirm mail")
    (link,) = set(links(mail, "confirm"))
    assert requests.get(link, timeout=10).status_code == 200
    page = requests.post(link, timeout=10).text
    assert "You are subscribed" in page
    return page


def test_a_paper_travels_from_upstream_to_an_inbox(installation, keeper):
    installation.manage("fetch_papers", "--date", str(DAY), "--source", "hugging_face")
    installation.manage("build_edition", "--date", str(DAY), "--yes")
    subscribe_and_confirm(installation, keeper, "ada@example.org")
    subscribe_and_confirm(installation, keeper, "alan@example.org")

    # Eight days on, everyone's hour has come; the worker sends, this command only plans.
    later = (datetime.now(UTC) + timedelta(days=8)).isoformat()
    installation.manage("send_digests", "--date", str(DAY), "--now", later, "--yes")
    for address in ("ada@example.org", "alan@example.org"):
        wait_for(lambda a=address: keeper.to(a, " papers"), seconds=90, what=f"digest to {address}")

    found = wait_for(lambda: settled(installation), what="a settled ledger")
    assert (found["due"], found["sent"], found["balanced"]) == (2, 2, True)
    digests = [mail for mail in keeper.mails if mail["List-Id"]]
    assert sorted(mail["To"] for mail in digests) == ["ada@example.org", "alan@example.org"]
    for mail in digests:
        check_digest(mail, installation)
    check_one_click(installation, digests)


def settled(installation):
    found = json.loads(installation.manage("ledger", "--date", str(DAY), "--json").stdout)
    return found if found["pending"] == 0 else None


def check_digest(mail, installation):
    """EMAIL_STANDARDS 2, header by header."""
    once = ("From", "To", "Subject", "Date", "MIME-Version", "Message-ID", "List-Unsubscribe",
            "List-Unsubscribe-Post", "List-Id", "Feedback-ID", "Auto-Submitted", "Precedence")  # fmt: skip
    assert all(len(mail.get_all(name)) == 1 for name in once)
    assert mail["Cc"] is mail["Bcc"] is None
    assert re.fullmatch(rf"<{installation.url}/unsubscribe/[\w-]+/>", mail["List-Unsubscribe"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "Daily Papers <daily.papers.example.org>"
    assert mail["Message-ID"].endswith("@papers.example.org>")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for part in mail.iter_parts():
        content = part.get_content()
        assert mail["List-Unsubscribe"].strip("<>") in content
        assert "12 Sample Street" in content


def check_one_click(installation, digests):
    """RFC 8058: a POST without cookies, no redirect, at once; and the other reader stays."""
    link = digests[0]["List-Unsubscribe"].strip("<>")
    for _ in range(2):
        answer = requests.post(
            link, {"List-Unsubscribe": "One-Click"}, timeout=10, allow_redirects=False
        )
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    exported = installation.manage("export_subscribers").stdout
    assert sorted(line.rsplit(",", 1)[-1] for line in exported.split()[1:]) == [
        "active", "unsubscribed",
    ]  # fmt: skip


def test_new_installation_has_an_edition_to_send_at_once(embedded_installation, keeper):
    """Nobody calls a command: the first edition is made, and the reader asks for it."""
    page = wait_for(
        lambda: (
            "votes" in (text := requests.get(embedded_installation.url, timeout=10).text) and text
        ),
        what="papers on the front page",
    )
    assert "Get trending papers in your email inbox!" in page
    confirmed = subscribe_and_confirm(embedded_installation, keeper, "grace@example.org")
    action = re.search(r'action="(/digests/send/[^"]+)"', confirmed)[1]
    # Until the first edition is closed, the page says so.
    wait_for(
        lambda: "On its way" in requests.post(embedded_installation.url + action, timeout=10).text,
        what="an edition to send",
    )
    requests.post(embedded_installation.url + action, timeout=10)
    wait_for(lambda: keeper.to("grace@example.org", "paper"), seconds=90, what="the digest")
    digests = [mail for mail in keeper.to("grace@example.org") if mail["List-Id"]]
    assert len(digests) == 1
