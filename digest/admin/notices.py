"""What the operator was told, and where at the desk it is mended."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html

from digest.delivery import lookup
from digest.delivery.lookup import Page
from digest.models import Notice

from .keyed import Asked, KeyedAdmin, choice_field, moment


def place(request: HttpRequest, notice: Notice) -> Any:
    """A link to where it can be seen, where that is a page of the site."""
    return format_html('<a href="{}">Look at it</a>', notice.link) if notice.link else ""


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
        ("Told", lambda request, row: moment(row.created_at)),
        ("What happened", lambda request, row: row.what),
        ("What to do", lambda request, row: row.mend),
        ("At the desk", place),
        ("Mailed", lambda request, row: moment(row.mailed_at)),
        ("Well again", lambda request, row: moment(row.ended_at)),
    )

    def name_of(self, notice: Notice) -> str:
        return f"Notice {notice.pk}: {notice.kind.replace('_', ' ')}"

    def page(self, asked: dict[str, Any], form: Asked) -> Page:
        """All of them, or those of a kind."""
        matching = Q(kind=asked["kind"]) if asked["kind"] else None
        return lookup.walk(Notice.objects.all(), below=form.key(1), matching=matching)
