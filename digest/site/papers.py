"""One paper: its page, and its entry for reference managers."""

import re
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from digest.delivery.mails.rendering import clip
from digest.models import Edition, Listing, Paper
from digest.papers import similar
from subscriptions import schedule
from subscriptions.models import Topic

from . import caching, calendars, citing, formulas, presenting
from .presenting import Link

FOLDED_AFTER = 30
_SHOWN_OF_MANY = 10
_MORE = 4
_NEW_ID = re.compile(r"(\d{4})\.\d{4,5}")
_FIRST_HTML = 2312
"""arXiv makes HTML of papers since December 2023."""
_FORMATS = {
    "bib": (citing.bibtex, "application/x-bibtex"),
    "ris": (citing.ris, "application/x-research-info-systems"),
}


@caching.public()
@require_safe
def paper(request: HttpRequest, arxiv_id: str) -> HttpResponse:
    """One paper with all that we know of it."""
    found = get_object_or_404(Paper, arxiv_id=arxiv_id)
    topics = list(Topic.objects.filter(paper_topics__paper=found).order_by("-paper_topics__score"))
    authors = [Link(name, _search_url(name)) for name in found.authors]
    is_folded = len(authors) > FOLDED_AFTER
    # The daily one comes first.
    editions = list(found.editions.order_by("frequency"))
    daily = [entry for entry in editions if entry.frequency == Edition.Frequency.DAILY]
    context = {
        "paper": found,
        "title_html": formulas.marked(found.title),
        "abstract_html": formulas.marked(found.abstract),
        "first_authors": authors[:_SHOWN_OF_MANY] if is_folded else authors,
        "more_authors": authors[_SHOWN_OF_MANY:] if is_folded else [],
        "published": schedule.long_date(found.published_at.date()),
        "published_on": found.published_at.date().isoformat(),
        "html_url": _html_url(found),
        "topics": topics,
        "editions": [_edition_link(entry) for entry in editions],
        "day": _edition_link(daily[0]) if daily else None,
        "citations": [
            ("bib", "BibTeX", citing.bibtex(found).strip()),
            ("ris", "RIS", citing.ris(found).replace("\r\n", "\n").strip()),
        ],
        "alike": presenting.rows_in_order(
            [paper.pk for paper in similar.papers_like(found, limit=_MORE)]
        ),
        "sample_notice": presenting.sample_notice(_is_of_the_sample(found)),
        "page_title": presenting.short_title(found.title),
        "page_description": clip(found.summary or found.abstract or found.title, 155),
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/paper.html", context)


@require_safe
def version(request: HttpRequest, arxiv_id: str) -> HttpResponse:
    """A version, by arXiv's name for it, is shown where the paper is."""
    return redirect("site:paper", arxiv_id, permanent=True)


def _search_url(name: str) -> str:
    """The papers of an author."""
    quoted = name.replace('"', " ").strip()
    return "/search/?" + urlencode({"q": f'author:"{quoted}"'})


def _html_url(paper: Paper) -> str:
    """arXiv's page with the whole text; "" for a paper from before there were any."""
    new_id = _NEW_ID.fullmatch(paper.arxiv_id)
    if new_id is None or int(new_id[1]) < _FIRST_HTML:
        return ""
    return f"https://arxiv.org/html/{paper.arxiv_id}"


def _is_of_the_sample(paper: Paper) -> bool:
    sources = set(paper.listings.values_list("source", flat=True))
    return sources == {Listing.SAMPLE}


def _edition_link(edition: Edition) -> Link:
    if edition.frequency == Edition.Frequency.WEEKLY:
        return Link(calendars.week_name(edition.date), calendars.week_url(edition.date))
    return Link(presenting.long_day(edition.date), calendars.day_url(edition.date))


@caching.public()
@require_safe
def cite(request: HttpRequest, arxiv_id: str, form: str) -> HttpResponse:
    """The paper's entry as a file, `form` being `bib` or `ris`."""
    found = get_object_or_404(Paper, arxiv_id=arxiv_id)
    make, content_type = _FORMATS[form]
    response = HttpResponse(make(found), content_type=f"{content_type}; charset=utf-8")
    name = arxiv_id.replace("/", "-")
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response["X-Robots-Tag"] = "noindex"
    return response
