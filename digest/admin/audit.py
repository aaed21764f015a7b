"""What was changed at the desk: who, when, what, and of which object."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.html import format_html

from digest.delivery import lookup
from digest.delivery.lookup import Page

from .keyed import Asked, KeyedAdmin, choice_field, moment

_KINDS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}


def _object(request: HttpRequest, entry: LogEntry) -> Any:
    """What it was about, as a link where it is still there and may be looked at."""
    kind = entry.content_type
    model = kind.model_class() if kind is not None else None
    if kind is None or model is None:
        return entry.object_repr
    words = f"{kind.name} “{entry.object_repr}”"
    address = entry.get_admin_url()
    may_look = request.user.has_perm(f"{kind.app_label}.view_{kind.model}")
    if entry.action_flag == DELETION or not address or not may_look:
        return words
    return format_html('<a href="{}">{}</a>', address, words)


class AskedEntries(Asked):
    """Which entries are wanted."""

    person = forms.ModelChoiceField(
        User.objects.filter(is_staff=True).order_by("username"),
        required=False,
        label="Who",
        empty_label="anybody",
    )
    kind = choice_field("Kind", [(str(flag), word) for flag, word in _KINDS.items()])


@admin.register(LogEntry)
class LogEntryAdmin(KeyedAdmin):
    asked = AskedEntries
    lead = "Everything that was changed at the desk, the newest first. It is kept, and not edited."
    columns = (
        ("When (UTC)", lambda request, row: moment(row.action_time)),
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
        return lookup.walk(rows.order_by(), below=form.key(1))
