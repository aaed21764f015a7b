"""What the operator was told, and where at the desk it is mended."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from digest.delivery import lookup
from digest.delivery.lookup import Page
from digest.models import Notice

from .keyed import Asked, KeyedAdmin, choice_field, moment

_PLACES = {
    "in_doubt": ("admin:digest_in_doubt", "digest.view_batch", "What is in doubt"),
    "stuck": ("admin:digest_batch_changelist", "digest.view_batch", "Batches"),
    **dict.fromkeys(
        ("no_provider", "all_paused", "provider_settings", "silent_webhook"),
        ("admin:digest_providerplan_changelist", "digest.view_providerplan", "Providers"),
    ),
}
_OF_EDITIONS = ("held", "late", "unfinished", "unbalanced")
"""Kinds whose key begins with the number of an edition."""


def place(request: HttpRequest, notice: Notice) -> Any:
    """A link to where it is mended, where that is at the desk."""
    address, permission, words = "", "", ""
    if notice.kind in _PLACES:
        viewname, permission, words = _PLACES[notice.kind]
        address = reverse(viewname)
    edition = notice.key.partition(" ")[0]
    if notice.kind in _OF_EDITIONS and edition.isdecimal():
        address = reverse("admin:digest_edition_change", args=[edition])
        permission, words = "digest.view_edition", "The edition"
    if not address or not request.user.has_perm(permission):
        return ""
    return format_html('<a href="{}">{}</a>', address, words)


class AskedNotices(Asked):
    """Which notices are wanted."""

    kind = choice_field("Kind", [])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = Notice.objects.order_by("kind").values_list("kind", flat=True).distinct()
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", "any"),
            *((kind, kind.replace("_", " ")) for kind in kinds),
        ]


@admin.register(Notice)
class NoticeAdmin(KeyedAdmin):
    asked = AskedNotices
    lead = "What the operator was told, once a cause, the newest first, and how it is mended."
    columns = (
        ("Told (UTC)", lambda request, row: moment(row.created_at)),
        ("What happened", lambda request, row: row.what),
        ("What to do", lambda request, row: row.mend),
        ("At the desk", place),
        ("Mailed (UTC)", lambda request, row: moment(row.mailed_at)),
        ("Well again (UTC)", lambda request, row: moment(row.ended_at)),
    )

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """All of them, or those of a kind."""
        matching = Q(kind=asked["kind"]) if asked["kind"] else None
        return lookup.walk(Notice.objects.all(), below=form.key(1), matching=matching)
