"""The operator's side of editions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from digest.models import Edition, EditionPaper
from subscriptions.admin.theme import TabularInline

from .read_only import ReadOnlyAdmin


class EditionPaperInline(TabularInline[EditionPaper, Edition]):
    model = EditionPaper
    extra = 0
    can_delete = False
    fields = ["rank", "paper", "upvotes", "comments"]
    readonly_fields = ["rank", "paper", "upvotes", "comments"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EditionPaper]:
        return super().get_queryset(request).select_related("paper")


@admin.register(Edition)
class EditionAdmin(ReadOnlyAdmin):
    list_display = ["name", "frequency", "paper_count", "is_sample", "closed_at"]
    list_filter = ["frequency"]
    inlines = [EditionPaperInline]
