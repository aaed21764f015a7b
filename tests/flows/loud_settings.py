"""The project's settings with every wait cut short, and everything that can write a line writing all."""

from tests.flows.fast_settings import *  # noqa: F403

LOGGING = LOGGING | {  # noqa: F405
    "root": {"handlers": ["console"], "level": "DEBUG"},
    "loggers": {
        name: {"level": "DEBUG"}
        for name in (
            "django", "django.db.backends", "django.template", "celery", "celery.app.trace",
            "celery.worker.strategy", "celery.beat", "kombu", "amqp", "urllib3", "anymail", "gunicorn",
            "sentry_sdk", "mail", "redis",
        )
    },
}  # fmt: skip
