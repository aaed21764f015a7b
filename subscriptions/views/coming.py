"""Signing up, confirming, and the topics right after."""

from dataclasses import replace
from email.utils import parseaddr

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import addresses, forms, limits, selectors, services, tokens
from subscriptions.errors import ChoiceError, TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.tasks import wake_sender

from . import common, cookies, known_cookie

SIGN_UP_COOKIE = "sign_up"
OWN_CLICK_TEXT = _("The link in the confirm mail, opened in the browser that signed up")
TOPICS_BUTTON = _("Save my topics")


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@common.in_like_time
def subscribe(request: HttpRequest) -> HttpResponse:
    """The sign-up form, and its one answer for every address.

    Exempt from the CSRF check: pages hold no cookies, the form may stand on any site, and the
    confirm mail is the protection.
    """
    if request.method != "POST":
        return _form(request, forms.SignUpForm())
    form = forms.SignUpForm(request.POST)
    if seconds := limits.seconds_until_client(request):
        return _too_many(request, form, seconds)
    if not form.is_valid():
        return _form(request, form, status=400)
    email = form.cleaned_data["email"]
    if not form.is_trapped and not limits.mailbox_has_had_enough(request, email):
        # Only now, or programs would use up what honest people at this mail domain have.
        if seconds := limits.seconds_until_sign_up(request, email):
            return _too_many(request, form, seconds)
        said = common.sign_up_evidence(request, form.cleaned_data["headline"])
        services.subscribe(
            email,
            topics=form.cleaned_data["topics"],
            timezone=form.cleaned_data["timezone"],
            language=get_language() or "",
            # What a form that stands elsewhere says is not known.
            counts_clicks=settings.TRACK_CLICKS and said.page.startswith("/"),
            evidence=said,
        )
        wake_sender()
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    response = render(request, "web/subscriptions/almost_there.html", {"sender": sender})
    # Who was made to sign up by a page elsewhere has to press the button.
    if not common.is_from_elsewhere(request):
        mark, life = tokens.make_sign_up_mark(email), tokens.CONFIRM_LIFE
        cookies.keep(response, SIGN_UP_COOKIE, mark, life=life, path="/confirm/")
    return response


def _form(request: HttpRequest, form: forms.SignUpForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "topics": selectors.catalogue()}
    return render(request, "web/subscriptions/subscribe.html", context, status=status)


def _too_many(request: HttpRequest, form: forms.SignUpForm, seconds: int) -> HttpResponse:
    context = {"form": form, "topics": selectors.catalogue()}
    return common.too_many(request, "web/subscriptions/subscribe.html", context, seconds=seconds)


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
            what=gettext("Links to confirm an address"),
            life=gettext("3 days"),
            mail_new=services.request_new_confirm,
        )
    is_own = _is_own_click(request, subscriber)
    if request.method == "POST" or is_own:
        words = _confirm_words(subscriber) if request.method == "POST" else str(OWN_CLICK_TEXT)
        is_first = services.confirm(subscriber, evidence=common.evidence(request, words))
        # A link that was used before opens nothing more, unless it is loaded again where the reader
        # used it: it may be in other hands by now, and anybody can type the address into a form.
        is_theirs = is_first or known_cookie.is_of(request, subscriber)
        token = tokens.make_preferences(subscriber) if is_theirs else ""
        confirmed = _confirmed(request, subscriber, token, is_first=is_first)
        if token:
            known_cookie.keep(confirmed, subscriber)
        return confirmed
    masked = format_html("<b>{}</b>", addresses.masked(subscriber.email))
    return common.masked_page(
        request,
        "confirm",
        subscriber,
        question=format_html(str(forms.CONFIRM_QUESTION), address=masked),
        button=forms.CONFIRM_BUTTON,
        clicks_note=_clicks_note(subscriber),
        kept_for=settings.KEEP_UNCONFIRMED_DAYS,
    )


def _confirm_words(subscriber: Subscriber) -> str:
    """Of the page behind the link, as a consent record keeps them."""
    return f"{_clicks_note(subscriber)} {forms.CONFIRM_TEXT}".strip()


def _clicks_note(subscriber: Subscriber) -> str:
    """For the owner of the address, who need not be who filled in the form."""
    is_said = settings.TRACK_CLICKS and subscriber.counts_clicks
    return str(forms.CLICKS_NOTE) if is_said else ""


def _is_own_click(request: HttpRequest, subscriber: Subscriber) -> bool:
    # A browser that fetches pages ahead brings its cookies, too, and nobody has clicked.
    if request.method != "GET" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return False
    return tokens.is_sign_up_mark(request.COOKIES.get(SIGN_UP_COOKIE, ""), subscriber.email)


@common.private_page("GET", "HEAD", "POST")
def first_topics(request: HttpRequest, token: str) -> HttpResponse:
    """The page after confirming, behind a link to the preferences: a POST changes the topics, and
    nothing else."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_preferences(token))
    except TokenExpiredError as error:
        what, life = gettext("Links to your preferences"), gettext("7 days")
        return common.expired(request, error, what=what, life=life)
    if subscriber.state != Subscriber.State.ACTIVE:
        # They left since; that page says so, and how to come back.
        return HttpResponseRedirect(f"/preferences/{token}/")
    if request.method != "POST":
        return _confirmed(request, subscriber, token)
    try:
        _follow(request, subscriber)
    except ChoiceError as error:
        return _confirmed(request, subscriber, token, refused=str(error))
    return _confirmed(request, subscriber, token, is_saved=True)


def _follow(request: HttpRequest, subscriber: Subscriber) -> None:
    # Topics that are no more are passed over.
    offered = selectors.catalogue().values_list("slug", flat=True)
    topics = tuple(slug for slug in offered if slug in set(request.POST.getlist("topics")))
    held = selectors.preferences_of(subscriber)
    services.change_preferences(
        subscriber,
        replace(held, selection=replace(held.selection, topics=topics)),
        evidence=common.evidence(request, f"[{TOPICS_BUTTON}]"),
    )


def _confirmed(
    request: HttpRequest, subscriber: Subscriber, token: str, **said: str | bool
) -> HttpResponse:
    is_suppressed = selectors.is_suppressed(subscriber.email)
    context = {
        # When it comes is the reader's choice, which nobody else is shown.
        "next_digest": common.next_digest(subscriber) if token and not is_suppressed else "",
        "zone_in_words": common.zone_in_words(subscriber.timezone) if token else "",
        "may_not_mail": common.MAY_NOT_MAIL if is_suppressed else "",
        "token": token,
        "topics": selectors.catalogue() if token else [],
        "followed": selectors.selection_of(subscriber).topics if token else (),
        "topics_button": TOPICS_BUTTON,
    }
    response = common.masked_page(request, "confirmed", subscriber, **context, **said)
    response.status_code = 400 if said.get("refused") else 200
    return response
