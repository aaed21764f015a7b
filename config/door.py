"""The door of the operator's desk: how sign-ins are counted and refused, and what the cookies are."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

FACTORS = ("required", "optional")

APPS = ["axes", "django_otp", "django_otp.plugins.otp_totp", "django_otp.plugins.otp_static"]
# The lock-out stands in front: who is locked out is not asked for a password at all.
BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
_ROOM = "subscriptions.door.lockout"
# django-axes, counting in the database: counts survive an emptied Redis, and hold for all processes.
AXES: Mapping[str, Any] = {
    "AXES_HANDLER": f"{_ROOM}.Handler",
    # For one name from one network; `lockout` has the limits for a network and for a name.
    "AXES_FAILURE_LIMIT": 5,
    "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"], "ip_address", "username"],
    "AXES_COOLOFF_TIME": timedelta(minutes=15),
    # Who tries on while locked out is not locked out for longer: else anybody could lock a name for ever.
    "AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT": False,
    # A right password clears nothing as long as the second factor is missing.
    "AXES_RESET_ON_SUCCESS": False,
    "AXES_CLIENT_IP_CALLABLE": f"{_ROOM}.network_of",
    "AXES_USERNAME_CALLABLE": f"{_ROOM}.name_tried",
    "AXES_LOCKOUT_CALLABLE": f"{_ROOM}.locked_page",
    "AXES_DISABLE_ACCESS_LOG": True,
    "AXES_ENABLE_ADMIN": False,
    "AXES_VERBOSE": False,
    # What a form of the door has; `password` django-axes leaves out by itself.
    "AXES_SENSITIVE_PARAMETERS": [
        "username",
        "ip_address",
        "csrfmiddlewaretoken",
        "code",
        "next",
        "old_password",
        "new_password1",
        "new_password2",
    ],
}
# A session is over so many seconds after its sign-in, and with the browser.
SESSION_SECONDS = 12 * 3600


def cookies(*, is_https: bool) -> dict[str, Any]:
    """Django's settings for its cookies, and for the sessions behind them. Over https `__Host-` has browsers
    take them from this very host alone, for all of it, and not from another one below the same domain."""
    prefix = "__Host-" if is_https else ""
    return {
        "SESSION_ENGINE": "subscriptions.door.sessions",
        "SESSION_COOKIE_NAME": f"{prefix}sessionid",
        "SESSION_COOKIE_SECURE": is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_AGE": SESSION_SECONDS,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
        "CSRF_COOKIE_NAME": f"{prefix}csrftoken",
        "CSRF_COOKIE_SECURE": is_https,
        # With the browser, as the session.
        "CSRF_COOKIE_AGE": None,
        # Our scripts take the token from the form.
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
        # What the desk says after a redirect stands in no cookie of its own.
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
    }
