"""The way from a digest to its reader's preferences, and what is asked of a browser that nobody knows."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse

from subscriptions import selectors, tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber
from subscriptions.views import common, cookies, known_cookie

COOKIE = "onward"
_PATH = "/preferences/"


@common.private_page("GET", "HEAD", "POST")
def manage(request: HttpRequest, token: str) -> HttpResponse:
    """Leads to the preferences in a browser that is known as the reader's. In any other it shows
    nothing of theirs, and mails them a fresh link at one press."""
    subscriber = selectors.subscriber_with(tokens.read_manage(token))
    if subscriber is None:
        raise TokenError("This link is no longer in use.")
    if known_cookie.is_of(request, subscriber):
        return HttpResponseRedirect(
            reverse("site:preferences", args=[tokens.make_preferences(subscriber)])
        )
    return common.fresh_link(request, subscriber)


def come_back(response: HttpResponse, path: str) -> None:
    """Afterwards the fresh link leads on to the path, in this browser and within a day."""
    cookies.keep(response, COOKIE, path, life=timedelta(days=1), path=_PATH)


def onward(request: HttpRequest, subscriber: Subscriber) -> HttpResponse | None:
    """Where the reader was before they asked for this fresh link, once; None where they were nowhere.

    What the cookie says is only believed where it is an opinion that a digest of this very reader
    asks for, and the address is made anew.
    """
    try:
        found = resolve(request.COOKIES.get(COOKIE, ""))
        public_id, _edition = tokens.read_digest(str(found.kwargs.get("token", "")))
    except (Resolver404, TokenError):
        return None
    if found.view_name != "site:opinion" or public_id != subscriber.public_id:
        return None
    response = HttpResponseRedirect(reverse(found.view_name, kwargs=found.kwargs))
    response.delete_cookie(COOKIE, path=_PATH, samesite="Lax")
    return response
