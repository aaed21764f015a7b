"""Registers the app and its system checks, and keeps the roles of the desk right.

The receiver of Anymail's events comes with the addresses of its webhooks (`config.urls`): only the
process that serves them needs it, and it brings a client library of every provider along.
"""

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DigestConfig(AppConfig):
    name = "digest"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module(f"{self.name}.checks")
        # The last app whose models are migrated: by then all permissions are there.
        held = import_module("subscriptions.held")
        held.also(
            "papers_of_digests", import_module(f"{self.name}.editions.history").papers_of_digests
        )
        roles = import_module("subscriptions.roles")
        post_migrate.connect(roles.ensure, sender=self)
