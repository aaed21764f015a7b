"""Searches whose words are no part of any URL: they may be addresses, and URLs are kept in logs, in a
browser's history and by whoever is told where one came from. The form posts; the session keeps the words
for an hour, and the list's URL has a mark for them, so that pages, reloads and the back button work.
"""

import re
import secrets
import time
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from .theme import ChangeList, ModelAdmin

MOST_KEPT = 10
KEPT_FOR = 60 * 60
"""Seconds."""
MOST_LETTERS = 2000
_KEY = "desk_searches"
_MARK = re.compile(r"[\w-]{16}")


def keep(request: HttpRequest, text: str) -> str:
    """Afterwards the session has the text; returns the mark that it is found by."""
    mark = secrets.token_urlsafe(12)
    kept = _fresh(request) | {mark: [text[:MOST_LETTERS], time.time()]}
    request.session[_KEY] = dict(list(kept.items())[-MOST_KEPT:])
    return mark


def text_of(request: HttpRequest, mark: str) -> str | None:
    """What was searched for; None for what is over, or never was."""
    if not _MARK.fullmatch(mark):
        return None
    found = _fresh(request).get(mark)
    return found[0] if found else None


def _fresh(request: HttpRequest) -> dict[str, Any]:
    """Those that are not over; afterwards the session has no others."""
    kept = request.session.get(_KEY, {})
    fresh = {mark: each for mark, each in kept.items() if each[1] > time.time() - KEPT_FOR}
    if len(fresh) < len(kept):
        request.session[_KEY] = fresh
    return fresh


def search_name(model: type[Model]) -> str:
    """The view that a search is posted to."""
    return f"{model._meta.app_label}_{model._meta.model_name}_search"  # noqa: SLF001


class SearchedList(ChangeList):
    """A list that knows the words behind the mark."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.searched = text_of(request, self.query) or ""
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
        return HttpResponseRedirect(f"{address}?q={keep(request, text)}" if text else address)
