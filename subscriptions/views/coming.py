"""Signing up and confirming."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import forms, limits, selectors, services, tokens
from subscriptions.errors import TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.tasks import wake_sender

from . import common

SIGN_UP_COOKIE = "sign_up"
OWN_CLICK_TEXT = "The link in the confirm mail, opened in the browser that signed up"


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@common.in_like_time
def subscribe(request: HttpRequest) -> HttpResponse:
    """The sign-up form, and its one answer for every address.

    Exempt from the CSRF check: pages hold no cookies, and the confirm mail is the protection.
    """
    if request.method != "POST":
        return _form(request, forms.SignUpForm())
    form = forms.SignUpForm(request.POST)
    if limits.client_has_had_enough(request):
        return _too_many(request, form)
    if not form.is_valid():
        return _form(request, form, status=400)
    email = form.cleaned_data["email"]
    if not form.is_trapped:
        # Only now, or programs would use up what honest people at this mail domain have.
        if limits.domain_has_had_enough(request, email):
            return _too_many(request, form)
        services.subscribe(
            email,
            topics=form.cleaned_data["topics"],
            evidence=common.sign_up_evidence(request),
        )
        wake_sender()
    response = render(request, "web/subscriptions/almost_there.html")
    response.set_cookie(
        SIGN_UP_COOKIE,
        tokens.make_sign_up_mark(email),
        max_age=tokens.CONFIRM_LIFE,
        path="/confirm/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _form(request: HttpRequest, form: forms.SignUpForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "topics": selectors.catalogue()}
    return render(request, "web/subscriptions/subscribe.html", context, status=status)


def _too_many(request: HttpRequest, form: forms.SignUpForm) -> HttpResponse:
    response = render(
        request,
        "web/subscriptions/subscribe.html",
        {"form": form, "topics": selectors.catalogue(), "is_too_many": True},
        status=429,
    )
    response["Retry-After"] = "900"
    return response


@common.private_page("GET", "HEAD", "POST")
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST confirms: a scanner that opens links confirms nobody.

    A GET that brings the cookie of the very sign-up confirms at once: a scanner has no cookie.
    """
    try:
        subscriber = selectors.confirming_subscriber(tokens.read_confirm(token))
    except TokenExpiredError as error:
        return common.expired(
            request,
            error,
            what="Links to confirm an address",
            life="3 days",
            mail_new=services.request_new_confirm,
        )
    mark = request.COOKIES.get(SIGN_UP_COOKIE, "")
    is_own_click = request.method == "GET" and tokens.is_sign_up_mark(mark, subscriber.email)
    if request.method == "POST" or is_own_click:
        words = forms.CONFIRM_TEXT if request.method == "POST" else OWN_CLICK_TEXT
        is_first = services.confirm(subscriber, evidence=common.evidence(request, words))
        return _confirmed(request, subscriber, is_first=is_first)
    kept_for = settings.KEEP_UNCONFIRMED_DAYS
    return common.masked_page(request, "confirm", subscriber, kept_for=kept_for)


def _confirmed(request: HttpRequest, subscriber: Subscriber, *, is_first: bool) -> HttpResponse:
    is_suppressed = selectors.is_suppressed(subscriber.email)
    return common.masked_page(
        request,
        "confirmed",
        subscriber,
        next_digest="" if is_suppressed else common.next_digest(subscriber),
        may_not_mail=common.MAY_NOT_MAIL if is_suppressed else "",
        # A link that was used before opens nothing more: it may be in other hands by now.
        preferences_token=tokens.make_preferences(subscriber) if is_first else "",
    )
