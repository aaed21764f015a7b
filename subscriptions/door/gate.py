"""The one place where the second factor is asked for: nothing below /admin/ answers before this did."""

from collections.abc import Callable
from urllib.parse import unquote

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from subscriptions import roles

from . import entering, second_factor

DESK = "/admin/"
OPERATORS = f"{DESK}auth/user/"
Answer = Callable[[HttpRequest], HttpResponseBase]


def middleware(answer: Answer) -> Answer:
    """Sends operators to where they give the second factor, or set one up, and ends sessions that are
    over. Who is no operator is sent to the sign-in by the admin itself."""

    def guarded(request: HttpRequest) -> HttpResponseBase:
        return (_stopped(request) if request.path_info.startswith(DESK) else None) or answer(
            request
        )

    return guarded


def next_page(request: HttpRequest) -> str:
    """The page of the desk that was asked for, if one was; else the dashboard."""
    wanted = str(request.POST.get("next") or request.GET.get("next") or "")
    # Of "/admin/%2E./" a browser makes "/".
    is_within = wanted.startswith(DESK) and ".." not in unquote(wanted)
    is_safe = is_within and "\\" not in wanted and wanted.isprintable()
    return wanted if is_safe else reverse("admin:index")


def _stopped(request: HttpRequest) -> HttpResponseBase | None:
    had_given = DEVICE_ID_SESSION_KEY in request.session
    user = request.user
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        return None
    has_given = user.is_verified()  # type: ignore[attr-defined]  # OTPMiddleware gives it
    has_factor = has_given or second_factor.device_of(user) is not None
    # Whose device was taken away since comes in anew, by all that is asked for now.
    is_other = had_given and not has_given
    if is_other or entering.is_over(request.session, has_factor=has_factor):
        logout(request)
        return redirect_to_login(_wanted(request), reverse("admin:login"))
    if has_factor:
        entering.ask(request.session)
    if has_given:
        return _asked_again(request, user)
    if request.path_info in _open() or not (has_factor or second_factor.is_required()):
        return None
    return redirect_to_login(
        _wanted(request), reverse("door:code" if has_factor else "door:set_up")
    )


def _asked_again(request: HttpRequest, user: User) -> HttpResponseBase | None:
    """Who works at the desk is changed for a code of just now: a session that was left open, or was stolen,
    makes nobody an owner."""
    # Both without the prefix of the site, if it has one.
    path, is_reading = request.path_info, request.method in {"GET", "HEAD"}
    is_theirs = path.startswith(OPERATORS) and not (path == OPERATORS and is_reading)
    is_theirs = is_theirs and roles.is_owner(user)
    if not is_theirs or entering.has_just_given(request):
        return None
    if request.method == "POST":
        messages.warning(request, "Nothing was saved: your last code is more than ten minutes old.")
    return redirect_to_login(request.get_full_path(), reverse("door:code"))


def _open() -> set[str]:
    return {reverse(name) for name in ("admin:login", "admin:logout", "door:code", "door:set_up")}


def _wanted(request: HttpRequest) -> str:
    """Where to go afterwards: what was posted is not posted again."""
    is_page = request.method == "GET" and request.path_info not in _open()
    return request.get_full_path() if is_page else reverse("admin:index")
