"""Registers the app, its system checks and its one signal receiver."""

from importlib import import_module

from django.apps import AppConfig


class DigestConfig(AppConfig):
    name = "digest"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for module in ("checks", "receivers"):
            import_module(f"{self.name}.{module}")
