"""Digests through Amazon SES as moto knows it: a counterpart that is not ours."""

import email
import json
import subprocess
import sys
from email import policy
from importlib.util import find_spec

import boto3
import pytest
import requests

from tests.flows.faults_seed import FIRST_DAY
from tests.flows.processes import ROOT, Installation, free_port, wait_for
from tests.services import missing

pytestmark = pytest.mark.flow
READERS = 30
REGION = "eu-west-1"


@pytest.fixture
def moto(tmp_path):
    """The address of the server, in which the sender's domain is verified."""
    if find_spec("moto") is None or find_spec("flask") is None:
        missing("no moto[server]")
    port = free_port()
    server = Installation(tmp_path / "moto")
    server.start("moto", [sys.executable, "-m", "moto.server", "-p", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: "Running" in server.log("moto"), what="moto")
        client = boto3.client(
            "sesv2", endpoint_url=address, region_name=REGION, aws_access_key_id="key",
            aws_secret_access_key="secret",
        )  # fmt: skip
        client.create_email_identity(EmailIdentity="papers.example.org")
        client.close()
        yield address
    finally:
        server.stop()


@pytest.fixture
def installation(tmp_path, moto):
    made = Installation(
        tmp_path / "papers", EMAIL_PROVIDERS="amazon_ses", LOG_LEVEL="WARNING",
        DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>", AWS_ENDPOINT_URL=moto,
        AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION=REGION,
    )  # fmt: skip
    made.manage("migrate", "-v0")
    subprocess.run(
        [sys.executable, "-m", "tests.flows.faults_seed", str(READERS), "0"],
        cwd=ROOT, env=made.environment, check=True, timeout=120,
    )  # fmt: skip
    return made


def mails(address):
    """What SES took, as MIME."""
    found = requests.get(f"{address}/moto-api/data.json", timeout=10).json()
    raw = [entry["raw_data"] for entry in found["ses"]["RawMessage"]]
    return [email.message_from_string(text, policy=policy.default) for text in raw]


def test_ses_takes_each_reader_once_with_all_headers(installation, moto):
    sent = installation.manage(
        "send_digests", "--date", str(FIRST_DAY), "--now", "2041-01-01T08:00:00+00:00", "--yes", "--wait",
        "--json",
    )  # fmt: skip
    ledger = json.loads(sent.stdout)
    assert (ledger["sent"], ledger["due"], ledger["balanced"]) == (READERS, READERS, True)
    found = mails(moto)
    assert len({mail["To"] for mail in found}) == len(found) == READERS
    links = set()
    for mail in found:
        assert mail["From"] == "Daily Papers <digest@papers.example.org>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["Message-ID"].endswith("@papers.example.org>")
        assert set(json.loads(mail["X-Metadata"])) >= {"delivery"}
        assert mail["Cc"] is mail["Bcc"] is None
        link = mail["List-Unsubscribe"].strip("<>")
        assert all(link in part.get_content() for part in mail.iter_parts())
        links.add(link)
    assert len(links) == READERS
