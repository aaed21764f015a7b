"""Unsubscribing: one click in a mail program (RFC 8058), one button on the page, and the undo."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from subscriptions import schedule, selectors, services, tokens
from subscriptions.models import Subscriber

from . import common

PAUSE = timedelta(days=14)


@common.private_page("GET", "HEAD", "POST")
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and changes nothing; any POST that asks for nothing else unsubscribes."""
    subscriber = selectors.subscriber_with(tokens.read_unsubscribe(token))
    if subscriber is None:
        # Erased, or never confirmed: no mail goes there, which is all that was asked for.
        return render(request, "web/subscriptions/unsubscribed.html")
    if request.method != "POST":
        is_gone = subscriber.state == Subscriber.State.UNSUBSCRIBED
        page = "unsubscribed" if is_gone else "unsubscribe"
        return common.masked_page(request, page, subscriber)
    if "List-Unsubscribe" not in request.POST:
        if "undo" in request.POST:
            return _undo(request, subscriber)
        if request.POST.get("instead") in ("weekly", "pause-14"):
            return _less(request, subscriber)
    is_button = "button" in request.POST
    words = "Stop the daily digest? [Unsubscribe]" if is_button else "List-Unsubscribe=One-Click"
    services.unsubscribe(subscriber, evidence=common.evidence(request, words))
    return common.masked_page(request, "unsubscribed", subscriber)


def _undo(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    if selectors.is_suppressed(subscriber.email):
        return _result(request, subscriber, str(common.MAY_NOT_MAIL))
    words = common.evidence(request, "[Undo, keep me subscribed]")
    services.undo_unsubscribe(subscriber, evidence=words)
    said = "You are subscribed again."
    if subscriber.state == Subscriber.State.PENDING:
        said = "Undone. Use the button in the confirm mail to get the digest."
    return _result(request, subscriber, said)


def _less(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    if subscriber.state == Subscriber.State.UNSUBSCRIBED:
        return common.masked_page(request, "unsubscribed", subscriber)
    if request.POST["instead"] == "weekly":
        words = common.evidence(request, "[Once a week instead]")
        services.change_frequency(subscriber, Subscriber.Frequency.WEEKLY, evidence=words)
        return _result(request, subscriber, "Once a week it is, on Monday.")
    until = timezone.now().astimezone(ZoneInfo(subscriber.timezone)).date() + PAUSE
    until = max(until, subscriber.paused_until or until)
    words = common.evidence(request, "[Pause for two weeks]")
    services.pause(subscriber, until, evidence=words)
    return _result(request, subscriber, f"Paused until {schedule.long_day(until)}.")


def _result(request: HttpRequest, subscriber: Subscriber, said: str) -> HttpResponse:
    is_active = subscriber.state == Subscriber.State.ACTIVE
    is_active = is_active and not selectors.is_suppressed(subscriber.email)
    return common.masked_page(
        request,
        "kept",
        subscriber,
        said=said,
        next_digest=common.next_digest(subscriber) if is_active else "",
    )
