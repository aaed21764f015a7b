"""`/status/`: whether digests go out, for everybody; rounded, and without what only the operator needs."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from digest.delivery import figures
from digest.delivery.mails import wording
from digest.delivery.watching import standing
from digest.models import Batch, Delivery, Edition, EditionCount, Notice
from subscriptions import schedule

from . import caching, presenting

EDITIONS = 10
FEWEST = 50
"""Fewer readers are not told how few."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An edition, and how its send went or goes."""

    name: str
    url: str
    state: str
    """`well`, `going`, `late` or `held`."""
    word: str
    facts: list[str]
    """Each with its noun, as they stand on the page."""


@dataclass(frozen=True, slots=True)
class SourceState:
    name: str
    state: str
    """`well` or `late`."""
    word: str
    read: str
    """When its list was read to its end last."""


def rounded(number: int) -> str:
    """`fewer than 50 readers`, `about 1,200 readers`: two digits that count, and no more."""
    if number < FEWEST:
        return _("fewer than %(number)s readers") % {"number": FEWEST}
    step = 10 ** max(len(str(number)) - 2, 1)
    near = round(number / step) * step
    return _("about %(number)s readers") % {"number": wording.grouped(near)}


@caching.public()
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """The state of now, the last editions, the sources, and how many readers there are."""
    readers = figures.readers().active
    now = standing.judge(timezone.now())
    context = {
        "state": now.state,
        "unread": ", ".join(now.unread),
        "editions": _editions(),
        "sources": [_source(each) for each in now.sources],
        "readers": None if readers is None else rounded(readers),
        "page_title": _("Status"),
        "page_description": _(
            "Whether the digests of Daily Papers go out, and when the last ones did."
        ),
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/status.html", context)


def _editions() -> list[Sent]:
    left = Batch.objects.filter(
        edition=OuterRef("pk"), state__in=[Batch.State.OPEN, Batch.State.CLAIMED]
    )
    newest = (
        Edition.objects.filter(paper_count__gt=0, is_sample=False)
        .annotate(is_going=Exists(left))
        .order_by("-closed_at", "-pk")[:EDITIONS]
    )
    rows = list(newest)
    counts = EditionCount.objects.filter(edition__in=rows, state=Delivery.State.SENT)
    sent = dict(counts.values_list("edition").annotate(Sum("number")))
    told = Notice.objects.filter(kind="no_edition", key__in=[row.name for row in rows])
    closed_late = set(told.values_list("key", flat=True))
    return [_sent(row, sent.get(row.pk, 0), is_late=row.name in closed_late) for row in rows]


def _sent(edition: Edition, readers: int, *, is_late: bool) -> Sent:
    is_going = vars(edition)["is_going"]
    if edition.dropped_at:
        state, word = "held", _("Called off")
    elif edition.held_at and is_going:
        state, word = "held", _("Stopped")
    elif edition.was_late or is_late:
        state, word = "late", _("Late")
    elif is_going:
        state, word = "going", _("Being sent")
    elif edition.handed_at is None:
        state, word = "going", _("Waits for its hour")
    else:
        state, word = "well", _("On time")
    facts = [wording.papers(edition.paper_count)]
    if edition.handed_at:
        facts += [_("to %(readers)s") % {"readers": rounded(readers)}, _last(edition)]
    return Sent(_name(edition), _url(edition), state, word, facts)


def _last(edition: Edition) -> str:
    at = edition.handed_at or edition.closed_at
    if at.date() == edition.date:
        return _("the last at %(time)s UTC") % {"time": f"{at:%H:%M}"}
    values = {"time": f"{at:%H:%M}", "day": presenting.brief_date(at.date())}
    return _("the last on %(day)s at %(time)s UTC") % values


def _name(edition: Edition) -> str:
    if edition.frequency == Edition.Frequency.WEEKLY:
        return schedule.week_name(edition.date)
    return presenting.long_day(edition.date)


def _url(edition: Edition) -> str:
    kind = "week" if edition.frequency == Edition.Frequency.WEEKLY else "day"
    return reverse(f"site:{kind}", args=[edition.name])


def _source(source: standing.Source) -> SourceState:
    at = source.read_at
    if at is None:
        return SourceState(source.name, "late", _("Not read yet"), _("not read so far"))
    values = {"time": f"{at:%H:%M}", "day": presenting.brief_date(at.date())}
    state, word = ("well", _("Read")) if source.is_well else ("late", _("Not read lately"))
    return SourceState(
        source.name, state, word, _("read last on %(day)s at %(time)s UTC") % values
    )
