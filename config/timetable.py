"""Which queue takes a task, and when beat asks for it."""

from typing import Any

from celery.schedules import crontab

ROUTES = {
    "digest.tasks.fetch_papers": {"queue": "fetch"},
    "digest.tasks.send_deliveries": {"queue": "mail"},
    # Beside the digests, not behind them: somebody waits for a confirm mail.
    "subscriptions.tasks.*": {"queue": "digest"},
}

SCHEDULE: dict[str, Any] = {
    "fetch": {"task": "digest.tasks.fetch_papers", "schedule": crontab(minute="15")},
    "build": {"task": "digest.tasks.build_editions", "schedule": crontab(minute="*/5")},
    "dispatch": {"task": "digest.tasks.dispatch_digests", "schedule": crontab()},
    "messages": {"task": "subscriptions.tasks.send_messages", "schedule": crontab()},
    "watch": {"task": "digest.tasks.watch_sends", "schedule": crontab()},
    "figures": {"task": "digest.tasks.keep_figures", "schedule": 20.0},
    "events": {"task": "digest.tasks.apply_events", "schedule": 15.0},
    "evidence": {"task": "digest.tasks.settle_by_evidence", "schedule": crontab(minute="2-59/3")},
    "settle": {"task": "digest.tasks.settle_deliveries", "schedule": crontab(minute="*/5")},
    "tastes": {"task": "digest.tasks.learn_tastes", "schedule": crontab(minute="35")},
    "vectors": {"task": "digest.tasks.fit_vectors", "schedule": crontab(minute="25", hour="2")},
    "purge": {"task": "subscriptions.tasks.purge", "schedule": crontab(minute="40", hour="3")},
    "deliveries": {
        "task": "digest.tasks.purge_deliveries",
        "schedule": crontab(minute="10,30,50", hour="1-4"),
    },
    "forget": {"task": "digest.tasks.forget", "schedule": crontab(minute="50", hour="3")},
}
