"""How many papers a topic or a category has: counted once an edition, and said in words."""

from collections import Counter
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from digest.models import Paper, PaperTopic
from subscriptions import arxiv

from .recent import Recent

_KEPT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Rates:
    """Papers of the last 30 days, by topic (slug) and by category."""

    topics: dict[str, int]
    categories: dict[str, int]


def rates(recent: Recent | None) -> Rates:
    """Two queries, unless it is kept from before."""
    if recent is None:
        return Rates({}, {})
    key = f"preferences.rates.{recent.version}"
    found = cache.get(key)
    if found is None:
        found = _counted(recent)
        cache.set(key, found, _KEPT_SECONDS)
    return Rates(*found)


def _counted(recent: Recent) -> tuple[dict[str, int], dict[str, int]]:
    entries = PaperTopic.objects.filter(paper__places__edition__in=recent.editions).order_by()
    topics = entries.values_list("topic__slug").annotate(papers=Count("pk"))
    papers = Paper.objects.filter(places__edition__in=recent.editions)
    categories: Counter[str] = Counter()
    for names in papers.values_list("categories", flat=True).iterator():
        categories.update(set(names))
    return dict(topics), dict(categories)


def in_words(papers: int, recent: Recent | None) -> str:
    """`about 4 papers a day`, or a week; "" before there is an edition."""
    if recent is None:
        return ""
    a_day = round(papers / len(recent.editions)) if papers >= len(recent.editions) else 0
    if a_day:
        line = ngettext("about %d paper a day", "about %d papers a day", a_day)
        return line % a_day
    if a_week := round(papers / recent.weeks):
        line = ngettext("about %d paper a week", "about %d papers a week", a_week)
        return line % a_week
    return _("less than one a week") if papers else _("none lately")


def category_name(category: str) -> str:
    """`Computation and Language`; "" for one that we have no name for."""
    return arxiv.names().get(category, "")
