"""What a browser keeps where digests learn from the paper pages that its reader opens: a cookie that
says who they are, to one address only and to no script."""

from django.http import HttpRequest, HttpResponse

from subscriptions import tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber
from subscriptions.records import Holder

from . import cookies

COOKIE = "opened"
PATH = "/opened/"
"""No page is below it, so that no page ever gets the cookie."""


def keep(response: HttpResponse, subscriber: Subscriber) -> None:
    """Afterwards this browser says for a year who opened a paper, if nobody takes that back."""
    token, life = tokens.make_opened(subscriber), tokens.OPENED_LIFE
    cookies.keep(response, COOKIE, token, life=life, path=PATH, samesite="Strict")


def drop(response: HttpResponse) -> None:
    """Afterwards this browser says nothing of anybody."""
    response.delete_cookie(COOKIE, path=PATH, samesite="Strict")


def reader_of(request: HttpRequest) -> Holder | None:
    """Whom this browser names; None where it names nobody, or nobody any more."""
    try:
        return tokens.read_opened(request.COOKIES.get(COOKIE, ""))
    except TokenError:
        return None
