"""Searches whose words are no part of any URL: they may be addresses, and URLs are kept in logs, in a
browser's history and by whoever is told where one came from. The form posts; the session keeps the words
for an hour, and the list's URL has a mark for them, so that pages, reloads and the back button work.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from subscriptions import searches

from .theme import ChangeList, ModelAdmin


def search_name(model: type[Model]) -> str:
    """The view that a search is posted to."""
    return f"{model._meta.app_label}_{model._meta.model_name}_search"  # noqa: SLF001


class SearchedList(ChangeList):
    """A list that knows the words behind the mark."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.searched = searches.text_of(request.session, self.query) or ""
        self.is_over = bool(self.query) and not self.searched
        self.search_url = reverse(f"admin:{search_name(self.model)}")


class SearchedAdmin(ModelAdmin[Any]):
    """An admin whose list is searched so."""

    search_hint = ""
    """In the field: short enough to be seen whole on a phone."""
    one, many = "", ""
    """What a row is, in the words of the desk."""
    show_full_result_count = False
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SearchedList

    def get_urls(self) -> list[URLPattern]:
        search = self.admin_site.admin_view(never_cache(require_POST(self.search)))
        return [path("search/", search, name=search_name(self.model)), *super().get_urls()]

    def search(self, request: HttpRequest) -> HttpResponse:
        """Leads to the list of what is found; without words, to the whole list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.POST.get("text", "").strip()
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return HttpResponseRedirect(
            f"{address}?q={searches.keep(request.session, text)}" if text else address
        )
