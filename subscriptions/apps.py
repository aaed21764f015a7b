"""Registers the app, and has the database guard the consent records outside of migrations."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from . import append_only


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(append_only.lift, sender=self)
        post_migrate.connect(append_only.put_up, sender=self)
