"""The operator's view of whom we never mail: found and added by address, kept as hashes."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import actions as django_actions
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import date_format

from subscriptions import addresses, searches, selectors, services
from subscriptions.errors import AddressError
from subscriptions.models import Subscriber, Suppression

from . import finding, standing
from .paging import BoundedPaginator
from .searching import SearchedAdmin
from .theme import Select, TextInput

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
            first = selectors.suppressions(address).earliest("created_at")
            raise forms.ValidationError(
                f"This address is never mailed already, since {standing.since(first)}: "
                f"{standing.because(first)}."
            )
        return address


@admin.action(description="Let these addresses be mailed again", permissions=["delete"])
def delete_selected(
    model_admin: "SuppressionAdmin", request: HttpRequest, queryset: QuerySet[Suppression]
) -> HttpResponse | None:
    """As Django deletes what is selected, once it was asked whether it is meant; told in our words."""
    if not request.POST.get("post"):
        return django_actions.delete_selected(model_admin, request, queryset)
    model_admin.log_deletions(request, queryset)
    number = queryset.count()
    model_admin.delete_queryset(request, queryset)
    messages.success(
        request,
        "This address may be mailed again."
        if number == 1
        else f"These {number} addresses may be mailed again.",
    )
    return None


@admin.register(Suppression)
class SuppressionAdmin(SearchedAdmin):
    """Deleting all rows of an address, one for each key it was hashed with, lets it be mailed
    again; a button on a reader's page does that at once. The search is for a whole address.
    """

    form = SuppressionForm
    fields = ("address", "reason")
    list_display = ("short_hash", "why", "since")
    list_filter = ("reason",)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("address_hash",)
    search_hint = "A whole address"
    search_help_text = "It may have a row for each SECRET_KEY that there was."
    one, many = "suppression", "suppressions"
    actions = (delete_selected,)
    paginator = BoundedPaginator
    delete_confirmation_template = "admin/desk/suppression_delete.html"
    actions_selection_counter = True

    @admin.display(description="Hash of the address")
    def short_hash(self, obj: Suppression) -> str:
        return f"{obj.address_hash[:16]}…"

    @admin.display(description="Because")
    def why(self, obj: Suppression) -> str:
        return standing.because(obj)

    @admin.display(description="Since")
    def since(self, obj: Suppression) -> str:
        return date_format(obj.created_at, "DATETIME_FORMAT")

    def name_of(self, obj: Suppression) -> str:
        return f"Suppression {obj.pk}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if search_term:
            try:
                text = searches.text_of(request.session, search_term) or ""
                text = addresses.canonical(finding.address_in(text))
            except AddressError:
                return queryset.none(), False
            found = selectors.suppressions(text)
            if reader := selectors.subscriber_at(text):
                found = selectors.suppressions_of(reader)
            queryset = queryset.filter(pk__in=found)
        return queryset, False

    def get_fields(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        return ("address", "reason") if obj is None else ("address_hash", "why", "since")

    def get_readonly_fields(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        return () if obj is None else ("address_hash", "why", "since")

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

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """What is wrong stands beside its field, and nowhere else: there are two."""
        own = {"errors": None, "show_save_and_continue": False}
        return super().render_change_form(request, context | own, *args, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: Suppression, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(
            request, f"This address is never mailed from now on: {standing.because(obj)}."
        )
        return self._to(request, "add" if "_addanother" in request.POST else "changelist")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        messages.success(request, "This address may be mailed again.")
        return self._to(request, "changelist")

    def _to(self, request: HttpRequest, page: str) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:subscriptions_suppression_{page}"))

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        """Afterwards the address may be mailed again, if no row of another key keeps it from that;
        of a reader's address none does."""
        for reader in Subscriber.objects.filter(address_hash=obj.address_hash):
            services.unsuppress(reader)
        obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        for each in list(queryset):
            self.delete_model(request, each)
