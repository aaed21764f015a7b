"""Registers the app and its system checks.

The receiver of Anymail's events comes with the addresses of its webhooks (`config.urls`): only the
process that serves them needs it, and it brings a client library of every provider along.
"""

from importlib import import_module

from django.apps import AppConfig


class DigestConfig(AppConfig):
    name = "digest"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module(f"{self.name}.checks")
