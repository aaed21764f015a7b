"""Changing the address: the reader names the new one, and its owner agrees by a mail's link."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from subscriptions import addresses, forms, limits, selectors, services, tokens
from subscriptions.errors import AddressError, TokenError, TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.tasks import wake_sender

from . import common, known_cookie


@common.private_page("GET", "HEAD", "POST")
@common.in_like_time
def ask_address(request: HttpRequest, token: str) -> HttpResponse:
    """Takes the new address, with one answer for all of them: a mail goes there, if it may."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_preferences(token))
    except TokenExpiredError as error:
        return common.expired(request, error, what=_("Links to your preferences"), life=_("7 days"))
    if not subscriber.confirmed_at:
        raise TokenError("Nobody has confirmed this address yet.")
    if request.method != "POST":
        return _ask(request, subscriber, forms.AddressForm(), token)
    form = forms.AddressForm(request.POST)
    if seconds := limits.seconds_until_client(request):
        return _too_many(request, subscriber, form, token, seconds)
    if not form.is_valid():
        return _ask(request, subscriber, form, token, status=400)
    email = form.cleaned_data["email"]
    # Counted alike for every address, or the count would tell which ones are known.
    if seconds := limits.seconds_until_address_change(request, subscriber.public_id, email):
        return _too_many(request, subscriber, form, token, seconds)
    if not form.is_trapped:
        services.request_address_change(subscriber, email)
        wake_sender()
    return render(request, "web/subscriptions/address_asked.html", {"token": token})


def _ask(
    request: HttpRequest,
    subscriber: Subscriber,
    form: forms.AddressForm,
    token: str,
    *,
    status: int = 200,
) -> HttpResponse:
    response = common.masked_page(request, "ask_address", subscriber, form=form, token=token)
    response.status_code = status
    return response


def _too_many(
    request: HttpRequest, subscriber: Subscriber, form: forms.AddressForm, token: str, seconds: int
) -> HttpResponse:
    context = {"form": form, "token": token, "masked": addresses.masked(subscriber.email)}
    return common.too_many(request, "web/subscriptions/ask_address.html", context, seconds=seconds)


@common.private_page("GET", "HEAD", "POST")
def address(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST changes the address: a scanner that opens links changes nothing."""
    try:
        subscriber, digest, is_done = _owner(token)
    except TokenExpiredError as error:
        return common.expired(
            request, error, what=_("Links to change an address"), life=_("3 days")
        )
    if request.method != "POST" and not is_done:
        return common.masked_page(request, "address", subscriber)
    return _change(request, subscriber, digest)


def _owner(token: str) -> tuple[Subscriber, bytes, bool]:
    """Whose address changes, to which, and whether it has."""
    holder, digest = tokens.read_address(token)
    subscriber = selectors.subscriber_with(holder.public_id)
    if subscriber is None:
        raise TokenError("This link is no longer in use.")
    is_done = tokens.is_new_email(digest, subscriber.email) and not subscriber.new_email
    if not is_done and not tokens.is_new_email(digest, subscriber.new_email):
        raise TokenExpiredError("This link has expired.", holder)
    return subscriber, digest, is_done


def _change(request: HttpRequest, subscriber: Subscriber, digest: bytes) -> HttpResponse:
    said = _("The digest comes to this address from now on, and no more to the old one.")
    words = common.evidence(request, f"{said} [{_('Use this address')}]")
    try:
        is_first = request.method == "POST" and services.change_address(
            subscriber, digest, evidence=words
        )
    except AddressError as error:
        context = {"said": str(error)}
        return render(request, "web/subscriptions/address_refused.html", context, status=409)
    if is_first:
        wake_sender()
    changed = common.masked_page(
        request,
        "address_changed",
        subscriber,
        # A link that was used before opens nothing more: it may be in other hands by now.
        preferences_token=tokens.make_preferences(subscriber) if is_first else "",
    )
    if is_first:
        # What it had died with the older links.
        known_cookie.keep(changed, subscriber)
    return changed
