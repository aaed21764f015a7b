"""What a browser keeps once its reader opened a link out of their mail in it: a cookie that says whose
it is, so that the links of their digests, which may be in other hands, open more than they do elsewhere.

It goes to the pages that such links lead to, to no script and with nothing that another site posts.
"""

from django.http import HttpRequest, HttpResponseBase

from subscriptions import tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber

from . import cookies

ROOMS = ("confirm", "digests", "preferences", "unsubscribe")
"""The beginnings of addresses that it is sent to; a cookie for each, as one has but one path."""
_REFUSED = "no"
"""What the preferences find where the reader wanted this browser forgotten."""


def name_in(room: str) -> str:
    """The cookie's name below `/room/`."""
    return f"known_{room}"


def keep(response: HttpResponseBase, subscriber: Subscriber) -> None:
    """Afterwards this browser is known as the reader's, for 180 days."""
    token = tokens.make_known(subscriber)
    for room in ROOMS:
        _set(response, room, token)


def drop(response: HttpResponseBase) -> None:
    """Afterwards this browser is nobody's."""
    for room in ROOMS:
        response.delete_cookie(name_in(room), path=f"/{room}/", samesite="Lax")


def refuse(response: HttpResponseBase) -> None:
    """As `drop`, and opening the preferences does not bring it back."""
    drop(response)
    _set(response, "preferences", _REFUSED)


def is_refused(request: HttpRequest) -> bool:
    """Whether the reader wanted this browser forgotten."""
    return _value(request) == _REFUSED


def is_of(request: HttpRequest, subscriber: Subscriber) -> bool:
    """Whether this browser is known as the subscriber's."""
    try:
        holder = tokens.read_known(_value(request))
    except TokenError:
        return False
    mine = (subscriber.public_id, subscriber.token_version)
    return (holder.public_id, holder.token_version) == mine


def _value(request: HttpRequest) -> str:
    return request.COOKIES.get(name_in(request.path_info.split("/")[1]), "")


def _set(response: HttpResponseBase, room: str, value: str) -> None:
    cookies.keep(response, name_in(room), value, life=tokens.KNOWN_LIFE, path=f"/{room}/")
