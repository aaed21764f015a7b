"""Lists of the big tables: pages by key, with nothing counted and nothing sorted that no index is for."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html

from digest.delivery.lookup import Key, Page
from digest.models import Edition

from .read_only import ReadOnlyAdmin

Column = tuple[str, Callable[[HttpRequest, Any], Any]]
MOST_NUMBER = 2**63 - 1
LONG = 24
"""Characters, past which a cell wraps."""
EDITIONS = 120
"""The newest, to choose from."""


class Asked(forms.Form):
    """What a list is asked for: all fields may be left empty."""

    below = forms.CharField(
        required=False,
        widget=forms.HiddenInput,
        validators=[RegexValidator(r"^\d{1,18}(\.\d{1,18})?$")],
    )

    def key(self, length: int) -> Key | None:
        """Where the page begins, where what is given is one."""
        parts = tuple(int(part) for part in self.cleaned_data["below"].split(".") if part)
        return parts if len(parts) == length else None


def number_field(label: str) -> forms.IntegerField:
    """A number of a row."""
    return forms.IntegerField(
        required=False, min_value=1, max_value=MOST_NUMBER, label=label, localize=False
    )


def choice_field(label: str, choices: Sequence[tuple[str, str]], *, empty: str = "any") -> Any:
    """One of these, or any."""
    return forms.ChoiceField(required=False, label=label, choices=[("", empty), *choices])


def edition_day(edition: Edition, *, form: str = "DATE_FORMAT") -> str:
    """`Nov 29, 2026`, or `Week of Nov 23, 2026`."""
    day = date_format(edition.date, form)
    return f"Week of {day}" if edition.frequency == Edition.Frequency.WEEKLY else day


def of_edition(edition: Edition) -> str:
    """`of the edition of Nov 29`, for the name of what belongs to it."""
    day = edition_day(edition, form="SHORT_DATE_FORMAT")
    return (
        f"of the edition of {day[0].lower()}{day[1:]}"
        if " of " in day
        else f"of the edition of {day}"
    )


class _EditionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Edition) -> str:
        return edition_day(obj)


def edition_field() -> forms.ModelChoiceField[Edition]:
    """One of the newest editions, or any."""
    return _EditionField(Edition.objects.none(), required=False, label="Edition", empty_label="any")


def offer_editions(form: forms.Form) -> None:
    """Afterwards the newest editions can be chosen, and any that is asked for."""
    newest = Edition.objects.order_by("-pk").values_list("pk", flat=True)[:EDITIONS]
    given = form.data.get("edition", "")
    asked = [int(given)] if given.isdecimal() and len(given) < 10 else []  # noqa: PLR2004  an id
    found = Edition.objects.filter(pk__in=[*newest, *asked])
    form.fields["edition"].queryset = found  # type: ignore[attr-defined]


class KeyedAdmin(ReadOnlyAdmin):
    """Rows that only the service writes, more than anybody would count."""

    asked: type[Asked]
    columns: Sequence[Column] = ()
    lead = ""
    """What the list is, and what it does not do, in a sentence."""

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """The rows for what was asked."""
        raise NotImplementedError

    def form_for(self, request: HttpRequest) -> Asked:
        """What was asked, by fields that this person may ask by."""
        return self.asked(request.GET)

    def columns_for(self, request: HttpRequest) -> Sequence[Column]:
        """What this person may see of a row."""
        return self.columns

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A page of rows, in a number of queries that does not depend on how many there are."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = self.form_for(request)
        page = self.page(form.cleaned_data, form) if form.is_valid() else Page([], None)
        columns = self.columns_for(request)
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "lead": self.lead,
            "form": form,
            "headers": [title for title, _ in columns],
            "rows": [
                [_Cell(title, value(request, row)) for title, value in columns] for row in page.rows
            ],
            "is_asked": any(form.data.get(name) for name in form.fields if name != "below"),
            "page": page,
            "further": _address(form, page.next) if page.next else "",
            "first": _address(form, ()),
            "is_first": not form.data.get("below"),
        }
        return TemplateResponse(request, "admin/digest/keyed.html", context | (extra_context or {}))


class _Cell:
    """A value; what is long may take several lines."""

    def __init__(self, label: str, value: Any) -> None:
        self.label = label
        self.value = "" if value is None else value
        self.is_long = not hasattr(value, "__html__") and len(str(value)) > LONG


def _address(form: Asked, key: Key) -> str:
    asked = {name: form.data.get(name) for name in form.fields if name != "below"}
    asked = {name: value for name, value in asked.items() if value}
    below = {"below": ".".join(str(part) for part in key)} if key else {}
    return "?" + urlencode(asked | below)


def link(viewname: str, pk: Any, words: Any, *, request: HttpRequest, permission: str) -> Any:
    """The words, as a link for whoever may follow it."""
    if pk is None or not request.user.has_perm(permission):
        return words
    return format_html('<a href="{}">{}</a>', reverse(viewname, args=[pk]), words)


def moment(at: Any) -> str:
    """A time of late, or nothing."""
    return date_format(at, "SHORT_DATETIME_FORMAT") if at else ""
