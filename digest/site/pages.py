"""The archive: today, a day, a week, a month, and what is trending now."""

import re
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from digest.editions import building, drafts
from digest.models import Edition, EditionPaper, Listing, Paper
from digest.papers import trending as hot
from subscriptions import schedule
from subscriptions.models import Topic

from . import caching, calendars, lists, presenting
from .presenting import Link

DAILY = Edition.Frequency.DAILY
WEEKLY = Edition.Frequency.WEEKLY
_EARLIEST = date(1991, 8, 14)
"""The day on which arXiv began."""
_SATURDAY = 5
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
TRENDING_DAYS = 7


def _today() -> date:
    return timezone.now().date()


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    context.setdefault("canonical", f"{settings.SITE_URL}{request.path}")
    response = render(request, "web/site/list.html", context)
    if not context.get("rows"):
        # Papers may come in any minute; there is nothing to be found by until then.
        response["Cache-Control"] = "no-cache"
        response["X-Robots-Tag"] = "noindex"
    return response


@caching.public(*lists.PARAMETERS)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The newest closed edition; before there is one, the newest day that has papers."""
    today = _today()
    edition = building.newest(DAILY)
    day = edition.date if edition else _newest_listed_day(today)
    title = _("Trending research papers")
    if day is None:
        lists.topic_of(request)
        empty = {
            "title": _("Nothing yet"),
            "text": _(
                "No papers have been fetched so far. We look every hour, at 15 minutes past."
            ),
        }
        description = _("Trending research papers, one short mail a day, on your topics.")
        return _page(
            request, banner_first=True, nav_current="today", heading=_("Today’s papers"),
            empty=empty, page_title=title, page_description=description,
        )  # fmt: skip
    return _day(
        request, day, reason=_("Most votes today"), banner_first=True, nav_current="today",
        so_far=_so_far(day, today), filters_title=_("Topics today"),
        resting=_next_after_weekend(today) if day < today else "",
    )  # fmt: skip


def _newest_listed_day(today: date, *, is_sample: bool = False) -> date | None:
    listed = _listings(is_sample=is_sample).filter(listed_on__lte=today)
    return listed.order_by("-listed_on").values_list("listed_on", flat=True).first()


def _so_far(shown: date, today: date) -> dict[str, str] | None:
    number = _open_papers(DAILY, today, _listed(today)).count() if shown < today else 0
    if not number:
        return None
    words = ngettext(
        "%(number)s paper so far for %(day)s", "%(number)s papers so far for %(day)s", number
    )
    return {
        "url": calendars.day_url(today),
        "text": words % {"number": number, "day": schedule.long_day(today)},
    }


def _listings(*, is_sample: bool) -> QuerySet[Listing]:
    """What a source listed; the sample counts only while there is nothing else."""
    return Listing.objects.all() if is_sample else Listing.objects.exclude(source=Listing.SAMPLE)


def _listed(first: date, last: date | None = None) -> QuerySet[Listing, Any]:
    listings = _listings(is_sample=False).filter(listed_on__range=(first, last or first))
    return listings.values("paper_id")


@caching.public(*lists.PARAMETERS)
@require_safe
def day(request: HttpRequest, day: str) -> HttpResponse:
    """One day: its closed edition, or its list as it stands."""
    return _day(
        request, _date_or_404(day), reason=_("Most votes of the day"),
        filters_title=_("Topics of the day"),
    )  # fmt: skip


def _date_or_404(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise Http404 from error
    # One day has one address: other digits than 0 to 9 can make a date, too.
    if found.isoformat() != text:
        raise Http404
    return _within_reach(found)


def _within_reach(day: date) -> date:
    if not _EARLIEST <= day <= _today() + timedelta(days=366):
        raise Http404
    return day


def _day(request: HttpRequest, day: date, *, reason: str, **extra: Any) -> HttpResponse:
    today = _today()
    topic = lists.topic_of(request)
    edition = Edition.objects.filter(frequency=DAILY, date=day).first()
    span = calendars.span(today)
    before, after = lists.keeping(topic, calendars.days_around(day, span))
    items = _items(edition, DAILY, day, _listed(day))
    papers = lists.context_of(request, items, topic, reason=reason)
    name = schedule.long_date(day)
    return _page(
        request,
        page_title=_titled(name, papers["total"], topic),
        page_description=_description(papers, name),
        kicker=_kicker(day, is_empty=not papers["total"]),
        heading=name,
        sample_notice=presenting.sample_notice(_is_sample(edition)),
        note=presenting.note_of(edition),
        still_open=_still_open(day, today) if edition is None and papers["rows"] else "",
        before=before,
        after=after,
        calendar=calendars.month_of(day, span, opened=day),
        empty=None if papers["rows"] else _nothing(day, today, topic),
        **papers | extra,
    )


def _kicker(day: date, *, is_empty: bool) -> str:
    weekday = schedule.weekday_name(day)
    return weekday if is_empty else _("%(weekday)s’s edition") % {"weekday": weekday}


def _titled(name: str, total: int, topic: Topic | None) -> str:
    words = ngettext(
        "%(name)s: %(number)s trending paper", "%(name)s: %(number)s trending papers", total
    )
    title = words % {"name": name, "number": total}
    return f"{topic.label}, {title}" if topic else title


def _still_open(day: date, today: date) -> str:
    closes = building.closes_at(day)
    if day > today:
        return ""
    if closes.date() > today:
        return _("Still open: closes tomorrow at %(time)s UTC.") % {"time": f"{closes:%H:%M}"}
    return _("Still open: closes today at %(time)s UTC.") % {"time": f"{closes:%H:%M}"}


def _is_sample(edition: Edition | None) -> bool:
    return presenting.is_nothing_fetched() if edition is None else edition.is_sample


def _description(papers: dict[str, Any], name: str) -> str:
    if not papers["rows"]:
        return _("The research papers people voted for: %(name)s. Get them by email every day.") % {
            "name": name
        }
    return _(
        "The research papers people voted for: %(name)s, led by “%(title)s”. Get them by email "
        "every day."
    ) % {"name": name, "title": presenting.short_title(papers["rows"][0].title)}


def _nothing(day: date, today: date, topic: Topic | None) -> dict[str, str]:
    """Why a day has nothing on the topic, or nothing at all, and the way to the last edition."""
    if topic:
        return lists.nothing_on(topic, schedule.long_date(day))
    last = building.newest(DAILY)
    title, text = _why_nothing(day, today)
    if last is None:
        return {"title": title, "text": text}
    link = _("Read %(weekday)s’s edition") % {"weekday": schedule.weekday_name(last.date)}
    return {"title": title, "text": text, "url": calendars.day_url(last.date), "link": link}


def _why_nothing(day: date, today: date) -> tuple[str, str]:
    named = {"day": presenting.long_day(day)}
    if day > today:
        return _("Not out yet"), _("The edition of %(day)s is still to come.") % named
    if text := _next_after_weekend(day, today=today):
        return _("No papers on weekends"), text
    if day == today:
        text = _("No papers have been listed for %(day)s so far. We look every hour.")
        return _("Nothing yet"), text % named
    text = _("No new papers were listed for %(day)s. No mail went out.")
    return _("Nothing on this day"), text % named


def _next_after_weekend(day: date, *, today: date | None = None) -> str:
    """What a weekend says of the Monday after it; "" for a weekday."""
    if day.weekday() < _SATURDAY:
        return ""
    monday = day + timedelta(days=7 - day.weekday())
    text = (
        _("Editions come out Monday to Friday. The next one is on %(day)s.")
        if monday > (today or day)
        else _("Editions come out Monday to Friday. The one after is on %(day)s.")
    )
    return text % {"day": presenting.long_day(monday)}


def _items(
    edition: Edition | None, frequency: str, first: date, ids: QuerySet[Any, Any]
) -> QuerySet[Any]:
    if edition is not None:
        return edition.places.order_by("rank")
    return _open_papers(frequency, first, ids)


def _open_papers(frequency: str, first: date, ids: QuerySet[Any, Any]) -> QuerySet[Paper]:
    """What stands in an edition that is still open: not what an editor has left out of it."""
    left_out = drafts.left_out_of(Edition(frequency=frequency, date=first))
    return _best_of(ids).exclude(pk__in=left_out)


def _best_of(ids: QuerySet[Any, Any]) -> QuerySet[Paper]:
    return Paper.objects.filter(pk__in=ids).order_by("-upvotes", "-published_at", "-arxiv_id")


@caching.public(*lists.PARAMETERS)
@require_safe
def week(request: HttpRequest, week: str) -> HttpResponse:
    """An ISO week: its closed edition, or the best of its days so far."""
    monday = _monday_or_404(week)
    today, topic = _today(), lists.topic_of(request)
    edition = Edition.objects.filter(frequency=WEEKLY, date=monday).first()
    sunday = monday + timedelta(days=6)
    span = calendars.span(today)
    before, after = lists.keeping(topic, calendars.weeks_around(monday, span))
    items = _items(edition, WEEKLY, monday, _within(monday, sunday))
    papers = lists.context_of(request, items, topic, reason=_("Most votes of the week"))
    name = _("Week %(number)s, %(year)s") % {"number": f"{monday:%V}", "year": f"{monday:%G}"}
    return _page(
        request,
        page_title=_titled(name, papers["total"], topic),
        page_description=_description(papers, name),
        kicker=_("%(first)s to %(last)s")
        % {"first": schedule.short_day(monday), "last": schedule.short_day(sunday)},
        heading=name,
        sample_notice=presenting.sample_notice(_is_sample(edition)),
        note=presenting.note_of(edition),
        before=before,
        after=after,
        calendar=calendars.month_of(monday, span),
        empty=lists.nothing_on(topic, name)
        if topic
        else _nothing_in(name, _("Nothing in this week")),
        filters_title=_("Topics of the week"),
        **papers,
    )


def _monday_or_404(text: str) -> date:
    found = _WEEK.fullmatch(text)
    try:
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError as error:
        raise Http404 from error
    # One week has one address: other digits than 0 to 9 can make a number, too.
    if monday is None or f"{monday:%G-W%V}" != text:
        raise Http404
    return _within_reach(monday)


def _nothing_in(name: str, title: str) -> dict[str, str]:
    return {"title": title, "text": _("No papers were listed in %(name)s.") % {"name": name}}


def _within(first: date, last: date) -> QuerySet[Any, Any]:
    """Ids of what was listed or in an edition. A union of the two lists of ids, as a condition
    with OR makes PostgreSQL look at every paper there is."""
    in_edition = EditionPaper.objects.filter(frequency=DAILY, edition__date__range=(first, last))
    return _listed(first, last).union(in_edition.order_by().values("paper_id"))


@caching.public(*lists.PARAMETERS)
@require_safe
def month(request: HttpRequest, month: str) -> HttpResponse:
    """A month: the best of its days."""
    first = _date_or_404(f"{month}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    today, topic = _today(), lists.topic_of(request)
    span = calendars.span(today)
    before, after = lists.keeping(topic, calendars.months_around(first, span))
    items = _best_of(_within(first, last))
    papers = lists.context_of(request, items, topic, reason=_("Most votes of the month"))
    name = schedule.month_name(first)
    return _page(
        request,
        page_title=_titled(name, papers["total"], topic),
        page_description=_description(papers, name),
        kicker=_("The month’s best"),
        sample_notice=presenting.sample_notice(presenting.is_nothing_fetched()),
        heading=name,
        before=before,
        after=after,
        calendar=calendars.month_of(first, span),
        empty=lists.nothing_on(topic, name)
        if topic
        else _nothing_in(name, _("Nothing in this month")),
        filters_title=_("Topics of the month"),
        **papers,
    )


@caching.public(*lists.PARAMETERS)
@require_safe
def trending(request: HttpRequest) -> HttpResponse:
    """What is trending now; where nothing is, the votes and comments of the last week."""
    today, topic = _today(), lists.topic_of(request)
    ids = hot.newest()
    kicker = _("What people vote for right now: the newest votes count most")
    is_sample = presenting.is_nothing_fetched()
    if not ids and (last := _newest_listed_day(today, is_sample=is_sample)):
        ids = _trending_ids(last, is_sample=is_sample)
        kicker = _("Votes and comments of the last seven days, by age")
    papers = Paper.objects.filter(pk__in=ids)
    chosen = set(lists.of_topic(papers, topic).values_list("pk", flat=True)) if topic else set(ids)
    shown = [pk for pk in ids if pk in chosen]
    page = presenting.page_of(shown, request.GET.get("page"))
    name = _("Trending")
    return _page(
        request,
        nav_current="trending",
        page_title=f"{topic.label}, {name}" if topic else _("Trending papers"),
        page_description=_("The research papers that people vote for right now."),
        kicker=kicker,
        heading=name,
        sample_notice=presenting.sample_notice(is_sample),
        rows=presenting.rows_in_order(list(page.object_list)),
        total=len(shown),
        unfiltered_total=len(ids),
        page=page,
        start=page.start_index(),
        neighbours=[
            Link(_("Today’s edition"), "/"),
            Link(calendars.week_name(today), calendars.week_url(today)),
            Link(schedule.month_name(today), calendars.month_url(today)),
        ],
        filters_title=_("Topics that are trending"),
        **lists.filter_context(papers.values("pk"), topic),
        empty=lists.nothing_on(topic, name) if topic and ids else {
            "title": _("Nothing is trending yet"),
            "text": _("No papers have been listed in the last seven days."),
        },
    )  # fmt: skip


def _trending_ids(last: date, *, is_sample: bool) -> list[int]:
    """Papers by (votes + comments) / (days on the list + 1) ^ 1.5, highest first."""
    first = last - timedelta(days=TRENDING_DAYS - 1)
    listed = _listings(is_sample=is_sample).filter(listed_on__range=(first, last))
    best: dict[int, tuple[float, int, str]] = {}
    for pk, arxiv_id, listed_on, upvotes, comments in listed.values_list(
        "paper_id", "paper__arxiv_id", "listed_on", "paper__upvotes", "paper__comments"
    ):
        age = (last - listed_on).days + 1
        score = ((upvotes + comments) / age**1.5, upvotes, arxiv_id)
        best[pk] = max(score, best.get(pk, score))
    return sorted(best, key=lambda pk: best[pk], reverse=True)
