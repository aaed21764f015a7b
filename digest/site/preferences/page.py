"""The preference centre itself, and the preview of unsaved choices."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from digest.site import managing
from digest.site.digests import MAIL_POLICY
from subscriptions import choices, limits, schedule, selectors, services, tokens
from subscriptions.errors import ChoiceError
from subscriptions.models import Subscriber
from subscriptions.records import Preferences
from subscriptions.views import common, known_cookie
from subscriptions.views.preferences import KEYWORD_COOKIE, remembered_keyword

from . import learning, showing, trying
from .opening import readers_page

_NEW_WORDS = ("keyword", "author", "organization")
"""The fields of words that are added to a list."""


@readers_page("GET", "HEAD", "POST")
def page(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """The form with what holds now; small buttons change it on the page, Save in the database."""
    if request.method != "POST":
        if known_cookie.is_refused(request):
            # It would be asked for a fresh link again where it came from.
            return _opened(request, subscriber, token)
        response = managing.onward(request, subscriber) or _opened(request, subscriber, token)
        if not known_cookie.is_of(request, subscriber):
            known_cookie.keep(response, subscriber)
        return response
    if not {"browser", "resume", "undo"}.isdisjoint(request.POST):
        return _done_at_once(request, subscriber, token)
    form = choices.PreferencesForm(choices.edited(request.POST))
    if "save" in request.POST or _is_enter_to_save(request):
        return _save(request, subscriber, form, token)
    if "preview" in request.POST:
        preview = _tried(subscriber, form)
        status = 400 if preview["refused"] else 200
        return showing.show(
            request, subscriber, form, token, status=status, preview=preview, is_unsaved=True
        )
    # Enter leaves the field that it was pressed in; there it goes on.
    at = next(_typed(request), "") if "enter" in request.POST else ""
    status = 400 if {*_NEW_WORDS} & set(form.errors) else 200
    return showing.show(request, subscriber, form, token, status=status, is_unsaved=True, at=at)


def _opened(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """What holds, and in its field the keyword that this browser wanted to follow, if any."""
    form = _form_of(subscriber)
    keyword = remembered_keyword(request)
    form.initial = {**form.initial, "keyword": keyword}
    ended = _("All other links and browsers of yours are forgotten.")
    response = showing.show(
        request,
        subscriber,
        form,
        token,
        is_unsaved=bool(keyword),
        at="keyword" if keyword else "",
        saved=ended if request.GET.get("ended") else "",
    )
    if keyword:
        response.delete_cookie(KEYWORD_COOKIE, path="/preferences/")
    return response


def _done_at_once(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """What the buttons do that need no Save."""
    if "browser" in request.POST:
        return _about_browser(request, subscriber, token)
    if "resume" in request.POST:
        services.resume(subscriber, evidence=common.evidence(request, f"[{_('Start again now')}]"))
    elif not selectors.is_suppressed(subscriber.email):
        words = common.evidence(request, f"[{_('Subscribe again')}]")
        services.undo_unsubscribe(subscriber, evidence=words)
    return _saved(request, subscriber, token)


def _about_browser(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    if request.POST["browser"] == "end":
        services.end_links(subscriber)
        # This page's own link is among them.
        fresh = reverse("site:preferences", args=[tokens.make_preferences(subscriber)])
        return HttpResponseRedirect(f"{fresh}?ended=1#data")
    is_known = request.POST["browser"] == "keep"
    said = _("This browser is known from now on.") if is_known else _("This browser is forgotten.")
    response = showing.show(
        request, subscriber, _form_of(subscriber), token, saved=said, is_known=is_known
    )
    if is_known:
        known_cookie.keep(response, subscriber)
    else:
        known_cookie.refuse(response)
    return response


def _typed(request: HttpRequest) -> Iterator[str]:
    """The fields in which there is a new word or name."""
    return (name for name in _NEW_WORDS if request.POST.get(name, "").strip())


def _is_enter_to_save(request: HttpRequest) -> bool:
    """Whether Enter was pressed in a field that is neither a new word nor a new name."""
    return "enter" in request.POST and not any(_typed(request))


def _save(
    request: HttpRequest, subscriber: Subscriber, form: choices.PreferencesForm, token: str
) -> HttpResponse:
    if form.is_valid():
        chosen = form.preferences(subscriber, today=_today(subscriber.timezone))
        try:
            agreed = learning.agreed(subscriber, chosen) + _about_clicks(subscriber, chosen)
            words = common.evidence(request, f"{agreed}[{_('Save preferences')}]")
            services.change_preferences(subscriber, chosen, evidence=words)
        except ChoiceError as error:
            form.add_error(None, str(error))
        else:
            saved = _saved(request, subscriber, token, learns_here=subscriber.learns)
            learning.settle(saved, subscriber)
            return saved
    return showing.show(request, subscriber, form, token, status=400, is_refused=True)


def _about_clicks(subscriber: Subscriber, chosen: Preferences) -> str:
    """The words beside the box that the reader just ticked or cleared; "" where they did neither."""
    if chosen.selection.counts_clicks == subscriber.counts_clicks:
        return ""
    mark = "☑" if chosen.selection.counts_clicks else "☐"
    return f"{mark} {choices.LABELS['counts_clicks']} "


def _today(zone: str) -> date:
    return timezone.now().astimezone(ZoneInfo(zone)).date()


def _saved(request: HttpRequest, subscriber: Subscriber, token: str, **here: bool) -> HttpResponse:
    said = _("Saved.")
    # Of a suppressed address the page says itself that nothing comes.
    is_active = subscriber.state == Subscriber.State.ACTIVE
    if is_active and not selectors.is_suppressed(subscriber.email):
        when = common.next_digest(subscriber)
        said = _("Saved. Your next digest comes on %s.") % when
    return showing.show(request, subscriber, _form_of(subscriber), token, saved=said, **here)


def _form_of(subscriber: Subscriber) -> choices.PreferencesForm:
    is_paused = selectors.is_paused(subscriber, timezone.now())
    chosen = selectors.preferences_of(subscriber)
    return choices.PreferencesForm(initial=dict(choices.initial_of(chosen, is_paused=is_paused)))


@readers_page("POST")
def preview(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """As the page's Preview button, and only that part of the page."""
    if limits.client_looks_up_too_much(request):
        return HttpResponse(_("Too many questions for now. Please wait a minute."), status=429)
    form = choices.PreferencesForm(choices.edited(request.POST))
    found = _tried(subscriber, form)
    context = {"preview": found, "token": token}
    status = 400 if found["refused"] else 200
    return render(request, "web/preferences/parts/preview.html", context, status=status)


def _tried(subscriber: Subscriber, form: choices.PreferencesForm) -> dict[str, Any]:
    """What the choices would have made today, and when mail would come; or why that can't be."""
    as_mail = form.data.get("preview") == "mail"
    if not form.is_valid():
        return {"refused": _lines(form), "as_mail": as_mail}
    chosen = form.preferences(subscriber, today=_today(subscriber.timezone))
    try:
        selection = services.checked(subscriber, chosen)
    except ChoiceError as error:
        return {"refused": [str(error)], "as_mail": as_mail}
    return {
        "refused": [],
        "as_mail": as_mail,
        "tried": trying.tried(selection, subscriber.pk),
        "next_digest": _next_digest(chosen),
    }


def _lines(form: choices.PreferencesForm) -> list[str]:
    return [
        f"{choices.LABELS[name]}: {line}" if name in choices.LABELS else str(line)
        for name, lines in form.errors.items()
        for line in lines
    ]


def _next_digest(chosen: Preferences) -> str:
    after = timezone.now()
    if chosen.paused_until:
        after = max(after, schedule.start_of_day(chosen.paused_until, chosen.rhythm.timezone))
    slot = schedule.next_slot(after, chosen.rhythm)
    return common.slot_in_words(slot, chosen.rhythm.timezone, is_short=True)


@xframe_options_sameorigin
@readers_page("GET", "HEAD")
def mail(request: HttpRequest, subscriber: Subscriber, token: str, key: str) -> HttpResponse:
    """The mail of a preview, in the frame that shows it: nothing in it may run or load."""
    found = trying.mail_of(key)
    if found is None:
        raise Http404
    body, is_text = found
    kind = "text/plain" if is_text else "text/html"
    response = HttpResponse(body, content_type=f"{kind}; charset=utf-8")
    response["Content-Security-Policy"] = f"{MAIL_POLICY}; frame-ancestors 'self'"
    return response
