"""The search over the whole archive: its form, and the papers that were found."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from digest.models import Paper
from digest.papers import meaning, search
from subscriptions import limits
from subscriptions.models import Topic

from . import caching, presenting

PAGE_SIZE = 20
_YEAR = re.compile(r"[0-9]{4}")
_SHOWN_OF_QUERY = 60
_TOO_MANY = gettext_lazy("Too many questions for now. Please wait a minute.")


@caching.public("q", "topic", "year", "order", "page")
@require_safe
def search_page(request: HttpRequest) -> HttpResponse:
    """The form; below it, once something was asked for, what was found."""
    topics = list(Topic.objects.order_by("position", "name"))
    years = _years()
    query = search.parse(request.GET.get("q", ""))
    topic, year, notes = _filters(request, topics, years)
    order = _order(request)
    asked = search.narrowed(query, topic=topic, year=year, order=order)
    context = {
        "query": query.text,
        "topics": topics,
        "years": years,
        "topic": topic,
        "year": year,
        "order": order,
        "notes": [*query.notes, *notes, *_missing(asked)],
        "most_letters": search.MOST_LETTERS,
        "nav_current": "search",
        "page_description": _("Search all papers of all years by words, phrases and authors."),
    }
    # Only here: a page that is kept costs nothing, and the form alone asks nothing.
    if request.GET and (seconds := limits.seconds_until_search(request)):
        context |= {"page_title": _("Search"), "notes": [_TOO_MANY]}
        response = render(request, "web/site/search.html", context, status=429)
        response["Retry-After"] = str(seconds)
        return response
    if asked.is_empty:
        context |= {"page_title": _("Search"), "canonical": f"{settings.SITE_URL}{request.path}"}
        return _told(render(request, "web/site/search.html", context), is_kept=not notes)
    narrowing = {
        "topic": topic,
        "year": str(year) if year else "",
        "order": "" if order is search.Order.BEST else order,
    }
    context |= _results(request, asked, narrowing)
    response = render(request, "web/site/search.html", context)
    response["X-Robots-Tag"] = "noindex"
    return _told(response, is_kept=not notes)


def _told(response: HttpResponse, *, is_kept: bool) -> HttpResponse:
    """Changed now, so that nothing is noted on each question; what was asked of a topic or a year that
    there is not, is nothing to keep."""
    response["Last-Modified"] = http_date()
    if not is_kept:
        response["Cache-Control"] = "no-cache"
    return response


def _years() -> list[int]:
    """The years that papers were published in, the newest first."""
    days = Paper.objects.order_by("published_at").values_list("published_at", flat=True)
    first, last = days.first(), days.last()
    return list(range(last.year, first.year - 1, -1)) if first and last else []


def _filters(
    request: HttpRequest, topics: list[Topic], years: list[int]
) -> tuple[str, int, list[str]]:
    """Topic and year of the form, "" and 0 for none, and a note on each that there is not."""
    notes = []
    topic, year = request.GET.get("topic", ""), request.GET.get("year", "")
    if topic and topic not in {known.slug for known in topics}:
        notes.append(
            _("There is no topic “%(text)s”, so it was left out.") % {"text": _short(topic)}
        )
        topic = ""
    number = int(year) if _YEAR.fullmatch(year) else 0
    if year and number not in years:
        notes.append(
            _("There are no papers of “%(text)s”: all years are shown.") % {"text": _short(year)}
        )
        number = 0
    return topic, number, notes


def _order(request: HttpRequest) -> search.Order:
    """The order of the form; best first where that is none."""
    try:
        return search.Order(request.GET.get("order", ""))
    except ValueError:
        return search.Order.BEST


def _missing(asked: search.Query) -> Iterator[str]:
    if asked.excluded and asked.is_empty:
        yield _("Say at least one word that must be there.")


def _short(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in text)
    return clean if len(clean) <= _SHOWN_OF_QUERY else f"{clean[: _SHOWN_OF_QUERY - 1]}…"


def _results(
    request: HttpRequest, asked: search.Query, narrowing: dict[str, str]
) -> dict[str, Any]:
    page, answer = _page(asked, request.GET.get("page"))
    found, shown = answer.found, _short(asked.text)
    rows = presenting.rows_of_hits(found.ids, asked)
    return {
        "rows": rows,
        "near_rows": presenting.rows_of_hits(answer.near, asked),
        "near_headline": _near_headline(answer.all_near),
        "near_start": page.start_index() + len(rows),
        "has_results": True,
        "page": page,
        "start": page.start_index(),
        "shown_query": shown,
        "headline": _headline(found, shown),
        "is_cut": found.total > found.reachable,
        "reachable": found.reachable,
        "keyword_url": _keyword_url(asked),
        "page_query": presenting.query(q=asked.text, **narrowing)[1:],
        "page_title": _("%(query)s: search") % {"query": shown} if shown else _("Search"),
    }


def _page(asked: search.Query, number: str | None) -> tuple[Page[int], meaning.Answer]:
    """The page of that number, or the nearest one; and what is on it."""
    wanted = min(int(number), 1_000) if number and re.fullmatch(r"[0-9]{1,6}", number) else 1
    start = (max(wanted, 1) - 1) * PAGE_SIZE
    answer = meaning.find(asked, start=start, limit=PAGE_SIZE)
    page = Paginator(range(answer.reachable), PAGE_SIZE).get_page(wanted)
    if page.start_index() - 1 != start and answer.reachable:
        answer = meaning.find(asked, start=page.start_index() - 1, limit=PAGE_SIZE)
    return page, answer


def _headline(found: search.Found, text: str) -> str:
    values = {"number": number_format(found.total, force_grouping=True), "query": text}
    if found.is_more:
        return _("More than %(number)s papers for “%(query)s”") % values
    if not found.total:
        return _("No paper has all the words of “%(query)s”") % values
    if not text:
        return ngettext("%(number)s paper", "%(number)s papers", found.total) % values
    words = ngettext(
        "%(number)s paper for “%(query)s”", "%(number)s papers for “%(query)s”", found.total
    )
    return words % values


def _near_headline(number: int) -> str:
    """Over the papers that follow those with the words."""
    words = ngettext(
        "%(number)s paper is near in meaning", "%(number)s papers are near in meaning", number
    )
    return words % {"number": number_format(number, force_grouping=True)}


def _keyword_url(asked: search.Query) -> str:
    """Where the words can be followed; "" where there are none."""
    if not asked.words:
        return ""
    return reverse("subscriptions:preferences_link") + presenting.query(keyword=asked.words)
