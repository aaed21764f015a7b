"""The Celery application; tasks are found in each app's `tasks` module."""

import gc
import logging
import os
import time
from typing import Any

from celery import Celery
from celery.signals import (
    after_task_publish,
    beat_init,
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_ready,
)
from django.conf import settings
from django.core import checks
from django.utils import timezone

from digest import logs, measuring
from digest.delivery.watching import signs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# A worker serves no pages, and Django's checks would load them all, with a client library of every
# provider for its webhook: a third of a worker's memory. It runs ours (see below).
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("daily_papers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

SIGN_EVERY = 20.0
"""Seconds between two signs of life of beat."""
_started: dict[str, float] = {}
_signed = {"at": 0.0}


@celeryd_init.connect
def refuse_wrong_settings(**_: Any) -> None:
    """A worker with a rate or a provider misspelled would send, and at full speed."""
    wrong = [found for found in checks.run_checks(tags=["daily_papers"]) if found.is_serious()]
    if wrong:
        raise SystemExit("\n".join(f"{found.msg} {found.hint or ''}" for found in wrong))


@worker_process_init.connect
def spare_the_collector(**_: Any) -> None:
    """What is loaded by now stays; and a batch makes thousands of small objects without a cycle, for
    which the collector would look through all of it again and again: a seventh of a worker's time.
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


@worker_ready.connect
def serve_metrics(**_: Any) -> None:
    """For a worker that shares no folder with the site."""
    if settings.METRICS_PORT:
        measuring.serve(settings.METRICS_PORT)


@task_prerun.connect
def note_start(task_id: str = "", **_: Any) -> None:
    """The task's time begins."""
    _started[task_id] = time.perf_counter()


@task_postrun.connect
def note_end(task_id: str = "", task: Any = None, state: str | None = None, **_: Any) -> None:
    """The task is counted, with its state and how long it took."""
    begin = _started.pop(task_id, None)
    if begin is not None:
        measuring.count_task(task.name, (state or "unknown").lower(), time.perf_counter() - begin)


@beat_init.connect
def show_that_beat_lives(**_: Any) -> None:
    """From here on, each task that is sent is beat's."""
    after_task_publish.connect(_sign, weak=False)


def _sign(**_: Any) -> None:
    if time.monotonic() - _signed["at"] >= SIGN_EVERY:
        _signed["at"] = time.monotonic()
        signs.note(signs.BEAT_SEEN, timezone.now())


@celeryd_init.connect
def be_quiet(instance: Any, **_: Any) -> None:
    """The banner is no line of a log that programs read, and a warning should be one."""
    if settings.LOG_FORMAT == "json":
        instance.quiet = True
        logging.captureWarnings(capture=True)


@setup_logging.connect
def keep_our_logs(**_: Any) -> None:
    """Whoever listens to this signal configures the logs; ours are, by the settings (`logs.py`)."""


_bound: dict[str, Any] = {}


@task_prerun.connect
def bind_task(task_id: str, task: Any, **_: Any) -> None:
    """Every record of a task carries its name and id."""
    _bound[task_id] = logs.bind(task=task.name, task_id=task_id)


@task_postrun.connect
def unbind_task(task_id: str, **_: Any) -> None:
    """What the process does next is not of the task."""
    if token := _bound.pop(task_id, None):
        logs.unbind(token)
