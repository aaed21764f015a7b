"""The operator's view of whom we never mail: found and added by address, kept as hashes."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from subscriptions import addresses, selectors, services
from subscriptions.errors import AddressError
from subscriptions.models import Subscriber, Suppression

from . import finding
from .paging import BoundedPaginator
from .theme import ModelAdmin, Select, TextInput

_Reason = Suppression.Reason
_BY_HAND = [each for each in _Reason.choices if each[0] != _Reason.ERASED]
"""Who asks to be erased is erased on their own page, with all that is held."""


class SuppressionForm(forms.ModelForm[Suppression]):
    """An address, of which a hash is kept."""

    address = forms.CharField(
        widget=TextInput,
        help_text="Only a hash of it is kept: it cannot be read again, but it can be searched for.",
    )
    reason = forms.ChoiceField(widget=Select, choices=_BY_HAND, initial=_Reason.MANUAL)

    class Meta:
        model = Suppression
        fields = ("reason",)

    def clean_address(self) -> str:
        try:
            address = addresses.canonical(finding.address_in(self.cleaned_data["address"]))
        except AddressError as error:
            raise forms.ValidationError(str(error)) from error
        if selectors.is_suppressed(address):
            raise forms.ValidationError("This address is never mailed already.")
        return address


@admin.register(Suppression)
class SuppressionAdmin(ModelAdmin[Suppression]):
    """Deleting all rows of an address, one for each key it was hashed with, lets it be mailed
    again; a button on a reader's page does that at once. The search is for a whole address.
    """

    form = SuppressionForm
    fields = ("address", "reason")
    list_display = ("short_hash", "reason", "created_at")
    list_filter = ("reason",)
    ordering = ("-pk",)
    search_fields = ("address_hash",)
    search_help_text = "A whole address; it may have a row for each SECRET_KEY that there was."
    show_full_result_count = False
    paginator = BoundedPaginator
    delete_confirmation_template = "admin/desk/suppression_delete.html"
    actions_selection_counter = True

    @admin.display(description="Hash of the address")
    def short_hash(self, obj: Suppression) -> str:
        return f"{obj.address_hash[:16]}…"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if search_term:
            text = finding.address_in(search_term.strip())
            try:
                text = addresses.canonical(text)
            except AddressError:
                return queryset.none(), False
            found = selectors.suppressions(text)
            if reader := selectors.subscriber_at(text):
                found = selectors.suppressions_of(reader)
            queryset = queryset.filter(pk__in=found)
        return queryset, False

    def get_fields(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        return ("address", "reason") if obj is None else ("address_hash", "reason", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Suppression | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: Any) -> None:
        """Afterwards the address is never mailed; `obj` is the row that says so."""
        address, reason = form.cleaned_data["address"], _Reason(obj.reason)
        if reader := selectors.subscriber_at(address):
            services.suppress(reader, reason)
        else:
            services.suppress_address(address, reason)
        made = selectors.suppressions(address).latest("pk")
        obj.pk, obj.address_hash = made.pk, made.address_hash

    def response_add(
        self, request: HttpRequest, obj: Suppression, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, "Nothing will be mailed to this address.")
        another = "add" if "_addanother" in request.POST else "changelist"
        return HttpResponseRedirect(reverse(f"admin:subscriptions_suppression_{another}"))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(request, "Taken off: this row keeps no mail from its address any more.")
        return HttpResponseRedirect(reverse("admin:subscriptions_suppression_changelist"))

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        """Afterwards the address may be mailed again, if no row of another key keeps it from that;
        of a reader's address none does."""
        for reader in Subscriber.objects.filter(address_hash=obj.address_hash):
            services.unsuppress(reader)
        obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        for each in list(queryset):
            self.delete_model(request, each)
