"""The operator's side of papers: to look at, and to correct their topics; and of fetches."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from digest.models import Fetch, Paper, PaperTopic, TopicCorrection
from digest.papers import search, topics, vectors
from subscriptions.admin.theme import ModelAdmin, TabularInline

from .read_only import ReadOnlyAdmin


class TopicCorrectionInline(TabularInline[TopicCorrection, Paper]):
    """What rules and model got wrong: it holds, and is learned from."""

    model = TopicCorrection
    extra = 0


class PaperTopicInline(TabularInline[PaperTopic, Paper]):
    model = PaperTopic
    extra = 0
    fields = readonly_fields = ("topic", "score", "reason")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Paper)
class PaperAdmin(ModelAdmin[Paper]):
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


@admin.register(Fetch)
class FetchAdmin(ReadOnlyAdmin):
    list_display = ["source", "day", "started_at", "new", "updated", "bad", "error"]
    list_filter = ["source"]
