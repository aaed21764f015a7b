"""What the pages show, as plain values: rows of papers, skylines, page numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from digest.delivery.mails import wording
from digest.delivery.mails.rendering import CLIP, clip
from digest.delivery.mails.wording import byline
from digest.editions import reasons
from digest.models import Edition, EditionPaper, Listing, Paper, PaperTopic
from digest.papers import search
from subscriptions import schedule
from subscriptions.catalogue import translated

from . import formulas

PAGE_SIZE = 50
SHOWN_FIRST = 6
MOST_BARS = 60
_MOST_LETTERS_OF_TITLE = 90
_TOPICS_SHOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A paper in a list."""

    votes: int
    title: str
    url: str
    byline: str
    authors: int
    published_on: date
    summary: str
    """One sentence of a source, or the beginning of the abstract."""
    rest: str
    """What opens in place: the rest of the abstract, or all of it."""
    is_cut: bool
    """Whether `rest` goes on where `summary` ends."""
    comments: int
    stars: int | None
    pdf_url: str
    code_url: str
    topics: tuple["Link", ...]
    """The surest first."""
    is_lead: bool = False
    reason: str = ""
    anchor: str = ""
    """Where in the preference centre the reason is tuned."""
    found_by: search.Query | None = None
    """The words to mark, in a list of search results."""

    @property
    def title_html(self) -> SafeString:
        return self._html(self.title)

    @property
    def summary_html(self) -> SafeString:
        return self._html(self.summary)

    @property
    def rest_html(self) -> SafeString:
        return self._html(self.rest)

    def _html(self, text: str) -> SafeString:
        if self.found_by is None:
            return formulas.marked(text)
        return search.marked(text, self.found_by, html=formulas.marked)

    # Words that depend on numbers: a template takes ten times as long to find them.

    @property
    def votes_in_words(self) -> SafeString:
        words = ngettext("<b>{number}</b> vote", "<b>{number}</b> votes", self.votes)
        return format_html(words, number=wording.grouped(self.votes))

    @property
    def authors_in_words(self) -> str:
        return wording.authors(self.authors)

    @property
    def comments_in_words(self) -> str:
        return wording.comments(self.comments)

    @property
    def stars_in_words(self) -> str:
        return wording.stars(self.stars or 0)

    @property
    def published(self) -> str:
        """`Aug 18`; with the year where that is another one."""
        return brief_date(self.published_on)


@dataclass(frozen=True, slots=True)
class Link:
    """A neighbour in a pager or a calendar; no `url` where there is nothing to see yet."""

    label: str
    url: str = ""
    weekday: str = ""


def brief_date(day: date) -> str:
    """`Aug 18`, and `August 18, 2024` in another year."""
    if day.year == timezone.now().year:
        return schedule.short_day(day)
    return schedule.long_date(day)


def long_day(day: date) -> str:
    """`Thursday, August 20`, and `Thursday, August 20, 2024` in another year."""
    if day.year == timezone.now().year:
        return schedule.long_day(day)
    return f"{schedule.weekday_name(day)}, {schedule.long_date(day)}"


# Kept, as `reverse` walks all patterns, and a page has a hundred links.
@lru_cache(maxsize=20_000)
def paper_url(arxiv_id: str) -> str:
    """Our page of the paper."""
    return reverse("site:paper", args=[arxiv_id])


@lru_cache(maxsize=1_000)
def topic_url(slug: str) -> str:
    """Our page of the topic."""
    return reverse("site:topic", args=[slug])


def short_title(title: str) -> str:
    """For the head of a page and for what is shared of it."""
    return clip(title, _MOST_LETTERS_OF_TITLE)


def query(**parameters: str) -> str:
    """`?topic=agents&page=2`, of those that have a value; "" of none."""
    chosen = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(chosen)}" if chosen else ""


def cut(text: str) -> tuple[str, str, bool]:
    """The beginning, clipped at the end of a sentence or a word, and the rest; and whether it was
    clipped within a sentence."""
    head = clip(text, CLIP)
    if head == text:
        return text, "", False
    if not head.endswith("…"):
        return head, text[len(head) :].strip(), False
    end = text.find(" ", len(head) - 1)
    if end < 0:
        return text, "", False
    return text[:end], text[end:].strip(), True


def rows_of_places(places: QuerySet[EditionPaper]) -> list[Row]:
    """Rows with the numbers that the edition froze. Three queries."""
    return rows_of_loaded(with_topics(places))


def with_topics(places: QuerySet[EditionPaper]) -> QuerySet[EditionPaper]:
    """The places with all that their rows need. Three queries."""
    return places.select_related("paper").prefetch_related("paper__paper_topics__topic")


def rows_of_loaded(places: Iterable[EditionPaper]) -> list[Row]:
    """Rows with the numbers that the places have."""
    return [_row(place.paper, place) for place in places]


def rows_of_papers(papers: QuerySet[Paper]) -> list[Row]:
    """Rows with the papers' numbers of now. Three queries."""
    return [_row(paper, paper) for paper in papers.prefetch_related("paper_topics__topic")]


def rows_in_order(ids: Sequence[int]) -> list[Row]:
    """Rows of the papers with these keys, in this order. Three queries."""
    return [_row(paper, paper) for paper in _papers_in_order(ids)]


def rows_of_hits(ids: Sequence[int], query: search.Query) -> list[Row]:
    """Rows of the papers that a search found, in this order: what was searched for is marked, and
    of an abstract the part is shown where it stands. Three queries."""
    return [_hit(paper, query) for paper in _papers_in_order(ids)]


def _papers_in_order(ids: Sequence[int]) -> list[Paper]:
    found = Paper.objects.filter(pk__in=ids).prefetch_related("paper_topics__topic").in_bulk()
    return [found[pk] for pk in ids if pk in found]


def _hit(paper: Paper, query: search.Query) -> Row:
    row = replace(_row(paper, paper), found_by=query)
    # What a sentence of the source, or the beginning, says of all words, no other part says better.
    part = search.excerpt(paper.abstract, query, length=CLIP)
    shown = search.terms_in(row.summary, query)
    if not part or len(shown) >= len(search.terms_in(part, query)):
        return row
    return replace(row, summary=part, rest=paper.abstract, is_cut=False)


def _row(paper: Paper, numbers: Paper | EditionPaper) -> Row:
    entries = list(paper.paper_topics.all())[:_TOPICS_SHOWN]
    summary, rest, is_cut = cut(paper.abstract)
    if paper.summary:
        summary, is_cut = clip(paper.summary), False
        rest = paper.abstract if paper.abstract != paper.summary else ""
    return Row(
        votes=numbers.upvotes,
        title=paper.title,
        url=paper_url(paper.arxiv_id),
        byline=byline(paper.authors),
        authors=len(paper.authors),
        published_on=paper.published_at.date(),
        summary=summary,
        rest=rest,
        is_cut=is_cut,
        comments=numbers.comments,
        stars=numbers.code_stars,
        pdf_url=paper.pdf_url,
        code_url=paper.code_url,
        topics=tuple(Link(entry.topic.label, topic_url(entry.topic.slug)) for entry in entries),
        reason=reasons.picked().text if getattr(numbers, "is_pinned", False) else "",
    )


def note_of(edition: Edition | None) -> list[list[str]]:
    """The paragraphs of the editor's note, each with its lines."""
    note = edition.note if edition else ""
    return [paragraph.split("\n") for paragraph in wording.paragraphs(note)]


@dataclass(frozen=True, slots=True)
class Skyline:
    """One bar for each paper, highest first, as two paths of an SVG of 600 by 56."""

    label: str
    shown: str
    """The bars of the papers that are on the page."""
    others: str


def skyline(votes: Sequence[int], *, shown: int, total: int, fewest: int) -> Skyline | None:
    """The bars of a list, the first `shown` apart; None for fewer than three.

    `votes` has the first of `total` papers, of which the last has `fewest`.
    """
    if len(votes) < 3 or not max(votes):  # noqa: PLR2004  two bars are no skyline
        return None
    drawn = votes[:MOST_BARS]
    step = 600 / len(drawn)
    bars = [
        # From the top left corner to the right, down and back.
        f"M{place * step + 1:.1f} {56 - height:.1f}h{step * 0.9:.1f}v{height:.1f}h-{step * 0.9:.1f}z"
        for place, value in enumerate(drawn)
        for height in [max(56 * value / max(votes), 1.5)]
    ]
    label = _("Votes for each of the %(total)s papers, from %(most)s down to %(fewest)s")
    return Skyline(
        label % {"total": total, "most": max(votes), "fewest": fewest},
        shown="".join(bars[:shown]),
        others="".join(bars[shown:]),
    )


def page_of(items: Any, number: str | None, *, total: int | None = None) -> Page[Any]:
    """A page of 50; the nearest one for a number that is out of range or no number. `total` saves
    the count."""
    paginator = Paginator(items, PAGE_SIZE)
    if total is not None:
        paginator.__dict__["count"] = total
    return paginator.get_page(number)


def topic_counts(papers: QuerySet[Any, Any]) -> list[dict[str, Any]]:
    """The topics of these papers, those with most first: slug, name, number of papers."""
    entries = PaperTopic.objects.filter(paper__in=papers).values("topic__slug", "topic__name")
    ranked = entries.annotate(papers=Count("pk")).order_by("-papers", "topic__name")
    return [
        {
            "slug": entry["topic__slug"],
            "name": translated(entry["topic__name"]),
            "papers": entry["papers"],
        }
        for entry in ranked
    ]


def sample_notice(is_sample: bool) -> str:
    """What stands above papers of the sample; "" above others."""
    if not is_sample:
        return ""
    now = timezone.now().astimezone(UTC)
    next_try = now.replace(minute=15) + timedelta(hours=1 if now.minute >= 15 else 0)  # noqa: PLR2004
    return _(
        "This is the sample edition that ships with Daily Papers: today’s papers could not be "
        "fetched. The next try is at %(time)s UTC."
    ) % {"time": f"{next_try:%H:%M}"}


def is_nothing_fetched() -> bool:
    """Whether the archive holds the sample, and no more."""
    listings = Listing.objects.all()
    return listings.exists() and not listings.exclude(source=Listing.SAMPLE).exists()
