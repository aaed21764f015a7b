"""All that is held about a reader: to take along, or to erase."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from subscriptions import held, selectors, services, tokens
from subscriptions.errors import TokenExpiredError

from . import common, known_cookie, opened_cookie


@common.private_page("GET", "HEAD", "POST")
def my_data(request: HttpRequest, token: str) -> HttpResponse:
    """GET downloads everything as JSON; POST erases it."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_erase(token))
    except TokenExpiredError as error:
        return common.expired(request, error, what=_("Links to your data"), life=_("24 hours"))
    if request.method == "POST":
        services.erase(subscriber)
        erased = render(request, "web/subscriptions/erased.html")
        opened_cookie.drop(erased)
        known_cookie.drop(erased)
        return erased
    response = JsonResponse(
        held.data(subscriber), json_dumps_params={"indent": 2, "ensure_ascii": False}
    )
    response["Content-Disposition"] = 'attachment; filename="daily-papers-my-data.json"'
    return response


@common.private_page("GET", "HEAD", "POST")
def ask_erase(request: HttpRequest, token: str) -> HttpResponse:
    """Asks before everything is erased; a POST only asks for a new link where this one expired."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_erase(token))
    except TokenExpiredError as error:
        return common.expired(request, error, what=_("Links to your data"), life=_("24 hours"))
    return common.masked_page(request, "erase", subscriber, token=token)
