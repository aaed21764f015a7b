"""Rows that are looked at here, and written by the service itself."""

from typing import Any

from django.http import HttpRequest

from subscriptions.admin.theme import ModelAdmin


class ReadOnlyAdmin(ModelAdmin[Any]):
    """Rows that only the service itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
