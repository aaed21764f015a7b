"""A PostgreSQL server of a test's own, which it may stop, kill and start again."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.flows.processes import free_port, wait_for

_ROOT = 0
_SERVER_USER = "postgres"
_PLACES = "/usr/lib/postgresql"
QUICK = "immediate"
"""As a crash: it recovers from its log when it starts."""


def programs() -> Path | None:
    """The folder with initdb and pg_ctl of the newest server that is installed."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    servers = sorted(Path(_PLACES).glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    return servers[-1].parent if servers else None


class PostgresServer:
    """Listens on a port of its own of this machine; its files go when it does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="daily-papers-postgres-"))
        # The server refuses to run as root.
        self._as_user: list[str] = []
        if os.geteuid() == _ROOT:
            user = pwd.getpwnam(_SERVER_USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as_user = ["runuser", "-u", _SERVER_USER, "--"]
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "test", "--auth=trust", "--no-sync", "-E", "UTF8")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                f"unix_socket_directories = '{self.folder}'\n"
            )
        self.start()

    def url(self, database: str) -> str:
        return f"postgres://test@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        log = str(self.folder / "log")
        self._control("start", "-w", "-l", log)

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-w", "-m", mode)

    def create(self, database: str, *, template: str = "template1") -> str:
        """The URL of a new database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        subprocess.run(
            [*self._as_user, str(folder / program), *arguments],
            cwd=self.folder, check=True, timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        wait_for(server.answers, what="PostgreSQL")
        yield server
    finally:
        server.stop(QUICK)
        shutil.rmtree(server.folder)
