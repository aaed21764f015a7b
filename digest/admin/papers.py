"""The operator's side of papers: to look at, and to correct their topics; and of fetches."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from digest.models import Fetch, Paper, PaperTopic, TopicCorrection
from digest.papers import search, topics, vectors
from subscriptions.admin.theme import ModelAdmin, TabularInline, Textarea

from .read_only import ReadOnlyAdmin

MOST_LINES = 5_000
LONGEST_LINE = 300


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        found = [" ".join(str(line).split()) for line in lines]
        return [line for line in found if line]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > MOST_LINES:
            raise ValidationError(f"These are {len(value):,} lines; {MOST_LINES:,} at most.")
        for number, line in enumerate(value, start=1):
            if len(line) > LONGEST_LINE:
                raise ValidationError(
                    f"Line {number} has {len(line):,} characters; {LONGEST_LINE} at most."
                )
            if line.startswith(("[", "{")):
                raise ValidationError(
                    f"Line {number} begins with “{line[0]}”: write one a line, without brackets."
                )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


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
            return LinesField(label=label, required=False, help_text="One a line.")
        return super().formfield_for_dbfield(db_field, request, **kwargs)

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
