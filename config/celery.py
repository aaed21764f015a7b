"""The Celery application; tasks are found in each app's `tasks` module."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# A worker serves no pages, and Django's checks would load them all, with a client library of every
# provider for its webhook: a third of a worker's memory. `manage.py check` runs them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("daily_papers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
