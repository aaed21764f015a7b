"""The operator's side of editions: closed ones to look at, to hold and to release, and the desk for
those that are to come."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from digest.models import Edition, EditionPaper
from subscriptions.admin.theme import TabularInline

from . import edition_draft, edition_proofs, edition_sends
from .read_only import ReadOnlyAdmin


class EditionPaperInline(TabularInline[EditionPaper, Edition]):
    model = EditionPaper
    extra = 0
    can_delete = False
    fields = readonly_fields = ("rank", "paper", "upvotes", "comments", "is_pinned", "is_moved")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EditionPaper]:
        return super().get_queryset(request).select_related("paper")


@admin.register(Edition)
class EditionAdmin(ReadOnlyAdmin):
    list_display = ["name", "frequency", "paper_count", "is_sample", "closed_at", "held_at"]
    list_filter = ["frequency"]
    inlines = [EditionPaperInline]
    list_before_template = "admin/digest/edition_coming.html"
    change_form_outer_before_template = "admin/digest/edition_closed.html"

    def get_urls(self) -> list[URLPattern]:
        where = "<slug:frequency>/<str:day>/"
        own: dict[str, tuple[Any, str]] = {
            "coming/": (edition_draft.first, "edition_coming"),
            f"coming/{where}": (edition_draft.page, "edition_draft"),
            f"proof/{where}": (edition_proofs.page, "edition_proof"),
            f"proof/{where}mail/": (edition_proofs.mail, "edition_proof_mail"),
            f"proof/{where}test/": (edition_proofs.send_test, "edition_proof_test"),
            "expected/": (edition_sends.expected, "edition_expected"),
            "<int:edition_id>/hold/": (edition_sends.hold, "edition_hold"),
            "<int:edition_id>/release/": (edition_sends.release, "edition_release"),
            "<int:edition_id>/drop/": (edition_sends.drop, "edition_drop"),
        }
        return [
            path(address, self.admin_site.admin_view(partial(view, self)), name=name)
            for address, (view, name) in own.items()
        ] + super().get_urls()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        coming = {"coming": edition_draft.coming(timezone.now())}
        return super().changelist_view(request, (extra_context or {}) | coming)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        own = {"may_edit": edition_draft.may_edit(request)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | own)
