"""Digests through a real mail server: Postfix takes them from us and relays them to a sink."""

import email
import os
import shutil
import subprocess
from email import policy
from pathlib import Path

import pytest

from digest.delivery.esp.smtp import EmailBackend, Mail
from digest.delivery.mails import mime
from digest.delivery.mails.rendering import READER_TOKENS
from digest.records import Result
from tests.bench.smtp import SENDER, body, common_message
from tests.flows.processes import free_port, wait_for
from tests.services import missing
from tests.smtp import fast_sink

pytestmark = pytest.mark.flow
COUNT = 200
REFUSED = 7

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mta.example.org
mydestination =
mynetworks = 127.0.0.1/32
local_recipient_maps =
alias_maps =
relayhost = [127.0.0.1]:{relay}
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtputf8_enable = no
smtpd_delay_reject = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {refused} = 550 5.1.1 no such user }} }}
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A Postfix of the test's own: its configuration, queue and log are in its folder."""

    def __init__(self, folder: Path, *, relay: int, refused: str):
        self.folder = folder
        self.port = free_port()
        for name in ("config", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        values = {"folder": folder, "relay": relay, "refused": refused, "port": self.port}
        (folder / "config" / "main.cf").write_text(MAIN_CF.format(**values))
        (folder / "config" / "master.cf").write_text(MASTER_CF.format(**values))

    def __enter__(self):
        self.run("start")
        wait_for(lambda: self.run("status", check=False) == 0, seconds=20, what="postfix")
        return self

    def __exit__(self, *_):
        self.run("stop")

    def run(self, command, *, check=True):
        done = subprocess.run(
            ["postfix", "-c", self.folder / "config", command],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr + self.log()
        return done.returncode

    def log(self):
        path = self.folder / "mail.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def folder(tmp_path_factory):
    """A folder that Postfix's own user may enter."""
    made = tmp_path_factory.mktemp("postfix")
    for part in (made, *made.parents):
        if part.is_relative_to(tmp_path_factory.getbasetemp().parent):
            part.chmod(0o755)
    return made


def mail(template, number):
    to = f"reader{number}@example.org"
    headers = {
        "To": to,
        "Date": "Thu, 20 Aug 2026 08:00:00 +0000",
        "Message-ID": f"<{number}@papers.example.org>",
        "List-Unsubscribe": f"<https://papers.example.org/unsubscribe/token-{number}/>",
    }
    values = {name: f"{name}-{number}-end" for name in READER_TOKENS}
    return Mail(number, SENDER, to, template.fill(headers=headers, values=values))


def test_every_digest_arrives_once_and_intact(folder):
    if shutil.which("postfix") is None or os.geteuid() != 0:
        missing("no postfix, or not root, who alone may start it")
    digest = body()
    template = mime.template_of(common_message(digest.subject), digest)
    mails = [mail(template, number) for number in range(COUNT)]
    with (
        fast_sink() as sink,
        Postfix(folder, relay=sink.port, refused=mails[REFUSED].recipient) as postfix,
    ):
        backend = EmailBackend(host="127.0.0.1", port=postfix.port, username="", password="")
        answers = backend.offer_many(mails)
        backend.close()
        refused = answers.pop(REFUSED)
        assert (refused.result, refused.is_dead_address) == (Result.FAILED, True)
        assert {answer.result for answer in answers.values()} == {Result.SENT}
        wait_for(lambda: len(sink.mails) >= COUNT - 1, what="the relayed mails")
    sent = {one.recipient: one.content for one in mails if one.key != REFUSED}
    assert sorted(recipient for recipient, _ in sink.mails) == sorted(sent)
    for recipient, content in sink.mails:
        assert essence(content) == essence(sent[recipient])


def essence(content):
    """What must not change on the way."""
    parsed = email.message_from_bytes(content, policy=policy.default)
    names = ("To", "Message-ID", "List-Unsubscribe", "Subject", "From", "List-Id", "Date")
    return [
        *(parsed.get_all(name) for name in names),
        *(part.get_content() for part in parsed.iter_parts()),
    ]
