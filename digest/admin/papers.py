"""The operator's side of papers: to look at, and to correct their topics; and of fetches."""

from typing import Any

from django.contrib import admin
from django.core.validators import RegexValidator
from django.db import models
from django.http import HttpRequest

from digest.models import ARXIV_ID, Fetch, Paper, PaperTopic, TopicCorrection
from digest.papers import search, topics, vectors
from subscriptions.admin import LinesField
from subscriptions.admin.theme import ModelAdmin, TabularInline

from .read_only import ReadOnlyAdmin

MOST_LINES = 5_000
LONGEST_LINE = 300
NO_ID = "Write an arXiv id without its version, such as 2608.01234 or cs/0610105."


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

    class Media:
        css = {"all": ["daily_papers/editions.css"]}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Authors, categories and keywords are lists of texts, and may be empty."""
        if isinstance(db_field, models.JSONField):
            label = str(db_field.verbose_name).capitalize()
            return LinesField(
                label=label, required=False, help_text="One a line.",
                most=MOST_LINES, longest=LONGEST_LINE,
            )  # fmt: skip
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "arxiv_id" and field is not None:
            field.validators.append(RegexValidator(rf"\A{ARXIV_ID}\Z", NO_ID))
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Paper | None = None) -> list[str]:
        """A paper stays what it is: its id stands in links that were mailed."""
        return [*super().get_readonly_fields(request, obj), *(["arxiv_id"] if obj else [])]

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
