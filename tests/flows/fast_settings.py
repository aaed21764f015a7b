"""The project's settings with every wait cut short, for flows that would else take an hour."""

from datetime import timedelta

from django.apps import AppConfig

from config.settings import *  # noqa: F403

EMAIL_TIMEOUT = 2
UNCERTAIN_AFTER = 6
LATE_AFTER = 600
ANYMAIL |= {"REQUESTS_TIMEOUT": EMAIL_TIMEOUT}  # noqa: F405
# Each second, of which none may pile up; upstream is left alone.
CELERY_BEAT_SCHEDULE = {
    name: entry | {"schedule": timedelta(seconds=1), "options": {"expires": 2}}
    for name, entry in CELERY_BEAT_SCHEDULE.items()  # noqa: F405
    if name not in ("fetch", "build", "purge", "forget")
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1


def _leave(_: object) -> int:
    return 0


class Hurry(AppConfig):
    """Shortens what is a constant and no setting, in every process that has these settings."""

    name = "tests.flows"

    def ready(self) -> None:
        from digest import tasks  # noqa: PLC0415  after the models
        from digest.delivery import outbox  # noqa: PLC0415
        from digest.delivery.esp import circuit  # noqa: PLC0415
        from digest.delivery.feedback import evidence  # noqa: PLC0415
        from subscriptions import services  # noqa: PLC0415

        waits = {
            (tasks, "WAKE_SECONDS"): 2,
            (outbox, "FIRST_WAIT"): timedelta(seconds=0.5),
            (evidence, "ASK_AGAIN"): timedelta(seconds=2),
            (circuit, "FIRST_REST"): timedelta(seconds=1),
            (circuit, "LONGEST_REST"): timedelta(seconds=3),
            (circuit, "TRIAL"): timedelta(seconds=4),
        }
        # The crowds of other scenarios wait years ahead, in slots that would else be mended.
        waits[services, "mend"] = _leave
        for (module, name), wait in waits.items():
            # A constant that moved must not go unnoticed.
            assert type(getattr(module, name)) is type(wait), name
            setattr(module, name, wait)


INSTALLED_APPS += ["tests.flows.fast_settings.Hurry"]  # noqa: F405
