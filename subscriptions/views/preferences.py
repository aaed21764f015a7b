"""The preference center, and the way to its private link."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import forms, limits, schedule, selectors, services, tokens
from subscriptions.errors import ChoiceError, TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.tasks import wake_sender

from . import common

_LABELS = {
    "keyword": "Add a keyword",
    "author": "Add an author",
    "frequency": "How often",
    "hour": "Time of day",
    "timezone": "Time zone",
    "length": "Length",
    "pause": "Pause",
}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@common.in_like_time
def preferences_link(request: HttpRequest) -> HttpResponse:
    """Asks for an address and mails its owner a link; the same answer for every address."""
    if request.method != "POST":
        return _ask(request, forms.AddressForm())
    form = forms.AddressForm(request.POST)
    if limits.client_has_had_enough(request):
        return _ask(request, form, status=429, is_too_many=True)
    if not form.is_valid():
        return _ask(request, form, status=400)
    email = form.cleaned_data["email"]
    if not form.is_trapped:
        if limits.domain_has_had_enough(request, email):
            return _ask(request, form, status=429, is_too_many=True)
        services.request_link(email)
        wake_sender()
    return render(request, "web/subscriptions/link_sent.html")


def _ask(
    request: HttpRequest, form: forms.AddressForm, *, status: int = 200, is_too_many: bool = False
) -> HttpResponse:
    context = {"form": form, "is_too_many": is_too_many}
    response = render(request, "web/subscriptions/preferences_link.html", context, status=status)
    if is_too_many:
        response["Retry-After"] = "900"
    return response


@common.private_page("GET", "HEAD", "POST")
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """The form with what holds now; small buttons change it on the page, Save in the database."""
    try:
        subscriber = selectors.subscriber_of(tokens.read_preferences(token))
    except TokenExpiredError as error:
        return common.expired(request, error, what="Links to your preferences", life="7 days")
    if request.method != "POST":
        return _page(request, subscriber, _form_of(subscriber), token)
    if "resume" in request.POST:
        words = common.evidence(request, "[Start again now]")
        services.resume(subscriber, evidence=words)
        return _page(request, subscriber, _form_of(subscriber), token, saved=_saved(subscriber))
    form = forms.PreferencesForm(forms.edited(request.POST))
    if "save" not in request.POST:
        return _page(request, subscriber, form, token, is_unsaved=True)
    return _save(request, subscriber, form, token)


def _save(
    request: HttpRequest, subscriber: Subscriber, form: forms.PreferencesForm, token: str
) -> HttpResponse:
    if form.is_valid():
        chosen = form.preferences(
            today=_today(subscriber.timezone), paused_until=subscriber.paused_until
        )
        try:
            words = common.evidence(request, "[Save preferences]")
            services.change_preferences(subscriber, chosen, evidence=words)
        except ChoiceError as error:
            form.add_error(None, str(error))
        else:
            saved = _saved(subscriber)
            return _page(request, subscriber, _form_of(subscriber), token, saved=saved)
    response = _page(request, subscriber, form, token, is_refused=True)
    response.status_code = 400
    return response


def _today(zone: str) -> date:
    return timezone.now().astimezone(ZoneInfo(zone)).date()


def _saved(subscriber: Subscriber) -> str:
    # Of a suppressed address the page says itself that nothing comes.
    if subscriber.state != Subscriber.State.ACTIVE or selectors.is_suppressed(subscriber.email):
        return "Saved."
    return f"Saved. Your next digest comes on {common.next_digest(subscriber)}."


def _form_of(subscriber: Subscriber) -> forms.PreferencesForm:
    is_paused = selectors.is_paused(subscriber, timezone.now())
    chosen = selectors.preferences_of(subscriber)
    return forms.PreferencesForm(initial=dict(forms.initial_of(chosen, is_paused=is_paused)))


def _page(
    request: HttpRequest,
    subscriber: Subscriber,
    form: forms.PreferencesForm,
    token: str,
    **said: Any,
) -> HttpResponse:
    paused_until = ""
    if subscriber.paused_until and selectors.is_paused(subscriber, timezone.now()):
        paused_until = schedule.long_day(subscriber.paused_until)
    return common.masked_page(
        request,
        "preferences",
        subscriber,
        form=form,
        errors=[
            (name, _LABELS.get(name, ""), line)
            for name, lines in form.errors.items()
            for line in lines
        ]
        if form.is_bound
        else [],
        topics=selectors.catalogue(),
        hours=forms.HOURS,
        frequencies=forms.FREQUENCIES,
        lengths=forms.LENGTH_LABELS,
        zones=forms.zones(),
        zone_not_listed=not forms.is_listed(str(form["timezone"].value())),
        pauses=forms.PAUSES,
        paused_until=paused_until,
        next_digest=common.next_digest(subscriber, is_short=True),
        zone_in_words=common.zone_in_words(subscriber.timezone),
        may_not_mail=common.MAY_NOT_MAIL if selectors.is_suppressed(subscriber.email) else "",
        # The link that was used, and no new one: else a visit a week would keep it alive for ever.
        token=token,
        unsubscribe_token=tokens.make_unsubscribe(subscriber.public_id),
        erase_token=tokens.make_erase(subscriber),
        **said,
    )
