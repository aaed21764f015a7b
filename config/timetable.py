"""Which queue takes a task, and when beat asks for it."""

from typing import Any

from celery.schedules import crontab

ROUTES = {
    "digest.tasks.fetch_papers": {"queue": "fetch"},
    "digest.tasks.send_deliveries": {"queue": "mail"},
    # Beside the digests, not behind them: somebody waits for a confirm mail.
    "subscriptions.tasks.*": {"queue": "digest"},
}

_SOON = 300
_HOUR = 3600
_NIGHT = 6 * _HOUR


def _ask(task: str, schedule: crontab | float, *, expires: int) -> dict[str, Any]:
    """Seconds later it is not done any more: the next one does it, and a day without a worker
    leaves none of its messages to work off. Clocks of machines may differ by a minute or two."""
    return {"task": task, "schedule": schedule, "options": {"expires": expires}}


SCHEDULE: dict[str, Any] = {
    "fetch": _ask("digest.tasks.fetch_papers", crontab(minute="15"), expires=_HOUR),
    "build": _ask("digest.tasks.build_editions", crontab(minute="*/5"), expires=_SOON),
    "dispatch": _ask("digest.tasks.dispatch_digests", crontab(), expires=_SOON),
    "messages": _ask("subscriptions.tasks.send_messages", crontab(), expires=_SOON),
    "watch": _ask("digest.tasks.watch_sends", crontab(), expires=_SOON),
    "figures": _ask("digest.tasks.keep_figures", 20.0, expires=_SOON),
    "events": _ask("digest.tasks.apply_events", 15.0, expires=_SOON),
    "evidence": _ask("digest.tasks.settle_by_evidence", crontab(minute="2-59/3"), expires=_SOON),
    "settle": _ask("digest.tasks.settle_deliveries", crontab(minute="*/5"), expires=_SOON),
    "tastes": _ask("digest.tasks.learn_tastes", crontab(minute="35"), expires=_HOUR),
    "vectors": _ask("digest.tasks.fit_vectors", crontab(minute="25", hour="2"), expires=_NIGHT),
    "purge": _ask("subscriptions.tasks.purge", crontab(minute="40", hour="3"), expires=_NIGHT),
    # A minute at a stretch: the worker's other tasks don't wait for the end of it.
    "deliveries": _ask(
        "digest.tasks.purge_deliveries", crontab(minute="1-59/3", hour="1-4"), expires=_SOON
    ),
    "forget": _ask("digest.tasks.forget", crontab(minute="50", hour="3"), expires=_NIGHT),
}
