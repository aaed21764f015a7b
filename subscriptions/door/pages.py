"""The pages of the second factor: giving a code, setting an app up, and what one has; and that of one's
password, which is the admin's."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_otp.models import Device

from . import entering, gate, lockout, second_factor

if TYPE_CHECKING:
    from django.forms import TextInput
else:
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

_KEY = "second_factor_key"
_WRONG = "This code is not right. Each is good once, and for half a minute: take the next one."
_TWO_MINUTES = 120


class CodeForm(forms.Form):
    """A code of the app, or where one may be given instead, a recovery code."""

    code = forms.CharField(
        max_length=40,
        widget=TextInput(
            {
                "autocomplete": "one-time-code",
                "autocapitalize": "off",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )


def _page(view: Callable[[HttpRequest, User], HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for operators who gave the password: kept by nobody, and no code of theirs in any report."""

    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    @sensitive_post_parameters("code")
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        user = _operator(request)
        return redirect("admin:login") if user is None else view(request, user)

    return wrapped


@_page
def code(request: HttpRequest, user: User) -> HttpResponse:
    """Asks who gave the password for the second factor; and who is in for another code, after a while."""
    is_in = _is_in(user)
    if second_factor.device_of(user) is None or (is_in and entering.has_just_given(request)):
        return redirect(gate.next_page(request))
    if refusal := lockout.refusal(request, user.get_username()):
        return refusal
    form = CodeForm(request.POST or None)
    if form.is_valid() and (device := _given(request, user, form)):
        _let_in(request, user, device, is_in=is_in)
        return redirect(gate.next_page(request))
    return _shown(
        request,
        "code",
        form,
        title="A code once more" if is_in else "Your second factor",
        is_in=is_in,
    )


@_page
def set_up(request: HttpRequest, user: User) -> HttpResponse:
    """Shows the secret of a new app, takes its first code, and tells the recovery codes."""
    had_one = second_factor.device_of(user) is not None
    if had_one and not (_is_in(user) and entering.is_proved(request)):
        return redirect("door:own" if _is_in(user) else "door:code")
    # In the session: whoever else knows the password sees another secret.
    key = request.session.setdefault(_KEY, second_factor.new_key())
    form = CodeForm(request.POST or None)
    if form.is_valid():
        codes = second_factor.set_up(user, key, form.cleaned_data["code"], instead=had_one)
        if codes is not None:
            return _has_set_up(request, user, codes, had_one=had_one)
        form.add_error("code", "This code is not right. Is the clock of your phone?")
    uri = second_factor.uri(user, key)
    return _shown(
        request,
        "set_up",
        form,
        title="Set up a second factor",
        uri=uri,
        picture=second_factor.picture(uri),
        secret=second_factor.readable(key),
        is_required=second_factor.is_required() and not had_one,
    )


def _has_set_up(
    request: HttpRequest, user: User, codes: list[str], *, had_one: bool
) -> HttpResponse:
    device = second_factor.device_of(user)
    del request.session[_KEY]
    is_sign_in = not had_one and second_factor.is_required()
    signed_in = "Signed in, by password and a second factor that was just set up"
    entering.let_in(request, user, device, what=signed_in if is_sign_in else "")
    what = "Replaced the second factor" if had_one else "Set up a second factor"
    entering.note(request, user, what, by=user)
    return _codes(request, codes)


@_page
def own(request: HttpRequest, user: User) -> HttpResponse:
    """What one has, and what one may do with it, for a code."""
    device = second_factor.device_of(user)
    form = CodeForm(request.POST or None)
    form.fields["code"].widget.attrs.pop("autofocus", None)
    if device and form.is_valid():
        if refusal := lockout.refusal(request, user.get_username()):
            return refusal
        if given := _given(request, user, form):
            entering.let_in(request, user, given)
            return _done(request, user, request.POST.get("do", ""))
    return _shown(
        request,
        "own",
        form,
        title="Second factor",
        device=device,
        left=second_factor.codes_left(user),
        is_required=second_factor.is_required(),
    )


def password(request: HttpRequest) -> HttpResponse:
    """The admin's page that changes one's own password; afterwards the log has that it was, and guesses at
    the old one are counted: who found a session open must not find out the password, too."""
    user = _operator(request)
    if user is None or request.method != "POST":
        return admin.site.password_change(request)
    if refusal := lockout.refusal(request, user.get_username()):
        return refusal
    answer = admin.site.password_change(request)
    if answer.status_code == HTTPStatus.FOUND:
        entering.note(request, user, "Changed their password", by=user)
    elif (answer.context_data or {})["form"].has_error("old_password", "password_incorrect"):
        entering.note_wrong_password(request, user)
    return answer


def _done(request: HttpRequest, user: User, wanted: str) -> HttpResponse:
    if wanted == "replace":
        entering.prove(request)
        # Who broke off before may have had a reason: somebody looked on.
        request.session.pop(_KEY, None)
        return redirect("door:set_up")
    if wanted == "codes":
        codes = second_factor.new_codes(user)
        # By a recovery code this session was in until now, and that is gone.
        entering.let_in(request, user, second_factor.device_of(user))
        entering.note(request, user, "Made new recovery codes", by=user)
        return _codes(request, codes)
    if wanted == "off" and not second_factor.is_required():
        second_factor.remove(user)
        entering.go_on(request.session)
        entering.note(request, user, "Took their second factor away", by=user)
        messages.success(request, "You sign in by password alone from now on.")
    return redirect("door:own")


def _given(request: HttpRequest, user: User, form: CodeForm) -> Device | None:
    """What the code of the form is of, where it is right; else the form says why not."""
    text = form.cleaned_data["code"]
    if seconds := second_factor.wait(user, text):
        form.add_error("code", f"After wrong codes one has to wait: {_words(seconds)} more.")
        return None
    device = second_factor.verify(user, text)
    if device is None:
        entering.note_wrong_code(request, user, is_in=_is_in(user))
        form.add_error("code", _WRONG)
    return device


def _let_in(request: HttpRequest, user: User, device: Device, *, is_in: bool) -> None:
    is_app = device == second_factor.device_of(user)
    code = "a code of the app" if is_app else "a recovery code"
    what = f"Gave {code} again" if is_in else f"Signed in, by password and {code}"
    entering.let_in(request, user, device, what=what)
    if not is_app:
        left = second_factor.codes_left(user)
        messages.warning(
            request,
            f"You used a recovery code; {left} {pluralize(left, 'is,are')} left. Where the phone is gone, "
            "set up another one under Second factor, in the menu of your name.",
        )


def _words(seconds: int) -> str:
    if seconds < _TWO_MINUTES:
        return f"{seconds} second{pluralize(seconds)}"
    return f"{ceil(seconds / 60)} minutes"


def _operator(request: HttpRequest) -> User | None:
    user = request.user
    return user if isinstance(user, User) and user.is_active and user.is_staff else None


def _is_in(user: User) -> bool:
    return bool(user.is_verified())  # type: ignore[attr-defined]  # OTPMiddleware gives it


def _codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _shown(request, "codes", None, title="Your recovery codes", codes=codes)


def _shown(request: HttpRequest, name: str, form: CodeForm | None, **context: Any) -> HttpResponse:
    shared = admin.site.each_context(request) | {"form": form, "next": gate.next_page(request)}
    return render(request, f"admin/door/{name}.html", shared | context)
