"""What programs ask for by themselves: `/robots.txt`, a sitemap of every public page, `/favicon.ico`."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap
from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

from digest.models import Edition, Paper
from subscriptions.models import Topic

from . import caching, calendars, presenting

_PRIVATE = (
    "/admin/", "/api/", "/confirm/", "/digests/", "/my-data/", "/outbox/",
    "/preferences/", "/search/?", "/unsubscribe/", "/webhooks/",
)  # fmt: skip
_PAGE = 2000
_XML = "application/xml"


@caching.public()
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Every page may be read but those that belong to one reader, results of a search and the API."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in _PRIVATE)]
    text = "\n".join([*lines, "", f"Sitemap: {settings.SITE_URL}{reverse('site:sitemap')}", ""])
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """The mark, for what shows no page of ours that names it, as a feed."""
    return redirect(static("daily_papers/mark.svg"))


class _Section(Sitemap[Any]):
    """A part of the sitemap; its addresses begin with SITE_URL, whatever address asked for it."""

    limit = _PAGE

    def get_protocol(self, protocol: str | None = None) -> str:
        return urlsplit(settings.SITE_URL).scheme

    def get_domain(self, site: Any = None) -> str:
        parts = urlsplit(settings.SITE_URL)
        return f"{parts.netloc}{parts.path}"


class _Fixed(_Section):
    def items(self) -> list[str]:
        return ["site:home", "site:trending", "site:topics"]

    def location(self, item: str) -> str:
        return reverse(item)


class _Editions(_Section):
    def items(self) -> QuerySet[Edition]:
        return Edition.objects.filter(paper_count__gt=0, is_sample=False).order_by("pk")

    def location(self, item: Edition) -> str:
        is_weekly = item.frequency == Edition.Frequency.WEEKLY
        return (calendars.week_url if is_weekly else calendars.day_url)(item.date)

    def lastmod(self, item: Edition) -> datetime:
        return item.closed_at

    def get_latest_lastmod(self) -> datetime | None:
        return self.items().order_by("-date").values_list("closed_at", flat=True).first()


class _Topics(_Section):
    def items(self) -> Any:
        return Topic.objects.order_by("position", "name")

    def location(self, item: Topic) -> str:
        return reverse("site:topic", args=[item.slug])


class _ByKey(Paginator[Any]):
    """Pages of a range of keys each: a page is one walk of an index, and no paper ever moves."""

    @cached_property
    def num_pages(self) -> int:
        newest = Paper.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        return max(-(-newest // self.per_page), 1)

    @cached_property
    def count(self) -> int:
        return self.num_pages * self.per_page

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        last = number * self.per_page
        papers = Paper.objects.filter(pk__gt=last - self.per_page, pk__lte=last)
        return Page(list(papers.only("arxiv_id", "updated_at").order_by("pk")), number, self)


class _Papers(_Section):
    def items(self) -> Any:
        return Paper.objects.none()

    @property
    def paginator(self) -> _ByKey:
        return _ByKey(self.items(), self.limit)

    def location(self, item: Paper) -> str:
        return presenting.paper_url(item.arxiv_id)

    def lastmod(self, item: Paper) -> datetime:
        return item.updated_at

    def get_latest_lastmod(self) -> None:
        """Not known without a look at every paper."""
        return


_SECTIONS: dict[str, type[_Section]] = {
    "pages": _Fixed,
    "editions": _Editions,
    "topics": _Topics,
    "papers": _Papers,
}


@caching.public()
@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """The list of the sitemap's parts."""
    parts = [part for name, section in _SECTIONS.items() for part in _parts(name, section())]
    return render(request, "sitemap_index.xml", {"sitemaps": parts}, content_type=_XML)


def _parts(name: str, section: _Section) -> Sequence[dict[str, Any]]:
    address = f"{settings.SITE_URL}{reverse('site:sitemap_part', args=[name])}"
    pages = [
        address,
        *(f"{address}?p={page}" for page in range(2, section.paginator.num_pages + 1)),
    ]
    latest = section.get_latest_lastmod()
    return [{"location": page, "last_mod": latest} for page in pages]


@caching.public("p")
@require_safe
def sitemap_part(request: HttpRequest, name: str) -> HttpResponse:
    """A page of a part; 404 for one that there is not."""
    if name not in _SECTIONS:
        raise Http404
    try:
        urls = _SECTIONS[name]().get_urls(page=request.GET.get("p", "1"))
    except (EmptyPage, PageNotAnInteger) as error:
        raise Http404 from error
    return render(request, "sitemap.xml", {"urlset": urls}, content_type=_XML)
