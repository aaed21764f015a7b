"""What was changed at the desk and by commands: who, when, what, and of which object."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html

from digest.delivery import lookup
from digest.delivery.esp import providers
from digest.delivery.lookup import Page
from digest.errors import ProviderSettingsError
from digest.models import Draft, Edition, ProviderPlan
from subscriptions import logbook

from . import edition_draft
from .keyed import Asked, KeyedAdmin, choice_field, moment

_KINDS = {
    ADDITION: "added",
    CHANGE: "changed",
    DELETION: "deleted",
    logbook.SIGN_IN: "at the door",
}


def _object(request: HttpRequest, entry: Any) -> Any:
    """What it was about, as a link to its page where it is still there and may be looked at."""
    kind = entry.content_type
    model = kind.model_class() if kind is not None else None
    if model is None:
        return entry.object_repr
    # Of a table as a whole: `deliveries`.
    many = str(model._meta.verbose_name_plural)  # noqa: SLF001  there is no other name for it
    words = many if entry.object_id is None else f"{kind.name} “{entry.object_repr}”"
    # A draft is an edition that is to come.
    seen_as = "edition" if model is Draft else kind.model
    if not entry.address or not request.user.has_perm(f"{kind.app_label}.view_{seen_as}"):
        return words
    return format_html('<a href="{}">{}</a>', entry.address, words)


def _give_addresses(entries: Iterable[Any]) -> None:
    """Afterwards each entry has the address of the page of what it is about; "" where that is gone.
    One look into each table that a page of entries is about."""
    wanted: dict[ContentType, set[str]] = defaultdict(set)
    for entry in entries:
        entry.address = ""
        if entry.content_type is not None and entry.object_id is not None:
            wanted[entry.content_type].add(entry.object_id)
        elif entry.content_type is not None:
            entry.address = _address(entry.content_type, "changelist")
    pages = {kind: _pages(kind, ids) for kind, ids in wanted.items()}
    for entry in entries:
        if entry.object_id is not None:
            entry.address = pages.get(entry.content_type, {}).get(entry.object_id, "")


def _pages(kind: ContentType, ids: set[str]) -> Mapping[str, str]:
    model = kind.model_class()
    if model is None:
        return {}
    if model is Draft:
        return _pages_of_drafts(ids)
    if model is ProviderPlan:
        # Each that mail goes by has a page, whether or not anything was decided for it.
        there = ids & _providers()
    else:
        found = kind.get_all_objects_for_this_type(pk__in=ids)
        there = {str(pk) for pk in found.values_list("pk", flat=True)}
    return {pk: _address(kind, "change", pk) for pk in there}


def _pages_of_drafts(ids: set[str]) -> Mapping[str, str]:
    """The page of the edition that it became, or of the one that it is to be."""
    drafts = list(Draft.objects.filter(pk__in=ids))
    days = {draft.date for draft in drafts}
    rows = Edition.objects.filter(date__in=days).values_list("pk", "frequency", "date")
    closed = {(frequency, day): pk for pk, frequency, day in rows}
    pages = {}
    for draft in drafts:
        if pk := closed.get((draft.frequency, draft.date)):
            pages[str(draft.pk)] = reverse("admin:digest_edition_change", args=[pk])
        elif edition_draft.has_page(draft.date, timezone.now()):
            pages[str(draft.pk)] = edition_draft.url_of(draft.frequency, draft.date)
    return pages


def _providers() -> set[str]:
    try:
        return {way.name for way in providers.configured()}
    except ProviderSettingsError:
        return set()


def _address(kind: ContentType, page: str, *args: Any) -> str:
    try:
        return reverse(f"admin:{kind.app_label}_{kind.model}_{page}", args=args)
    except NoReverseMatch:
        return ""


class AskedEntries(Asked):
    """Which entries are wanted."""

    # Also who works here no more, and who types commands.
    person = forms.ModelChoiceField(
        User.objects.order_by("username"), required=False, label="Who", empty_label="anybody"
    )
    kind = choice_field("Kind", [(str(flag), word) for flag, word in _KINDS.items()])


@admin.register(LogEntry)
class LogEntryAdmin(KeyedAdmin):
    asked = AskedEntries
    lead = (
        "Everything that was changed at the desk and by commands, and who signed in or failed to, the "
        "newest first. It is kept, and not edited."
    )
    columns = (
        ("When", lambda request, row: moment(row.action_time)),
        ("Who", lambda request, row: row.user.get_username()),
        ("Did", lambda request, row: _KINDS.get(row.action_flag, "")),
        ("To", _object),
        ("What", lambda request, row: row.get_change_message()),
    )

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """All of it, or what a person did, or a kind of it."""
        rows = LogEntry.objects.prefetch_related("user", "content_type")
        if asked["person"] is not None:
            rows = rows.filter(user=asked["person"])
        if asked["kind"]:
            rows = rows.filter(action_flag=int(asked["kind"]))
        found = lookup.walk(rows.order_by(), below=form.key(1))
        _give_addresses(found.rows)
        return found
