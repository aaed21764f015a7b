"""The operator's side of editions: closed ones to look at, to hold and to release, and the desk for
those that are to come."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from digest.models import Edition

from . import edition_closed, edition_draft, edition_expected, edition_proofs, edition_sends
from .read_only import ReadOnlyAdmin


@admin.register(Edition)
class EditionAdmin(ReadOnlyAdmin):
    list_display = ["edition", "kind", "state", "due", "sent", "paper_number"]
    list_filter = ["frequency"]
    list_per_page = 50
    list_before_template = "admin/digest/edition_coming.html"

    @admin.display(ordering="date")
    def edition(self, row: Edition) -> str:
        return edition_closed.title_of(row)

    @admin.display(ordering="frequency")
    def kind(self, row: Edition) -> str:
        return edition_closed.kind_of(row)

    @admin.display
    def state(self, row: Edition) -> str:
        return edition_closed.standing(row).state

    @admin.display
    def due(self, row: Edition) -> str:
        return f"{row.counted_due:,}" if row.counted_at else "–"

    @admin.display
    def sent(self, row: Edition) -> str:
        return edition_closed.standing(row).share or "–"

    @admin.display(ordering="paper_count", description="papers")
    def paper_number(self, row: Edition) -> str:
        return f"{row.paper_count:,}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Edition]:
        return edition_closed.with_counts(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        where = "<slug:frequency>/<str:day>/"
        own: dict[str, tuple[Any, str]] = {
            "coming/": (edition_draft.first, "edition_coming"),
            f"coming/{where}": (edition_draft.page, "edition_draft"),
            f"proof/{where}": (edition_proofs.page, "edition_proof"),
            f"proof/{where}mail/": (edition_proofs.mail, "edition_proof_mail"),
            f"proof/{where}test/": (edition_proofs.send_test, "edition_proof_test"),
            "expected/": (edition_expected.page, "edition_expected"),
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
        """The edition in words, in place of its fields, which are the service's own."""
        edition = self.get_object(request, object_id)
        if edition is None or request.method == "POST":
            # Which says that there is none, or refuses.
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, edition):
            raise PermissionDenied
        return edition_closed.page(self, request, edition)
