"""`manage.py doctor` beside real processes, a provider and a name server: all well, then all gone."""

import json
import sqlite3
import sys
from base64 import b64encode
from contextlib import closing

import pytest

from tests.digest.management.doctor.test_domain import rsa
from tests.esp import FakeEsp
from tests.flows.processes import Installation, wait_for
from tests.names import NameServer

pytestmark = pytest.mark.flow
SENDER = "papers.example.org"
EXPECTED = {
    "settings": "ok", "database": "ok", "migrations": "ok", "cache": "ok", "workers": "ok",
    "beat": "ok", "providers": "ok", "webhook": "ok", "spf": "ok", "dkim": "ok", "dmarc": "ok",
    "mx": "ok", "site": "ok", "one_click": "ok", "tracking": "ok",
}  # fmt: skip


@pytest.fixture
def dns():
    with NameServer() as server:
        server.text(SENDER, "v=spf1 include:mailgun.org ~all")
        server.text("mailgun.org", "v=spf1 ip4:192.0.2.0/24 -all")
        server.text(f"pdk7._domainkey.{SENDER}", f"v=DKIM1; k=rsa; p={rsa(2048)}")
        server.text("_dmarc.example.org", "v=DMARC1; p=quarantine")
        server.mail(SENDER, "mxa.mailgun.org.")
        yield server


@pytest.fixture
def papers(tmp_path):
    with FakeEsp(keeps_copies=False) as esp:
        made = Installation(
            tmp_path, EMAIL_PROVIDERS="mailgun", MAILGUN_API_KEY="key", MAILGUN_API_URL=esp.url,
            MAILGUN_SENDER_DOMAIN=SENDER, WEBHOOK_SECRET="papers:a-secret-word",
            DEFAULT_FROM_EMAIL=f"Daily Papers <digest@{SENDER}>", HUGGING_FACE_URL=esp.root,
            ARXIV_API_URL="http://127.0.0.1:9", ARXIV_RSS_URL="http://127.0.0.1:9",
        )  # fmt: skip
        made.start("run", [sys.executable, "manage.py", "run"])
        try:
            wait_for(made.is_up, seconds=120, what="web")
            yield made
        finally:
            made.stop()


def look(papers, dns, *arguments):
    done = papers.manage("doctor", "--json", "--resolver", dns.address, *arguments, check=False)
    states = {each["name"]: each["state"] for each in json.loads(done.stdout)}
    return done, states


def events(papers):
    with closing(sqlite3.connect(papers.folder / "var" / "daily_papers.sqlite3")) as database:
        return database.execute("SELECT count(*) FROM digest_event").fetchone()[0]


def test_doctor_finds_all_well_and_then_names_what_is_gone(papers, dns):
    # Beat is heard at once, the worker when it first plans, at the next full minute.
    parts = ("--only", "beat", "--only", "site")
    wait_for(
        lambda: set(look(papers, dns, *parts)[1].values()) == {"ok"}, seconds=150, what="signs"
    )
    done, states = look(papers, dns)
    assert {name: states[name] for name in EXPECTED} == EXPECTED, done.stdout
    assert done.returncode == 0
    assert events(papers) == 0
    papers.stop()
    done, states = look(papers, dns, "--timeout", "30")
    gone = {"workers", "webhook", "site", "one_click"}
    assert {name for name, state in states.items() if state == "fail"} >= gone
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    assert "Traceback" not in shown
    for secret in ("a-secret-word", b64encode(b"papers:a-secret-word").decode()):
        assert secret not in shown
