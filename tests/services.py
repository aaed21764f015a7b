"""The services that tests run against: PostgreSQL, Redis, Chromium. A missing one is a skip that
says so; with REQUIRE_SERVICES=1, as in CI, it is a failure.
"""

import getpass
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from digest.management import embedded_redis
from tests.flows.processes import free_port

POSTGRES_URL = os.environ.get(
    "TEST_POSTGRES_URL", f"postgres://{getpass.getuser()}@127.0.0.1:5432/postgres"
)
"""A server on which databases may be made and dropped, by way of a database that it has."""


def missing(reason: str) -> None:
    """Skips the test, or fails it where every service is required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason}, and REQUIRE_SERVICES=1")
    pytest.skip(reason)


def why_no_postgres() -> str:
    """The reason why PostgreSQL can't be used here; "" if it can."""
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"no PostgreSQL at {urlsplit(POSTGRES_URL).hostname}: {str(error).splitlines()[0]}"
    return ""


@pytest.fixture
def postgres_database() -> Iterator[str]:
    """The URL of an empty database of its own, dropped afterwards."""
    if reason := why_no_postgres():
        missing(reason)
    name = f"daily_papers_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class RedisServer:
    """A Redis of the test's own, which it may stop and start."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        server = embedded_redis.executable("auto")
        if not server:
            missing("no redis-server on PATH")
        self.process = subprocess.Popen(
            [server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(self.folder), "--logfile", str(self.folder / "redis.log")],
        )  # fmt: skip
        client = redis.Redis(port=self.port)
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.05)
            else:
                client.close()
                return
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(free_port(), tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, or Chrome."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing("no chromium on PATH")
    return ""
