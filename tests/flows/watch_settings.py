"""The project's settings with the patience of the watch cut short, for the flow that tries it."""

from datetime import timedelta

from django.apps import AppConfig

from config.settings import *  # noqa: F403

EMAIL_TIMEOUT = 1
UNCERTAIN_AFTER = 4
LATE_AFTER = 5
SEND_BY = 8
HEARTBEAT_EVERY = 1
# What is looked at is made to happen by hand.
CELERY_BEAT_SCHEDULE = {
    "dispatch": {
        "task": "digest.tasks.dispatch_digests",
        "schedule": 1.0,
        "options": {"expires": 2},
    }
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1


class Impatience(AppConfig):
    """Shortens what is a constant and no setting, in every process that has these settings."""

    name = "tests.flows"

    def ready(self) -> None:
        from config import celery  # noqa: PLC0415  after the models
        from digest.delivery import notices  # noqa: PLC0415
        from digest.delivery.watching import alarms, deadman, signs  # noqa: PLC0415

        waits = {
            (celery, "SIGN_EVERY"): 0.5,
            (signs, "BEAT_SILENCE"): timedelta(seconds=10),
            (signs, "WORKER_SILENCE"): timedelta(seconds=12),
            (notices, "WELL_AFTER"): timedelta(seconds=2),
            (alarms, "SENDERS_REST"): timedelta(seconds=3),
            (alarms, "LEDGER_EVERY"): timedelta(seconds=1),
            (deadman, "FETCH_SILENCE"): timedelta(minutes=1),
        }
        for (module, name), wait in waits.items():
            # A constant that moved must not go unnoticed.
            assert type(getattr(module, name)) is type(wait), name
            setattr(module, name, wait)


INSTALLED_APPS += ["tests.flows.watch_settings.Impatience"]  # noqa: F405
