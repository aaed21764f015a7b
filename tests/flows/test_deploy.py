"""The processes of a deployment, started exactly as its files say, on an own PostgreSQL and Redis.

What differs from a real one are the hosts and the port: everything is on this machine. By the
compose file a digest goes all its way behind Caddy; by the units each process comes up behind nginx.
"""

import os
import re
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import requests

from tests.esp import FakeEsp
from tests.flows.deployment import (
    BIN,
    PROCESSES,
    building,
    composed,
    copied,
    nginx_command,
    unit,
    wanted,
)
from tests.flows.postgres_server import postgres_server, programs
from tests.flows.processes import ROOT, Installation, clean_environment, free_port, wait_for
from tests.services import RedisServer, missing
from tests.upstream import FakeUpstream

pytestmark = pytest.mark.flow
DAY = date(2026, 8, 20)


class Deployment:
    """One machine with PostgreSQL, Redis, a provider and the sources; our processes come and go."""

    def __init__(self, folder, postgres, redis, esp, upstream):
        self.folder, self.esp = folder, esp
        self.app = copied(folder / "app")
        self.port, self.proxy_port = free_port(), free_port()
        self.site = f"https://localhost:{self.proxy_port}"
        self.hosts = {
            "DATABASE_URL": postgres.create("papers"),
            "REDIS_URL": redis.url,
            "VAR_DIR": str(folder / "var"),
        }
        self.env_file = "".join(
            f"{name}={value}\n"
            for name, value in {
                "SITE_URL": self.site,
                "POSTGRES_PASSWORD": "word",
                "SECRET_KEY": "only-for-this-test-and-long-enough-to-please-the-checks-of-Django",
                "EMAIL_PROVIDERS": "mailgun",
                "MAILGUN_API_KEY": "key",
                "MAILGUN_API_URL": esp.url,
                "MAILGUN_SENDER_DOMAIN": "papers.example.org",
                "MAILGUN_WEBHOOK_SIGNING_KEY": "key",
                "WEBHOOK_SECRET": "user:word",
                "DEFAULT_FROM_EMAIL": "Daily Papers <digest@papers.example.org>",
                "POSTAL_ADDRESS": "12 Sample Street, Springfield",
                "SIGNUP_RATE_CLIENT": "3/h",
                "HUGGING_FACE_URL": upstream.url,
                "ARXIV_API_URL": upstream.url,
                "ARXIV_RSS_URL": upstream.url,
            }.items()
        )
        self.installation = Installation(folder)
        self.root_certificate = ""

    @property
    def processes(self):
        return self.installation.processes

    def start(self, name, process):
        """As the file says, in the folder of the image."""
        self.installation.environment = self.environment(process)
        command = [word.replace(":8000", f":{self.port}") for word in process.command]
        command[0] = str(BIN / command[0].rpartition("/")[2])
        self.installation.start(name, command, cwd=self.app)

    def environment(self, process):
        found = clean_environment() | dict(process.environment) | self.hosts
        return found | {"PATH": f"{BIN}:{os.environ['PATH']}"}

    def run(self, process, *command):
        return subprocess.run(
            command or [str(BIN / process.command[0].rpartition("/")[2]), *process.command[1:]],
            cwd=self.app, env=self.environment(process), capture_output=True, text=True,
            timeout=120, check=True,
        ).stdout  # fmt: skip

    def get(self, path, *, timeout=20, **options):
        return requests.get(
            f"{self.site}{path}", verify=self.root_certificate, timeout=timeout, **options
        )

    def post(self, url, data, **options):
        return requests.post(url, data, verify=self.root_certificate, timeout=20, **options)

    def answers(self, path):
        try:
            return self.get(path).ok
        except requests.RequestException:
            return False

    def leave_nothing(self):
        self.installation.stop()
        self.processes.clear()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    if programs() is None:
        missing("no PostgreSQL server to start")
    redis = RedisServer(free_port(), tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        with postgres_server() as postgres, FakeEsp() as esp, FakeUpstream() as upstream:
            made = Deployment(tmp_path_factory.mktemp("deployment"), postgres, redis, esp, upstream)
            line = building(made.app, made.folder / "build")
            environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "DEBUG": "0"}
            subprocess.run(["sh", "-ec", line], cwd=made.app, env=environment, check=True)
            try:
                yield made
            finally:
                made.leave_nothing()
    finally:
        redis.stop()


@pytest.fixture
def caddy(deployment):
    """The proxy of the compose file, with a certificate of its own authority."""
    data = deployment.folder / "caddy"
    options = (
        f"admin off\nskip_install_trust\nhttp_port {free_port()}\n"
        f"https_port {deployment.proxy_port}\nauto_https disable_redirects"
    )
    deployment.installation.environment = clean_environment(
        SITE_URL=deployment.site, UPSTREAM=f"127.0.0.1:{deployment.port}", CADDY_OPTIONS=options,
        XDG_DATA_HOME=data, XDG_CONFIG_HOME=data,
    )  # fmt: skip
    file = str(ROOT / "deploy" / "Caddyfile")
    deployment.installation.start(
        "proxy", [wanted("caddy"), "run", "--adapter=caddyfile", f"--config={file}"]
    )
    root = data / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    wait_for(root.exists, what="Caddy's certificate")
    deployment.root_certificate = str(root)
    yield
    deployment.leave_nothing()


@pytest.fixture
def nginx(deployment):
    """The example for nginx, with its ports and names replaced, and a certificate made for it."""
    folder = deployment.folder / "nginx"
    command = nginx_command(folder, port=deployment.proxy_port, web_port=deployment.port)
    deployment.installation.environment = clean_environment()
    deployment.installation.start("proxy", command)
    deployment.root_certificate = str(folder / "fullchain.pem")
    yield
    deployment.leave_nothing()


def test_compose_file_starts_what_sends_a_digest_behind_caddy(deployment, caddy, tmp_path):
    services = composed(tmp_path, deployment.env_file)
    before = files(deployment.app)
    deployment.run(services["migrate"])
    for name in PROCESSES:
        deployment.start(name, services[name])
    wait_for(lambda: deployment.answers("/healthz"), what="the web process behind the proxy")
    assert "Strict-Transport-Security" in deployment.get("/").headers

    confirm_a_reader(deployment)
    check_that_no_client_names_its_own_address(deployment)
    digest = send_a_digest(deployment, services["migrate"])
    leave_with_one_click(deployment, digest, services["migrate"])
    wait_for(
        lambda: deployment.answers("/readyz"), seconds=70, what="a worker, and beat to wake it"
    )
    for name in ("web", "worker", "sender", "beat"):
        check_health(deployment, services[name], name)
    check_that_all_end(deployment, services)
    check_that_the_proxy_tells_no_token(deployment)
    assert files(deployment.app) == before


def test_units_start_every_process_behind_nginx(deployment, nginx, tmp_path):
    settings = dict(line.split("=", 1) for line in deployment.env_file.splitlines())
    # As in /etc/daily-papers.env, which the units name.
    settings |= {"TRUSTED_PROXIES": "1"}
    units = {name: replace(found := unit(name), environment=settings | found.environment)
             for name in (*PROCESSES, "migrate")}  # fmt: skip
    deployment.run(units["migrate"])
    for name in PROCESSES:
        deployment.start(name, units[name])
    wait_for(lambda: deployment.answers("/healthz"), what="the web process behind the proxy")
    assert deployment.get("/").ok
    for name in ("worker", "sender"):
        wait_for(lambda n=name: " ready." in deployment.installation.log(n), what=name)
    check_that_all_end(deployment, units)
    check_that_the_proxy_tells_no_token(deployment)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def confirm_a_reader(deployment):
    answer = deployment.post(f"{deployment.site}/subscribe/", {"email": "ada@example.org"})
    assert answer.status_code == 200
    mails = deployment.esp.inbox
    (mail,) = wait_for(lambda: list(mails["ada@example.org"]), seconds=90, what="confirm mail")
    (link,) = set(re.findall(rf"{deployment.site}/confirm/\S+", mail.text))
    assert "You are subscribed" in deployment.post(link, {}).text


def check_that_no_client_names_its_own_address(deployment):
    """The fourth sign-up of one client within an hour is refused, whoever it claims to be."""
    answers = [
        deployment.post(
            f"{deployment.site}/subscribe/",
            {"email": f"reader{number}@example.org"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        ).status_code
        for number in range(3)
    ]
    assert answers == [200, 200, 429]


def send_a_digest(deployment, ours):
    python = str(BIN / "python")
    manage = [python, "manage.py"]
    deployment.run(ours, *manage, "fetch_papers", "--date", str(DAY), "--source", "hugging_face")
    deployment.run(ours, *manage, "build_edition", "--date", str(DAY), "--yes")
    # Eight days on, the reader's hour has come; the sender sends, this command only plans.
    later = (datetime.now(UTC) + timedelta(days=8)).isoformat()
    deployment.run(ours, *manage, "send_digests", "--date", str(DAY), "--now", later, "--yes")
    mails = deployment.esp.inbox["ada@example.org"]
    wait_for(lambda: len(mails) > 1, seconds=90, what="the digest")
    assert " papers" in mails[1].subject
    return mails[1]


def leave_with_one_click(deployment, digest, ours):
    """RFC 8058 through the proxy: one POST, no redirect, and the reader has left."""
    link = digest.headers["List-Unsubscribe"].strip("<>")
    assert link.startswith(f"{deployment.site}/unsubscribe/")
    answer = deployment.post(link, {"List-Unsubscribe": "One-Click"}, allow_redirects=False)
    assert answer.status_code == 200
    exported = deployment.run(ours, str(BIN / "python"), "manage.py", "export_subscribers")
    assert re.search(r"^ada@example.org,.*,unsubscribed", exported, re.MULTILINE)


def check_health(deployment, process, name):
    """By the health check of the compose file; of the web process by the image's own."""
    line = process.health or re.search(
        r"HEALTHCHECK .*?CMD \[\"python\", \"-c\", \"(.*?)\"\]",
        (ROOT / "Dockerfile").read_text(),
        re.DOTALL,
    )
    if not isinstance(line, str):
        code = line[1].replace(":8000", f":{deployment.port}")
        deployment.run(process, str(BIN / "python"), "-c", code)
        return
    var = deployment.hosts["VAR_DIR"]
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    line = line.replace("/var/lib/daily-papers", var).replace("$HOSTNAME", host)
    deployment.run(process, "sh", "-ec", line)


def check_that_all_end(deployment, processes):
    """Asked all at once, as by `docker compose stop`; each has the time that its file says."""
    began = time.monotonic()
    for name in PROCESSES:
        deployment.processes[name].send_signal(signal.SIGTERM)
    for name in PROCESSES:
        left = max(processes[name].grace - (time.monotonic() - began), 1)
        assert deployment.processes[name].wait(left) == 0, deployment.installation.log(name)


def check_that_the_proxy_tells_no_token(deployment):
    """Not even in its errors, now that nobody is behind it."""
    token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgh"
    answer = deployment.get(f"/unsubscribe/{token}/", headers={"Referer": token}, timeout=60)
    assert answer.status_code == 502
    assert token not in deployment.installation.log("proxy")
