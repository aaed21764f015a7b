"""The operator's view of readers: people to look up, records to read."""

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from subscriptions import selectors, services
from subscriptions.models import (
    ConsentRecord,
    LeaveReason,
    Subscriber,
    Suppression,
    TransactionalMessage,
)
from subscriptions.records import Evidence

from .theme import ModelAdmin, TabularInline


class ReadOnly:
    """Rows that are history: looked at, never changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ConsentInline(ReadOnly, TabularInline[ConsentRecord, Subscriber]):
    model = ConsentRecord
    fields = readonly_fields = ("action", "at", "ip_address", "page", "text", "text_version")
    extra = 0


class MessageInline(ReadOnly, TabularInline[TransactionalMessage, Subscriber]):
    model = TransactionalMessage
    fields = readonly_fields = ("kind", "state", "created_at", "attempts", "sent_at")
    extra = 0


def _operator(request: HttpRequest) -> Evidence:
    return Evidence(page=request.path, text=f"Operator {request.user.pk}, on the reader's behalf")


@admin.register(Subscriber)
class SubscriberAdmin(ReadOnly, ModelAdmin[Subscriber]):
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
class SuppressionAdmin(ModelAdmin[Suppression]):
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
class ConsentRecordAdmin(ReadOnly, ModelAdmin[ConsentRecord]):
    list_display = ("pk", "subscriber", "action", "at", "page")
    list_filter = ("action",)
    list_select_related = ("subscriber",)


@admin.register(LeaveReason)
class LeaveReasonAdmin(ReadOnly, ModelAdmin[LeaveReason]):
    """Why readers left, with the number of each beside its filter."""

    list_display = ("reason", "said_on")
    list_filter = ("reason",)
    date_hierarchy = "said_on"
    show_facets = admin.ShowFacets.ALWAYS
