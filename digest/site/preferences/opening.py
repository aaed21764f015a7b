"""What the pages behind a preferences link share: the reader whom the link was made for."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from subscriptions import addresses, selectors, tokens
from subscriptions.errors import TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.views import common

View = Callable[..., HttpResponseBase]


def readers_page(*methods: str) -> Callable[[View], View]:
    """A private page: the view gets the subscriber and the token; an expired link is answered."""

    def decorate(view: View) -> View:
        @common.private_page(*methods)
        @wraps(view)
        def wrapped(request: HttpRequest, token: str, **kwargs: Any) -> HttpResponseBase:
            try:
                subscriber = selectors.subscriber_of(tokens.read_preferences(token))
            except TokenExpiredError as error:
                return common.expired(
                    request, error, what=_("Links to your preferences"), life=_("7 days")
                )
            return view(request, subscriber, token, **kwargs)

        return wrapped

    return decorate


def show(
    request: HttpRequest, name: str, subscriber: Subscriber, *, status: int = 200, **context: Any
) -> HttpResponse:
    """A page about the subscriber, whose address it shows masked."""
    context |= {"subscriber": subscriber, "masked": addresses.masked(subscriber.email)}
    return render(request, f"web/preferences/{name}.html", context, status=status)
