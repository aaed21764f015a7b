"""Errors of real processes, as they arrive at Sentry and in the log: whole, and without readers."""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler

import brotli
import pytest
import requests

from tests.flows.processes import Installation, wait_for
from tests.servers import LocalServer

pytestmark = pytest.mark.flow
ADDRESS = "reader@example.org"
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgh"


class FakeSentry(LocalServer):
    """Takes envelopes, and keeps their bytes."""

    def __init__(self):
        envelopes = self.envelopes = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Sentry's library takes brotli where something else brought it.
                unpacked = {"gzip": gzip.decompress, "br": brotli.decompress}
                envelopes.append(unpacked[self.headers["Content-Encoding"]](body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(Handler)

    def events(self):
        items = [line for body in list(self.envelopes) for line in body.splitlines()]
        found = [json.loads(line) for line in items if line.startswith(b"{")]
        return [each for each in found if "exception" in each]

    def has(self, kind):
        return [each for each in self.events() if kind in str(each.get("transaction"))]


@pytest.fixture
def sentry():
    with FakeSentry() as running:
        yield running


@pytest.fixture
def papers(tmp_path, sentry):
    """An installation without tables: whatever is asked of it fails for a real reason."""
    made = Installation(
        tmp_path, LOG_FORMAT="json", SENTRY_DSN=sentry.url.replace("://", "://key@") + "/1",
        SENTRY_ENVIRONMENT="flow",
    )  # fmt: skip
    python = [sys.executable, "-m"]
    made.start("web", [*python, "gunicorn", "config.wsgi", f"--bind=127.0.0.1:{made.port}",
                       "--access-logfile=-", "--worker-class=gthread", "--threads=2"])  # fmt: skip
    made.start("worker", [*python, "celery", "-A", "config", "worker", "-Q", "fetch,digest",
                          "--concurrency=1", "--loglevel=INFO"])  # fmt: skip
    try:
        wait_for(made.is_up, what="web")
        yield made
    finally:
        made.stop()


def ask_for_trouble(papers):
    headers = {"Cookie": f"sessionid={TOKEN}", "Referer": f"{papers.url}/x/{TOKEN}/"}
    link = f"{papers.url}/preferences/{TOKEN}/?email={ADDRESS}"
    answers = [
        requests.post(f"{papers.url}/subscribe/", {"email": ADDRESS}, headers=headers, timeout=20),
        requests.get(link, headers=headers, timeout=20),
        requests.get(f"{papers.url}/?q={ADDRESS}", headers=headers, timeout=20),
    ]
    send = "from subscriptions import tasks; tasks.send_messages.delay()"
    papers.manage("shell", "-v0", "-c", send)
    return [each.status_code for each in answers]


def test_errors_of_pages_and_tasks_arrive_without_address_or_token(papers, sentry):
    assert 500 in ask_for_trouble(papers)
    wait_for(lambda: sentry.has("subscriptions.tasks.send_messages"), what="the task's error")
    (page, *_) = wait_for(lambda: sentry.has("/"), what="the page's error")
    assert page["environment"] == "flow"
    assert page["release"].startswith("daily-papers@")
    assert page["exception"]["values"][-1]["type"] == "OperationalError"
    assert len(page["tags"]["request_id"]) == 16
    sent = b"\n".join(sentry.envelopes).decode()
    assert "no such table" in sent
    for secret in (ADDRESS, TOKEN, "sessionid"):
        assert secret not in sent


def test_every_line_of_every_process_is_json_without_address_or_token(papers, sentry):
    ask_for_trouble(papers)
    wait_for(lambda: "send_messages" in papers.log("worker"), what="the task's error in the log")
    papers.stop()
    lines = [line for name in ("web", "worker") for line in papers.log(name).splitlines() if line]
    # Celery writes this one by itself, inside a signal's handler, where nothing may be logged.
    records = [json.loads(line) for line in lines if line != "worker: Warm shutdown (MainProcess)"]
    assert {"time", "level", "logger", "event"} <= set.intersection(*(set(r) for r in records))
    failed = [r for r in records if r.get("task") == "subscriptions.tasks.send_messages"]
    assert failed[0]["task_id"]
    assert failed[0]["exception"]["type"].endswith("OperationalError")
    assert any(r["logger"] == "gunicorn.error" and "Listening" in r["event"] for r in records)
    assert any("/preferences/[token]/" in r["event"] for r in records)
    assert not [line for line in lines if ADDRESS in line or TOKEN in line]
