"""The archive: today, a day, a week, a month, and what is trending now."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from digest.editions import building
from digest.models import Edition, EditionPaper, Listing, Paper
from subscriptions.schedule import long_day

from . import calendars, presenting
from .presenting import SHOWN_FIRST

DAILY = Edition.Frequency.DAILY
WEEKLY = Edition.Frequency.WEEKLY
_EARLIEST = date(1991, 8, 14)
"""The day on which arXiv began."""
_SATURDAY = 5
_SHOWN_IN_WORDS = "six"
TRENDING_DAYS = 7


def _today() -> date:
    return timezone.now().date()


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    context.setdefault("canonical", f"{settings.SITE_URL}{request.path}")
    return render(request, "web/site/list.html", context)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The newest closed edition; before there is one, the newest day that has papers."""
    today = _today()
    edition = building.newest(DAILY)
    day = edition.date if edition else _newest_listed_day(today)
    if day is None:
        empty = {
            "title": "Nothing yet",
            "text": "No papers have been fetched so far. We look every hour, at 15 minutes past.",
        }
        return _page(
            request, banner_first=True, nav_current="today", heading="Today’s papers", empty=empty,
            page_title="Trending research papers", page_description=_DESCRIPTION,
        )  # fmt: skip
    return _day(request, day, banner_first=True, nav_current="today", so_far=_so_far(day, today))


_DESCRIPTION = "Trending research papers, one short mail a day, on your topics."


def _newest_listed_day(today: date) -> date | None:
    listed = Listing.objects.filter(listed_on__lte=today).exclude(source=Listing.SAMPLE)
    return listed.order_by("-listed_on").values_list("listed_on", flat=True).first()


def _so_far(shown: date, today: date) -> dict[str, str] | None:
    number = Paper.objects.filter(pk__in=_listed(today)).count() if shown < today else 0
    if not number:
        return None
    noun = "paper" if number == 1 else "papers"
    return {
        "url": calendars.day_url(today),
        "text": f"{number} {noun} so far for {long_day(today)}",
    }


def _listed(first: date, last: date | None = None) -> QuerySet[Listing, Any]:
    listings = Listing.objects.filter(listed_on__range=(first, last or first))
    return listings.exclude(source=Listing.SAMPLE).values("paper_id")


@require_safe
def day(request: HttpRequest, day: str) -> HttpResponse:
    """One day: its closed edition, or its list as it stands."""
    return _day(request, _date_or_404(day))


def _date_or_404(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise Http404 from error
    # One day has one address: other digits than 0 to 9 can make a date, too.
    is_canonical = found.isoformat() == text
    if not is_canonical or not _EARLIEST <= found <= _today() + timedelta(days=366):
        raise Http404
    return found


def _day(request: HttpRequest, day: date, **extra: Any) -> HttpResponse:
    today = _today()
    edition = Edition.objects.filter(frequency=DAILY, date=day).first()
    before, after = calendars.days_around(day, today=today)
    papers = _papers_context(request, _items(edition, _listed(day)))
    still_open = ""
    if edition is None and day <= today and papers["rows"]:
        closes = building.closes_at(day)
        when = "tomorrow" if closes.date() > today else "today"
        still_open = f"Still open: closes {when} at {closes:%H:%M} UTC."
    return _page(
        request,
        page_title=f"{presenting.long_date(day)}: {papers['total']} trending papers",
        page_description=_description(papers, f"on {presenting.long_date(day)}"),
        kicker=f"{day:%A}’s edition",
        heading=presenting.long_date(day),
        sample_notice=presenting.sample_notice(_is_sample(edition)),
        still_open=still_open,
        before=before,
        after=after,
        calendar=calendars.month_of(day, opened=day, today=today),
        empty=_nothing(day, today),
        **papers | extra,
    )


def _is_sample(edition: Edition | None) -> bool:
    return presenting.is_nothing_fetched() if edition is None else edition.is_sample


def _description(papers: dict[str, Any], when: str) -> str:
    lead = f", led by {papers['rows'][0].title}" if papers["rows"] else ""
    return f"The research papers people voted for {when}{lead}. Get them by email every day."


def _nothing(day: date, today: date) -> dict[str, str]:
    last = building.newest(DAILY)
    read = {}
    if last is not None:
        read = {"url": calendars.day_url(last.date), "link": f"Read {last.date:%A}’s edition"}
    if day > today:
        return read | {
            "title": "Not out yet",
            "text": f"The edition of {long_day(day)} is still to come.",
        }
    if day.weekday() >= _SATURDAY:
        monday = day + timedelta(days=7 - day.weekday())
        return read | {
            "title": "No papers on weekends",
            "text": "Editions come out Monday to Friday. "
            f"The {'next one is' if monday > today else 'one after is'} on {long_day(monday)}.",
        }
    if day == today:
        text = f"No papers have been listed for {long_day(day)} so far. We look every hour."
        return read | {"title": "Nothing yet", "text": text}
    text = f"No new papers were listed for {long_day(day)}. No mail went out."
    return read | {"title": "Nothing on this day", "text": text}


def _items(edition: Edition | None, ids: QuerySet[Any, Any]) -> QuerySet[Any]:
    if edition is not None:
        return edition.places.order_by("rank")
    return Paper.objects.filter(pk__in=ids).order_by("-upvotes", "-published_at", "-arxiv_id")


def _papers_context(
    request: HttpRequest, items: QuerySet[Any], *, period: str = "today"
) -> dict[str, Any]:
    """Rows, skyline, page and counts of a ranked list of papers or of places in an edition."""
    votes = list(items.values_list("upvotes", flat=True))
    shows_all = "all" in request.GET or "page" in request.GET or len(votes) <= SHOWN_FIRST + 1
    page = presenting.page_of(items, request.GET.get("page"))
    chosen = page.object_list if shows_all else items[:SHOWN_FIRST]
    is_frozen = items.model is EditionPaper
    make_rows: Any = presenting.rows_of_places if is_frozen else presenting.rows_of_papers
    rows = make_rows(chosen)
    if rows and page.number == 1:
        rows[0] = replace(
            rows[0], is_lead=True, reason=f"Most votes {period}" if rows[0].votes else ""
        )
    shown = len(rows) if shows_all else SHOWN_FIRST
    note = f"The top {_SHOWN_IN_WORDS} are below." if shown < len(votes) and not shows_all else ""
    return {
        "rows": rows,
        "page": page if shows_all else None,
        "page_query": "",
        "start": page.start_index() if shows_all else 1,
        "total": len(votes),
        "votes": sum(votes),
        "rest": 0 if shows_all else len(votes) - SHOWN_FIRST,
        "sum_note": note,
        "skyline": presenting.skyline(votes, shown=shown) if page.number == 1 else None,
        "topic_counts": presenting.topic_counts(
            items.values("paper_id" if is_frozen else "pk").order_by()
        ),
        "period": period,
    }


@require_safe
def week(request: HttpRequest, week: str) -> HttpResponse:
    """An ISO week: its closed edition, or the best of its days so far."""
    try:
        monday = datetime.strptime(f"{week}-1", "%G-W%V-%u").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise Http404 from error
    today = _today()
    # Week 53 of a year that has 52 is read as week 1 of the next one, which has its own address.
    is_canonical = f"{monday:%G-W%V}" == week
    if not is_canonical or not _EARLIEST <= monday <= today + timedelta(days=366):
        raise Http404
    edition = Edition.objects.filter(frequency=WEEKLY, date=monday).first()
    sunday = monday + timedelta(days=6)
    before, after = calendars.weeks_around(monday, today=today)
    papers = _papers_context(request, _items(edition, _within(monday, sunday)), period="this week")
    name = f"Week {monday:%V}, {monday:%G}"
    return _page(
        request,
        page_title=f"{name}: {papers['total']} trending papers",
        page_description=_description(papers, f"in week {monday:%V} of {monday:%G}"),
        kicker=f"{presenting.short_day(monday)} to {presenting.short_day(sunday)}",
        heading=name,
        sample_notice=presenting.sample_notice(_is_sample(edition)),
        before=before,
        after=after,
        calendar=calendars.month_of(monday, opened=None, today=today),
        empty={"title": "Nothing in this week", "text": f"No papers were listed in {name}."},
        **papers,
    )


def _within(first: date, last: date) -> QuerySet[Any, Any]:
    """Ids of what was listed or in an edition. A union of the two lists of ids, as a condition
    with OR makes PostgreSQL look at every paper there is."""
    in_edition = EditionPaper.objects.filter(frequency=DAILY, edition__date__range=(first, last))
    return _listed(first, last).union(in_edition.order_by().values("paper_id"))


@require_safe
def month(request: HttpRequest, month: str) -> HttpResponse:
    """A month: the best of its days."""
    first = _date_or_404(f"{month}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    today = _today()
    before, after = calendars.months_around(first, today=today)
    papers = _papers_context(request, _items(None, _within(first, last)), period="this month")
    name = f"{first:%B %Y}"
    return _page(
        request,
        page_title=f"{name}: {papers['total']} trending papers",
        page_description=_description(papers, f"in {name}"),
        kicker="The month’s best",
        sample_notice=presenting.sample_notice(presenting.is_nothing_fetched()),
        heading=name,
        before=before,
        after=after,
        calendar=calendars.month_of(first, opened=None, today=today),
        empty={"title": "Nothing in this month", "text": f"No papers were listed in {name}."},
        **papers,
    )


@require_safe
def trending(request: HttpRequest) -> HttpResponse:
    """What is trending: by the source's own word, else by votes and comments of the last week."""
    ranked = Paper.objects.filter(trending_rank__isnull=False).order_by("trending_rank")
    ids = list(ranked.values_list("arxiv_id", flat=True))
    kicker = "What people read and vote for right now"
    if not ids and (last := _newest_listed_day(_today())):
        ids = _trending_ids(last)
        kicker = "Votes and comments of the last seven days, by age"
    page = presenting.page_of(ids, request.GET.get("page"))
    chosen = list(page.object_list)
    rows_by_url = {
        row.url: row for row in presenting.rows_of_papers(Paper.objects.filter(arxiv_id__in=chosen))
    }
    return _page(
        request,
        nav_current="trending",
        page_title="Trending papers",
        page_description="The research papers that people vote for right now.",
        kicker=kicker,
        heading="Trending",
        rows=[rows_by_url[presenting.paper_url(arxiv_id)] for arxiv_id in chosen],
        page=page,
        page_query="",
        start=page.start_index(),
        empty={
            "title": "Nothing is trending yet",
            "text": "No papers have been listed in the last seven days.",
        },
    )


def _trending_ids(last: date) -> list[str]:
    """arXiv ids by (votes + comments) / (days on the list + 1) ^ 1.5, highest first."""
    first = last - timedelta(days=TRENDING_DAYS - 1)
    listed = Listing.objects.filter(listed_on__range=(first, last)).exclude(source=Listing.SAMPLE)
    days: dict[str, tuple[float, int]] = {}
    for arxiv_id, listed_on, upvotes, comments in listed.values_list(
        "paper__arxiv_id", "listed_on", "paper__upvotes", "paper__comments"
    ):
        age = (last - listed_on).days + 1
        score = ((upvotes + comments) / age**1.5, upvotes)
        days[arxiv_id] = max(score, days.get(arxiv_id, (0.0, 0)))
    return sorted(days, key=lambda arxiv_id: (days[arxiv_id], arxiv_id), reverse=True)
