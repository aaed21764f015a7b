"""The operator's side of papers, editions and deliveries: to look at, and to correct."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from digest.models import (
    Delivery,
    Edition,
    EditionPaper,
    Event,
    Fetch,
    Paper,
    PaperTopic,
    TopicCorrection,
)
from digest.papers import search, topics, vectors

from .topic_trial import TopicTrialAdmin

__all__ = ["TopicTrialAdmin"]


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that only the service itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TopicCorrectionInline(admin.TabularInline[TopicCorrection, Paper]):
    """What rules and model got wrong: it holds, and is learned from."""

    model = TopicCorrection
    extra = 0


class PaperTopicInline(admin.TabularInline[PaperTopic, Paper]):
    model = PaperTopic
    extra = 0
    fields = readonly_fields = ("topic", "score", "reason")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Paper)
class PaperAdmin(admin.ModelAdmin[Paper]):
    list_display = ["arxiv_id", "title", "upvotes", "comments", "published_at"]
    search_fields = ["=arxiv_id", "title"]
    date_hierarchy = "published_at"
    inlines = [PaperTopicInline, TopicCorrectionInline]

    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    list_per_page = 50
    show_full_result_count = False

    def save_model(self, request: HttpRequest, obj: Paper, form: Any, change: Any) -> None:
        """Afterwards search finds the paper by what it says now."""
        super().save_model(request, obj, form, change)
        search.index([obj.pk])
        vectors.write([obj.pk])

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Afterwards the paper has the topics that its words and the corrections say."""
        super().save_formset(request, form, formset, change)
        topics.tag([form.instance.pk])


class EditionPaperInline(admin.TabularInline[EditionPaper, Edition]):
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


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["id", "edition", "subscriber", "state", "reason", "provider", "sent_at"]
    list_filter = ["state", "reason", "provider"]
    list_select_related = ["edition", "subscriber"]
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["id", "type", "provider", "delivery", "reject_reason", "received_at"]
    list_filter = ["type", "provider"]
    list_select_related = ["delivery"]
    show_full_result_count = False


@admin.register(Fetch)
class FetchAdmin(ReadOnlyAdmin):
    list_display = ["source", "day", "started_at", "new", "updated", "bad", "error"]
    list_filter = ["source"]
