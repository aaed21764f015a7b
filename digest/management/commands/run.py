"""`manage.py run`: the whole service in one terminal, for trying it and for a small list."""

import fcntl
import http.client
import os
import socket
import sys
import time
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from digest.management import embedded_redis
from digest.management.processes import Processes

START_SECONDS = 60
_OK = 200


class Command(BaseCommand):
    help = (
        "Starts web, worker and scheduler together on http://127.0.0.1:$PORT. Without REDIS_URL "
        "it starts a private Redis under var/ too. Ctrl-C stops every process that it started."
    )
    requires_migrations_checks = False

    def handle(self, *_: Any, **_options: Any) -> None:
        with _locked() as lock:
            _check_port(settings.PORT)
            processes = Processes(output=sys.stdout)
            try:
                call_command("migrate", verbosity=0)
                status = self._run(processes)
            finally:
                processes.say("run", "Stopping …")
                processes.stop()
                lock.truncate(0)
        if status:
            raise CommandError("A process ended by itself; its last lines above say why.")
        self.stdout.write("Stopped. All data is kept; start again with the same command.")

    def _run(self, processes: Processes) -> int:
        if settings.EMBEDDED:
            _start_redis(processes)
        python = [sys.executable, "-m"]
        processes.start("web", [*python, "gunicorn", "config.wsgi", *_GUNICORN, f"--bind=127.0.0.1:{settings.PORT}"])  # fmt: skip
        celery = [*python, "celery", "-q", "-A", "config", "worker", *_WORKER]
        # A process of their own: events, holds and confirm mails don't wait behind a long send.
        processes.start("worker", [*celery, "--queues=fetch,digest", "--hostname=worker@%h"])
        processes.start("sender", [*celery, "--queues=mail", "--hostname=sender@%h"])
        processes.start("beat", [*python, "celery", "-q", "-A", "config", "beat"])
        processes.start("watch", [sys.executable, "manage.py", "watch"])
        processes.start("papers", [sys.executable, "manage.py", "first_edition"], is_lasting=False)
        if _is_up(processes):
            processes.say("run", f"Daily Papers is at {settings.SITE_URL}/")
            if "outbox" in settings.EMAIL_PROVIDERS:
                processes.say("run", f"Its mail is kept at {settings.SITE_URL}/outbox/")
            processes.say("run", "Ctrl-C stops it.")
        return processes.wait()


_GUNICORN = ["--worker-class=gthread", "--workers=1", "--threads=8", "--log-level=warning"]
_WORKER = ["--concurrency=1", "--loglevel=INFO",
           "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip


def _locked() -> IO[str]:
    """Held while it runs, so that two of them never share one database file and one broker."""
    lock = (settings.VAR_DIR / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise CommandError(
            f"Daily Papers already runs from {settings.VAR_DIR} (process {lock.read().strip()})."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} can't be used; choose another: PORT={port + 1} make run"
            ) from error


def _start_redis(processes: Processes) -> None:
    path = settings.EMBEDDED_REDIS_SOCKET
    path.unlink(missing_ok=True)
    server = embedded_redis.executable(settings.EMBEDDED_REDIS)
    if not server or len(os.fsencode(path)) > embedded_redis.LONGEST_SOCKET:
        processes.say("run", "No Redis can be started here; messages go through files in var/.")
        return
    processes.start("redis", embedded_redis.command(server, path))
    ends_at = time.monotonic() + START_SECONDS
    while not embedded_redis.answers(path):
        if processes.is_stopping:
            return
        if processes.lasting["redis"].poll() is not None or time.monotonic() > ends_at:
            raise CommandError(f"{server} does not start; EMBEDDED_REDIS=none goes without it.")
        time.sleep(0.05)


def _is_up(processes: Processes) -> bool:
    ends_at = time.monotonic() + START_SECONDS
    web = processes.lasting["web"]
    while time.monotonic() < ends_at and web.poll() is None and not processes.is_stopping:
        connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=2)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == _OK:
                return True
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    return False
