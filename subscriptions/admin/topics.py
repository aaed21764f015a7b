"""The operator's side of topics: names, phrases and arXiv categories."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from subscriptions import arxiv, services
from subscriptions.errors import CategoryError
from subscriptions.models import Topic

from .lines import LinesField
from .theme import ModelAdmin, Textarea


class TopicForm(forms.ModelForm[Topic]):
    phrases = LinesField(
        required=False,
        help_text="One a line. Case, plurals and hyphens do not matter.",
        widget=Textarea(attrs={"rows": 10}),
    )
    categories = LinesField(
        required=False,
        help_text="arXiv categories such as cs.CL, or whole archives such as astro-ph, one a line.",
        widget=Textarea(attrs={"rows": 3}),
    )

    class Meta:
        model = Topic
        fields = ("name", "slug", "group", "description", "position", "phrases", "categories")

    def clean_categories(self) -> list[str]:
        """Each once; those that arXiv does not have are named, a line each."""
        wrong = []
        found: list[str] = list(dict.fromkeys(self.cleaned_data["categories"]))
        for name in found:
            try:
                arxiv.check(name)
            except CategoryError as error:
                wrong.append(str(error))
        if wrong:
            raise forms.ValidationError(wrong)
        return found


@admin.register(Topic)
class TopicAdmin(ModelAdmin[Topic]):
    form = TopicForm
    fieldsets = (
        (
            "What it takes",
            {
                "fields": ("phrases", "categories"),
                "description": "Phrases and categories decide which papers are in the topic, together "
                "with the topic model where it knows it. Name and description do not count.",
            },
        ),
        (
            "What readers see",
            {"fields": ("name", "slug", "group", "description", "position")},
        ),
    )
    list_display = ("name", "slug", "group", "position")
    list_filter = ("group",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def get_readonly_fields(
        self, request: HttpRequest, obj: Topic | None = None
    ) -> tuple[str, ...]:
        # Readers' selections and public addresses are made of slugs.
        return ("slug",) if obj else ()

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Topic | None = None
    ) -> dict[str, Any]:
        return {} if obj else {"slug": ("name",)}

    def delete_model(self, request: HttpRequest, obj: Topic) -> None:
        services.delete_topic(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Topic]) -> None:
        for topic in queryset:
            services.delete_topic(topic)
