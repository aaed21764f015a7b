"""The catalogue of topics, and one topic with its newest papers."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from digest.models import Listing, PaperTopic
from subscriptions.models import Topic

from . import caching, presenting

_RATE_DAYS = 28


def weekly_rates() -> dict[int, int]:
    """How many papers a week each topic (by its id) gets, over the last four weeks that have
    lists."""
    entries, weeks = _recent()
    counted = entries.values_list("topic").annotate(papers=Count("pk"))
    return {topic: round(papers / weeks) for topic, papers in counted}


def _recent() -> tuple[QuerySet[PaperTopic], float]:
    """The topics of the papers that were listed lately, and in how many weeks that was."""
    days = Listing.objects.order_by("listed_on").values_list("listed_on", flat=True)
    end = days.last() or timezone.now().date()
    first = max(days.first() or end, end - timedelta(days=_RATE_DAYS - 1))
    ids = Listing.objects.filter(listed_on__range=(first, end)).values("paper_id")
    entries = PaperTopic.objects.filter(paper__in=ids).order_by()
    return entries, max(((end - first).days + 1) / 7, 1)


@caching.public()
@require_safe
def topics(request: HttpRequest) -> HttpResponse:
    """The catalogue."""
    rates = weekly_rates()
    groups: dict[str, list[tuple[Topic, int]]] = {}
    for found in Topic.objects.order_by("position", "name"):
        entry = (found, rates.get(found.pk, 0))
        groups.setdefault(found.heading, []).append(entry)
    context = {
        "groups": groups.items(),
        "nav_current": "topics",
        "page_title": _("Topics"),
        "page_description": _("The topics that readers of Daily Papers follow."),
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/topics.html", context)


@caching.public("page")
@require_safe
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    """One topic, its newest papers first."""
    found = get_object_or_404(Topic, slug=slug)
    newest = PaperTopic.objects.filter(topic=found).order_by("-published_at", "-paper")
    page = presenting.page_of(newest.values_list("paper", flat=True), request.GET.get("page"))
    entries, weeks = _recent()
    context = {
        "topic": found,
        "sample_notice": presenting.sample_notice(presenting.is_nothing_fetched()),
        "rate": round(entries.filter(topic=found).count() / weeks),
        "rows": presenting.rows_in_order(list(page.object_list)),
        "page": page,
        "start": page.start_index(),
        "nav_current": "topics",
        "page_title": found.label,
        "page_description": found.about or found.label,
        "canonical": f"{settings.SITE_URL}{request.path}",
    }
    return render(request, "web/site/topic.html", context)
