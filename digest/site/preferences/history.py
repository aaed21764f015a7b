"""The digests that a reader got, and the days without one, with the reason."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from digest.models import Delivery, Edition, Paper
from digest.site import presenting
from subscriptions import tokens
from subscriptions.models import Subscriber
from subscriptions.schedule import long_date

from .opening import readers_page, show

_State = Delivery.State
_Reason = Delivery.Reason
_LEADS = 2

_WHY: dict[str, str | Promise] = {
    _Reason.PAUSED: gettext_lazy("No mail: you had paused."),
    _Reason.NOTHING_NEW: gettext_lazy("No mail: nothing was for you."),
    _Reason.UNSUBSCRIBED: gettext_lazy("No mail: you had unsubscribed."),
    _Reason.MERGED: gettext_lazy("It was late, and came together with the next one."),
    _Reason.REFUSED: gettext_lazy("Your mail provider refused it."),
    _Reason.GAVE_UP: gettext_lazy("It could not be sent, after many tries."),
    _Reason.DROPPED: gettext_lazy("It was called off."),
}
_HOW: dict[str, str | Promise] = {
    _State.PENDING: gettext_lazy("On its way."),
    _State.UNCERTAIN: gettext_lazy("Sent, but nobody has told us yet that it arrived."),
    _State.SUPPRESSED: gettext_lazy("No mail: this address may not be mailed."),
    _State.FAILED: gettext_lazy("It could not be sent."),
    _State.SKIPPED: gettext_lazy("No mail."),
}


@dataclass(frozen=True, slots=True)
class Past:
    """A digest, or why there was none."""

    day: str
    leads: list[str]
    papers: str
    why: str
    url: str


@readers_page("GET", "HEAD")
def history(request: HttpRequest, subscriber: Subscriber, token: str) -> HttpResponse:
    """The digests of the reader that are kept, newest first."""
    deliveries = Delivery.objects.filter(subscriber=subscriber).select_related(
        "edition", "audience"
    )
    page = presenting.page_of(
        deliveries.order_by("-edition__date", "-edition_id"), request.GET.get("page")
    )
    shown = list(page.object_list)
    return show(
        request,
        "history",
        subscriber,
        page=page,
        past=_past(shown, subscriber),
        kept_days=settings.KEEP_DELIVERIES_DAYS,
        token=token,
    )


def _past(deliveries: list[Delivery], subscriber: Subscriber) -> list[Past]:
    leads = {each.pk: _cards(each)[:_LEADS] for each in deliveries}
    titles = dict(
        Paper.objects.filter(pk__in={pk for ids in leads.values() for pk in ids}).values_list(
            "pk", "title"
        )
    )
    return [
        Past(
            day=_day(each.edition),
            leads=[titles[pk] for pk in leads[each.pk] if pk in titles],
            papers=_papers(len(_cards(each))),
            why=_why(each),
            url=tokens.make_digest(subscriber.public_id, each.edition_id)
            if _cards(each) and each.state in {_State.SENT, _State.UNCERTAIN}
            else "",
        )
        for each in deliveries
    ]


def _cards(delivery: Delivery) -> list[int]:
    return [card[0] for card in delivery.audience.cards] if delivery.audience else []


def _papers(number: int) -> str:
    return ngettext("%d paper", "%d papers", number) % number if number else ""


def _day(edition: Edition) -> str:
    if edition.frequency == Edition.Frequency.DAILY:
        return long_date(edition.date)
    first, last = long_date(edition.date), long_date(edition.last_day)
    return _("%(first)s to %(last)s") % {"first": first, "last": last}


def _why(delivery: Delivery) -> str:
    if delivery.state == _State.SENT:
        return ""
    return str(_WHY.get(delivery.reason) or _HOW[delivery.state])
