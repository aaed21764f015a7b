"""How our cookies are set: out of reach of scripts, over https alone where the site is, and only for the
pages below a path."""

from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.http import HttpResponseBase


def keep(
    response: HttpResponseBase,
    name: str,
    value: str,
    *,
    life: timedelta,
    path: str,
    samesite: Literal["Lax", "Strict"] = "Lax",
) -> None:
    """Afterwards the browser that gets the response keeps the value for so long."""
    response.set_cookie(
        name,
        value,
        max_age=life,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=samesite,
    )
