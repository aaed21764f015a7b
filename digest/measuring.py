"""Counts and times what this installation's processes do: pages that are answered, tasks that are run.

Each process counts in files of its own under VAR_DIR, which any of them adds up
(prometheus_client's multiprocess mode). What a process counted is kept when it ends, or sums would
fall, which Prometheus reads as a start from nought.
"""

import fcntl
import hmac
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, make_wsgi_app, values
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

_SIZES = {"counter": 1 << 18, "histogram": 1 << 20}
"""Bytes of each file, taken from the disk at once: a process that counts into a part of a file that the
full disk has no room for would be killed (SIGBUS)."""
_ENDED = "ended"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TASK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 900)

Answer = Callable[[HttpRequest], HttpResponseBase]


class _Measures(NamedTuple):
    requests: Counter
    answered: Histogram
    tasks: Counter
    worked: Histogram


class _Mine:
    """The files of this process, held open and locked, so that others see that it lives."""

    pid = 0
    name = ""
    files: list[int] = []


def folder() -> Path:
    """Where the files are."""
    return Path(settings.VAR_DIR) / "metrics"


@contextmanager
def _locked() -> Iterator[None]:
    """Nobody else takes, folds or reads files meanwhile."""
    folder().mkdir(parents=True, exist_ok=True)
    lock = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _identity() -> str:
    """This process among all that count here; asked before each number, as processes fork."""
    if _Mine.pid != os.getpid():
        # In containers that share a folder the same numbers of processes come again.
        name = f"{socket.gethostname()}-{os.getpid()}"
        with _locked():
            taken = [_take(folder() / f"{kind}_{name}.db", size) for kind, size in _SIZES.items()]
        for inherited in _Mine.files:
            os.close(inherited)
        _Mine.pid, _Mine.name, _Mine.files = os.getpid(), name, taken
    return _Mine.name


def _take(path: Path, size: int) -> int:
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.fstat(number).st_size < size:
            os.posix_fallocate(number, 0, size)
        fcntl.flock(number, fcntl.LOCK_SH)
    except OSError:
        os.close(number)
        with suppress(OSError):
            path.unlink()
        raise
    return number


@cache
def _measures() -> _Measures:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder())
    # As its documentation says for servers with numbers of their own for their processes.
    values.ValueClass = values.MultiProcessValue(_identity)  # type: ignore[no-untyped-call]
    return _Measures(
        Counter("daily_papers_http_requests", "Requests that were answered, by the name of the view.",
                ["view", "method", "status"], registry=None),
        Histogram("daily_papers_http_request_duration_seconds", "How long an answer took.",
                  ["view"], registry=None, buckets=_HTTP_SECONDS),
        Counter("daily_papers_tasks", "Celery tasks that ended.", ["task", "state"], registry=None),
        Histogram("daily_papers_task_duration_seconds", "How long a Celery task took.",
                  ["task"], registry=None, buckets=_TASK_SECONDS),
    )  # fmt: skip


def count_request(view: str, method: str, status: int, seconds: float) -> None:
    """Counts an answer. Where it can't be counted, as on a full disk, it is only answered."""
    try:
        found = _measures()
        found.requests.labels(view, method if method in _METHODS else "other", status).inc()
        found.answered.labels(view).observe(seconds)
    except OSError:
        logger.warning("an answer is not counted", exc_info=True)


def count_task(name: str, state: str, seconds: float) -> None:
    """As `count_request`, of a task that ended."""
    try:
        found = _measures()
        found.tasks.labels(name, state).inc()
        found.worked.labels(name).observe(seconds)
    except OSError:
        logger.warning("a task is not counted", exc_info=True)


def middleware(answer: Answer) -> Answer:
    """Counts every request by the name of its view: paths hold readers' tokens."""

    def measured(request: HttpRequest) -> HttpResponseBase:
        begin = time.perf_counter()
        response = answer(request)
        seconds = time.perf_counter() - begin
        count_request(_view(request), request.method or "", response.status_code, seconds)
        return response

    return measured


def _view(request: HttpRequest) -> str:
    match = request.resolver_match
    if match:
        return match.view_name
    # These are answered before any view is looked for.
    if request.path_info.startswith("/webhooks/"):
        return "webhooks"
    return "static" if request.path_info.startswith(settings.STATIC_URL) else "none"


class _Files:
    """What all processes counted, those that have ended among them."""

    def collect(self) -> Iterable[Metric]:
        try:
            with _locked():
                _fold()
                files = [str(path) for path in sorted(folder().glob("*.db"))]
                return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]
        except OSError:
            logger.warning("what processes counted can't be read", exc_info=True)
            return []


def _fold() -> None:
    """Adds the files of processes that have ended to one that is kept, so that they do not pile up."""
    for path in folder().glob("*.db"):
        kind, _, owner = path.stem.partition("_")
        if owner == _ENDED:
            continue
        number = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _add(path, folder() / f"{kind}_{_ENDED}.db", _SIZES.get(kind, 1 << 18))
            path.unlink()
        except BlockingIOError:
            continue
        finally:
            os.close(number)


def _add(path: Path, to: Path, size: int) -> None:
    os.close(_take(to, size))
    try:
        rows = list(MmapedDict.read_all_values_from_file(str(path)))  # type: ignore[no-untyped-call]
        for key, *_ in rows:
            # What is no key would break every reading of the sums.
            json.loads(key)
    except (RuntimeError, ValueError, struct.error):
        logger.warning("a file of counts is broken and left out", extra={"file": path.name})
        return
    total: Any = MmapedDict(str(to))  # type: ignore[no-untyped-call]
    for key, value, *_ in rows:
        total.write_value(key, total.read_value(key)[0] + value, 0.0)
    total.close()


def registry() -> CollectorRegistry:
    """What all processes of this folder counted, read when it is asked."""
    found = CollectorRegistry()
    found.register(_Files())
    return found


def is_known(authorization: str) -> bool:
    """Whether the header is `Bearer METRICS_TOKEN`; never where no token is set."""
    kind, _, token = authorization.partition(" ")
    wanted = settings.METRICS_TOKEN
    is_same = hmac.compare_digest(token.strip().encode(), wanted.encode())
    return bool(wanted) and kind.lower() == "bearer" and is_same


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing: nobody reads that Prometheus asked again."""


def serve(port: int) -> None:
    """Serves what this machine's processes counted, from a thread, for Prometheus: to everybody who
    has the token, and without one to this machine only. Where the port is taken, another worker of
    this machine serves the same."""
    app = make_wsgi_app(registry())

    def guarded(environ: dict[str, Any], start: Any) -> Any:
        if settings.METRICS_TOKEN and not is_known(environ.get("HTTP_AUTHORIZATION", "")):
            start("401 Unauthorized", [("WWW-Authenticate", "Bearer")])
            return [b""]
        return app(environ, start)

    host = "0.0.0.0" if settings.METRICS_TOKEN else "127.0.0.1"  # noqa: S104  the token guards it
    try:
        server = make_server(host, port, guarded, ThreadingWSGIServer, _Quiet)
    except OSError as error:
        logger.warning("metrics port can't be used", extra={"port": port, "error": str(error)})
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()
