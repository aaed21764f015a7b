"""The operator's view of readers: topics to edit, people to look up, records to read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from . import selectors, services
from .models import ConsentRecord, LeaveReason, Subscriber, Suppression, Topic, TransactionalMessage
from .records import Evidence


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (" ".join(line.split()) for line in (super().to_python(value) or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(self.prepare_value(initial)) != self.to_python(data))


class TopicForm(forms.ModelForm[Topic]):
    phrases = LinesField(required=False, help_text="One a line.")
    categories = LinesField(required=False, help_text="arXiv categories, one a line.")

    class Meta:
        model = Topic
        fields = ("name", "slug", "group", "description", "position", "phrases", "categories")


@admin.register(Topic)
class TopicAdmin(admin.ModelAdmin[Topic]):
    form = TopicForm
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


class ReadOnly:
    """Rows that are history: looked at, never changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ConsentInline(ReadOnly, admin.TabularInline[ConsentRecord, Subscriber]):
    model = ConsentRecord
    fields = readonly_fields = ("action", "at", "ip_address", "page", "text", "text_version")
    extra = 0


class MessageInline(ReadOnly, admin.TabularInline[TransactionalMessage, Subscriber]):
    model = TransactionalMessage
    fields = readonly_fields = ("kind", "state", "created_at", "attempts", "sent_at")
    extra = 0


def _operator(request: HttpRequest) -> Evidence:
    return Evidence(page=request.path, text=f"Operator {request.user.pk}, on the reader's behalf")


@admin.register(Subscriber)
class SubscriberAdmin(ReadOnly, admin.ModelAdmin[Subscriber]):
    list_display = ("pk", "email", "state", "frequency", "hour", "timezone", "next_digest_at")
    list_filter = ("state", "frequency")
    search_fields = ("=email", "email__startswith")
    show_full_result_count = False
    inlines = (ConsentInline, MessageInline)
    exclude = ("public_id", "address_hash", "token_version", "selection_key")
    list_select_related = ("slot",)
    actions = ("unsubscribe_and_tell", "never_mail", "mail_again", "erase")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_subscriber")

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.delete_subscriber")

    @admin.action(description="Unsubscribe, and tell them by mail", permissions=["operate"])
    def unsubscribe_and_tell(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        for subscriber in queryset:
            services.unsubscribe_and_tell(subscriber, evidence=_operator(request))

    @admin.action(description="Never mail this address again", permissions=["operate"])
    def never_mail(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        for subscriber in queryset:
            services.suppress(subscriber, Suppression.Reason.MANUAL)

    @admin.action(description="Let this address be mailed again", permissions=["operate"])
    def mail_again(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        for subscriber in queryset:
            services.unsuppress(subscriber)

    @admin.action(description="Erase everything about them", permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> None:
        for subscriber in queryset:
            services.erase(subscriber)


@admin.register(Suppression)
class SuppressionAdmin(admin.ModelAdmin[Suppression]):
    """Deleting all rows of an address, one for each key it was hashed with, lets it be mailed
    again; actions on a subscriber do both. The search is for a whole address.
    """

    list_display = ("pk", "reason", "created_at")
    list_filter = ("reason",)
    search_fields = ("address_hash",)
    search_help_text = "A whole address; it may have a row for each SECRET_KEY that there was."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if search_term:
            queryset = queryset.filter(pk__in=selectors.suppressions(search_term))
        return queryset, False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Suppression | None = None) -> bool:
        return False


@admin.register(ConsentRecord)
class ConsentRecordAdmin(ReadOnly, admin.ModelAdmin[ConsentRecord]):
    list_display = ("pk", "subscriber", "action", "at", "page")
    list_filter = ("action",)
    list_select_related = ("subscriber",)


@admin.register(LeaveReason)
class LeaveReasonAdmin(ReadOnly, admin.ModelAdmin[LeaveReason]):
    """Why readers left, with the number of each beside its filter."""

    list_display = ("reason", "said_on")
    list_filter = ("reason",)
    date_hierarchy = "said_on"
    show_facets = admin.ShowFacets.ALWAYS
