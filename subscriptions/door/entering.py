"""What is true of a session at the desk: when it began, whether the second factor was given, and what
the log says of it. Django's and django-axes' signals come in here."""

import time
from datetime import timedelta
from typing import Any

import django_otp
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device

from subscriptions import logbook

from . import lockout, second_factor

_BEGAN = "signed_in_at"
_PROVED = "second_factor_proved_at"
_GIVEN = "second_factor_given_at"
_ASKED = "second_factor_asked"
_PROOF_SECONDS = 600


def is_over(session: SessionBase, *, has_factor: bool) -> bool:
    """Whether it is to end: SESSION_COOKIE_AGE after its sign-in, whatever was done in it since; and once
    its operator has no second factor any more, which it gave or owed."""
    began = float(session.get(_BEGAN, 0))
    is_old = time.time() - began > settings.SESSION_COOKIE_AGE
    return is_old or (_ASKED in session and not has_factor)


def ask(session: SessionBase) -> None:
    """Afterwards nobody goes on in it without a second factor, should that be taken away."""
    session.setdefault(_ASKED, True)


def go_on(session: SessionBase) -> None:
    """Afterwards this session goes on by password alone, while all others of its operator are over."""
    session.pop(_ASKED, None)
    session.pop(DEVICE_ID_SESSION_KEY, None)


def prove(request: HttpRequest) -> None:
    """Afterwards this session may change the second factor, for ten minutes."""
    request.session[_PROVED] = int(time.time())


def is_proved(request: HttpRequest) -> bool:
    """Whether a code was given just now."""
    proved = float(request.session.get(_PROVED, 0))
    return time.time() - proved <= _PROOF_SECONDS


def has_just_given(request: HttpRequest) -> bool:
    """Whether this session gave a code in the last ten minutes, at its sign-in or since."""
    return time.time() - float(request.session.get(_GIVEN, 0)) <= _PROOF_SECONDS


def let_in(request: HttpRequest, user: User, device: Device, *, what: str = "") -> None:
    """Afterwards this session has given the second factor, under a new key, and may not change it without
    another code; where `what` says what it was for, failures are forgiven, and it is in the log."""
    django_otp.login(request, device)
    ask(request.session)
    request.session.pop(_PROVED, None)
    request.session[_GIVEN] = int(time.time())
    request.session.cycle_key()
    if what:
        _welcome(request, user, what)


def _welcome(request: HttpRequest, user: User, what: str) -> None:
    lockout.clear(request, user.get_username())
    note(request, user, what, by=user)


def note(
    request: HttpRequest, about: User | type[User], what: str, *, by: User | None = None
) -> None:
    """Afterwards the log has what happened, as `logbook.note_sign_in`, and from where."""
    network = lockout.network_of(request)
    known = "" if network == lockout.NO_ADDRESS else network
    logbook.note_sign_in(about, what, by=by, network=known)


@receiver(user_logged_in, dispatch_uid=__name__)
def note_password(request: HttpRequest, user: User, **_: Any) -> None:
    """The password was right; where nothing else is asked for, that is a sign-in."""
    request.session[_BEGAN] = int(time.time())
    # Else one code would last for ever, with the password again every twelve hours.
    request.session.pop(DEVICE_ID_SESSION_KEY, None)
    has_factor = second_factor.device_of(user) is not None
    if has_factor:
        ask(request.session)
    is_all = not second_factor.is_required() and not has_factor
    # A session that no form began, as in tests, is nobody's sign-in.
    if is_all and request.method == "POST":
        _welcome(request, user, "Signed in, by password alone")


@receiver(user_login_failed, dispatch_uid=__name__)
def note_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """What the log says of a wrong name or password; who is locked out already is in it once."""
    if request is None or getattr(request, "axes_failures_since_start", None) is None:
        return
    user = User.objects.filter(username=lockout.name_tried(request, credentials)).first()
    what = "wrong password" if user else "nobody has this name"
    note(request, user or User, f"Sign-in failed: {what}")
    _note_lock(request, user)


def note_wrong_code(request: HttpRequest, user: User, *, is_in: bool) -> None:
    """Afterwards the wrong code is counted, and in the log: of somebody who signs in, or is in."""
    if is_in:
        note(request, user, "Gave a wrong code where one is asked for again", by=user)
    else:
        note(request, user, "Sign-in failed: the password was right, the second factor wrong")
    lockout.count_failure(request, user.get_username())
    _note_lock(request, user)


def note_wrong_password(request: HttpRequest, user: User) -> None:
    """Afterwards it is counted as a failed sign-in, and in the log, that who is in did not know it."""
    note(request, user, "Gave a wrong password where one changes it", by=user)
    lockout.count_failure(request, user.get_username())
    _note_lock(request, user)


def _note_lock(request: HttpRequest, user: User | None) -> None:
    """The moment of it is in the log; tries meanwhile are not."""
    if getattr(request, "axes_locked_out", False):
        minutes = lockout.cool_off() // timedelta(minutes=1)
        note(request, user or User, f"Locked out for {minutes} minutes after failed sign-ins")
