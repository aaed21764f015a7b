"""Registers the app, what it notes of sign-ins, and the guard of the consent records in the database."""

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from . import append_only


class SubscriptionsConfig(AppConfig):
    name = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(append_only.before_migrations, sender=self)
        post_migrate.connect(append_only.after_migrations, sender=self)
        import_module(f"{self.name}.door.entering")
