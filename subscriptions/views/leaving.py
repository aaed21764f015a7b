"""Unsubscribing: one click in a mail program (RFC 8058), one button on the page, what may be wanted
instead, the undo, and the reason, which is asked and never demanded.

The link is in every digest, and digests are passed on: it unsubscribes, and who did that may undo it.
Anything else is for a browser that is known as the reader's (`known_cookie`).
"""

import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from subscriptions import schedule, selectors, services, tokens
from subscriptions.models import LeaveReason, Subscriber

from . import common, known_cookie

PAUSE = timedelta(days=14)
PAUSE_NAME, RESUME_NAME = "pause-14", "resume"
_REASON_SECONDS = 86_400
logger = logging.getLogger(__name__)


@common.private_page("GET", "HEAD", "POST")
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and changes nothing; any POST that asks for nothing else unsubscribes."""
    subscriber = selectors.subscriber_with(tokens.read_unsubscribe(token))
    if subscriber is None:
        # Erased, or never confirmed: no mail goes there, which is all that was asked for.
        return render(request, "web/subscriptions/unsubscribed.html")
    if request.method != "POST":
        is_gone = subscriber.state == Subscriber.State.UNSUBSCRIBED
        return _gone(request, subscriber) if is_gone else _ask(request, subscriber)
    if "List-Unsubscribe" not in request.POST and (answer := _answered(request, subscriber)):
        return answer
    words = "List-Unsubscribe=One-Click"
    if "button" in request.POST:
        question = _question(subscriber, is_known=known_cookie.is_of(request, subscriber))
        words = f"{question} [{_('Unsubscribe')}]"
    has_left = services.unsubscribe(subscriber, evidence=common.evidence(request, words))
    return _left(request, subscriber, has_left=has_left)


def _answered(request: HttpRequest, subscriber: Subscriber) -> HttpResponse | None:
    """What another button than that to unsubscribe does; None where none was pressed."""
    is_gone = subscriber.state == Subscriber.State.UNSUBSCRIBED
    if common.RENEW in request.POST:
        return common.fresh_link(request, subscriber)
    if "undo" in request.POST:
        return _undo(request, subscriber)
    if "why" in request.POST and is_gone:
        return _take_reason(request, subscriber)
    if request.POST.get("instead") in (*Subscriber.Frequency.values, PAUSE_NAME, RESUME_NAME):
        if not known_cookie.is_of(request, subscriber):
            return common.fresh_link(request, subscriber)
        return _gone(request, subscriber) if is_gone else _instead(request, subscriber)
    return None


def _ask(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    is_known = known_cookie.is_of(request, subscriber)
    return common.masked_page(
        request,
        "unsubscribe",
        subscriber,
        question=_question(subscriber, is_known=is_known),
        is_known=is_known,
        can_get_less=_is_daily(subscriber),
    )


def _question(subscriber: Subscriber, *, is_known: bool) -> str:
    # How often it comes is the reader's choice, which nobody else is shown.
    is_told = is_known and _is_daily(subscriber)
    return _("Stop the daily digest?") if is_told else _("Stop the digest?")


def _is_daily(subscriber: Subscriber) -> bool:
    return subscriber.frequency in {Subscriber.Frequency.DAILY, Subscriber.Frequency.WEEKDAYS}


def _left(request: HttpRequest, subscriber: Subscriber, *, has_left: bool) -> HttpResponse:
    """The page for who unsubscribed them, who may undo it."""
    response = _gone(request, subscriber, undo=tokens.make_undo(subscriber) if has_left else "")
    if "button" in request.POST:
        known_cookie.drop(response)
    return response


def _gone(
    request: HttpRequest, subscriber: Subscriber, *, undo: str = "", **said: bool
) -> HttpResponse:
    """With the undo only where the reader, or who unsubscribed them, looks at it."""
    if not undo and known_cookie.is_of(request, subscriber):
        undo = tokens.make_undo(subscriber)
    return common.masked_page(
        request, "unsubscribed", subscriber, undo=undo, reasons=LeaveReason.Reason.choices, **said
    )


def _take_reason(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    """A reader's word counts once a day; who it came from is not stored with it."""
    reason, mark = request.POST.get("reason", ""), request.POST.get("mark", "")
    undo = mark if tokens.is_undo(mark, subscriber) else ""
    if reason not in LeaveReason.Reason.values:
        return _gone(request, subscriber, undo=undo)
    # A hash, so that who is erased meanwhile is not named in the cache.
    name = salted_hmac("subscriptions.reason", subscriber.public_id.hex, algorithm="sha256")
    if _is_first_word(f"subscriptions.reason.{name.hexdigest()}"):
        services.tell_reason(LeaveReason.Reason(reason))
    return _gone(request, subscriber, undo=undo, is_thanked=True)


def _is_first_word(name: str) -> bool:
    try:
        return bool(cache.add(name, 1, _REASON_SECONDS))
    except (RedisError, OSError) as error:
        # A reason less is better than one that counts twice.
        logger.warning("reason not counted", extra={"error": type(error).__name__})
        return False


def _undo(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    is_theirs = tokens.is_undo(request.POST["undo"], subscriber)
    if not is_theirs and not known_cookie.is_of(request, subscriber):
        return common.fresh_link(request, subscriber)
    if selectors.is_suppressed(subscriber.email):
        return _result(request, subscriber, str(common.MAY_NOT_MAIL))
    words = common.evidence(request, f"[{_('Undo, keep me subscribed')}]")
    services.undo_unsubscribe(subscriber, evidence=words)
    said = _("You are subscribed again.")
    if subscriber.state == Subscriber.State.PENDING:
        said = _("Undone. Use the button in the confirm mail to get the digest.")
    return _result(request, subscriber, said)


def _instead(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    match request.POST["instead"]:
        case "pause-14":
            return _pause(request, subscriber)
        case "resume":
            words = common.evidence(request, f"[{_('Undo')}]")
            services.resume(subscriber, evidence=words)
            return _result(request, subscriber, _("The pause is over."))
        case frequency:
            return _change_frequency(request, subscriber, frequency)


def _change_frequency(request: HttpRequest, subscriber: Subscriber, frequency: str) -> HttpResponse:
    before = subscriber.frequency
    is_weekly = frequency == Subscriber.Frequency.WEEKLY
    words = f"[{_('Once a week instead')}]" if is_weekly else f"[{_('Undo')}] {frequency}"
    services.change_frequency(subscriber, frequency, evidence=common.evidence(request, words))
    said = _("Once a week it is, on Monday.") if is_weekly else _("All is as it was.")
    return _result(request, subscriber, said, undo=before if before != frequency else "")


def _pause(request: HttpRequest, subscriber: Subscriber) -> HttpResponse:
    until = timezone.now().astimezone(ZoneInfo(subscriber.timezone)).date() + PAUSE
    until = max(until, subscriber.paused_until or until)
    words = common.evidence(request, f"[{_('Pause for two weeks')}]")
    services.pause(subscriber, until, evidence=words)
    said = _("Paused until %s.") % schedule.long_day(until)
    return _result(request, subscriber, said, undo=RESUME_NAME)


def _result(
    request: HttpRequest, subscriber: Subscriber, said: str | Promise, *, undo: str = ""
) -> HttpResponse:
    is_active = subscriber.state == Subscriber.State.ACTIVE
    is_active = is_active and not selectors.is_suppressed(subscriber.email)
    # When the digest comes is the reader's choice, which nobody else is shown.
    is_active = is_active and known_cookie.is_of(request, subscriber)
    return common.masked_page(
        request,
        "kept",
        subscriber,
        said=said,
        undo=undo,
        next_digest=common.next_digest(subscriber) if is_active else "",
    )
