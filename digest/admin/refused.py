"""What the desk answers to whoever asks for a page that they may not see, or that is not there: in its own
look, with what is needed and whom to ask. Pages of readers have Django's answers."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import InvalidPage
from django.db import DataError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views import csrf, defaults

from subscriptions import roles
from subscriptions.admin.acting import ERASE, OPERATE
from subscriptions.admin.finding import is_id
from subscriptions.door.gate import DESK

logger = logging.getLogger(__name__)

_OWN: Mapping[str, str] = {
    "edition_coming": "digest.view_edition",
    "edition_draft": "digest.view_edition",
    "edition_expected": "digest.view_edition",
    "edition_proof": "digest.view_edition",
    "edition_proof_mail": "digest.view_edition",
    "edition_proof_test": "digest.change_edition",
    "edition_hold": "digest.change_edition",
    "edition_release": "digest.change_edition",
    "edition_drop": "digest.change_edition",
    "provider_pause": "digest.change_providerplan",
    "provider_resume": "digest.change_providerplan",
    "provider_move": "digest.change_providerplan",
    "provider_order": "digest.change_providerplan",
    "provider_back": "digest.change_providerplan",
    "digest_in_doubt": "digest.view_batch",
    "digest_settle": "digest.settle_delivery",
    "topic_trial": "subscriptions.view_topic",
    "topic_correct": "subscriptions.change_topic",
    "auth_user_second_factor": "auth.change_user",
    "reader_act": OPERATE,
    "subscriptions_subscriber_search": "subscriptions.view_subscriber",
    "subscriptions_suppression_search": "subscriptions.view_suppression",
}
"""The right that a page of our own asks for, by its name."""
_WRITING: Mapping[str, str] = {"edition_draft": "digest.change_edition"}
"""Where another one is needed to change something on it."""
_VERBS = {"changelist": "view", "history": "view", "add": "add", "delete": "delete"}
_MOST_NAMES = 5


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: says which right is needed, which roles have it, and who gives roles."""
    if not _is_at_desk(request):
        return defaults.permission_denied(request, exception)
    needed = right_for(request)
    app, _, code = needed.partition(".")
    right = Permission.objects.filter(content_type__app_label=app, codename=code).first()
    groups = Group.objects.filter(permissions=right) if right else Group.objects.none()
    return _shown(
        request,
        403,
        title="You may not do this",
        right=right.name.lower() if right else "",
        roles=list(groups.order_by("name").values_list("name", flat=True)),
        own_role=roles.role_of(request.user) if isinstance(request.user, User) else None,
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, in the look of the desk for whoever works there."""
    if not _is_at_desk(request):
        return defaults.page_not_found(request, exception)
    return _shown(request, 404, title="There is no such page")


class OddQuestions:
    """Middleware: what the desk, Django's admin and its theme stumble over in an address or a form, as a page
    of a search that has none, or a letter that no database keeps, is a page that is not there."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._answer(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """Behind the check of the form's token, which has read the form."""
        if not request.path.startswith(DESK):
            return None
        asked = [request.path, *_texts(request.GET), *_texts(request.POST)]
        # A search by an expression may be none, or take for ever.
        is_odd = any("\0" in each for each in asked) or any(
            name.endswith("regex") for name in request.GET
        )
        return not_found(request, Http404()) if is_odd else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_odd = isinstance(error, InvalidPage) or (
            isinstance(error, FieldDoesNotExist)
            and ("_to_field" in request.GET or "_to_field" in request.POST)
        )
        if isinstance(error, ValueError | OverflowError | DataError) and _asks_oddly(request):
            # The fault may be ours all the same.
            logger.warning("list of the desk could not be read as it was asked for", exc_info=error)
            is_odd = True
        return not_found(request, error) if is_odd and request.path.startswith(DESK) else None


def old_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of a form that was loaded before somebody signed in or out: it is to be loaded anew."""
    if not request.path.startswith(DESK):
        return csrf.csrf_failure(request, reason)
    # Also for who is not signed in: the theme's pages with a menu are not.
    context = admin.site.each_context(request) | {"title": "This form is too old"}
    return render(request, "admin/old_form.html", context, status=403)


def right_for(request: HttpRequest) -> str:
    """The right that was missing: `digest.change_edition`; "" where the page does not say."""
    match = request.resolver_match
    name = match.url_name if match and match.url_name else ""
    is_writing = request.method == "POST"
    if name in _OWN:
        if name == "reader_act" and request.POST.get("act") == "erase":
            return ERASE
        return _WRITING.get(name, _OWN[name]) if is_writing else _OWN[name]
    for model in admin.site._registry:  # noqa: SLF001  Django offers no other list of them
        opts = model._meta  # noqa: SLF001  as Django's own admin does
        begins = f"{opts.app_label}_{opts.model_name}_"
        if name.startswith(begins):
            page = name.removeprefix(begins)
            verb = _VERBS.get(page, "change" if is_writing or page != "change" else "view")
            return f"{opts.app_label}.{verb}_{opts.model_name}"
    return ""


def _texts(values: QueryDict) -> Iterator[str]:
    for name, given in values.lists():
        yield from (name, *given)


def _asks_oddly(request: HttpRequest) -> bool:
    """Whether a list is asked for by what stands in its address, or to do something to what is no row."""
    match = request.resolver_match
    if not (match and match.url_name and match.url_name.endswith("_changelist")):
        return False
    if request.method == "POST":
        return not all(map(is_id, request.POST.getlist(ACTION_CHECKBOX_NAME)))
    return bool(request.GET)


def _is_at_desk(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return request.path.startswith(DESK) and bool(user and user.is_active and user.is_staff)


def _shown(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    shared = admin.site.each_context(request) | {"owners": _owners()}
    return render(request, "admin/refused.html", shared | context, status=status)


def _owners() -> list[str]:
    is_owner = Q(is_superuser=True) | Q(groups__name=roles.Role.OWNER.value)
    people = User.objects.filter(is_owner, is_active=True).distinct().order_by("username")
    return [user.get_full_name() or user.get_username() for user in people[:_MOST_NAMES]]
