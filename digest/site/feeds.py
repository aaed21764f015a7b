"""Feeds for feed readers, as Atom (RFC 4287) and JSON Feed 1.1: daily, weekly, by topic, and a
reader's own. An entry is a paper; the newest editions come first, and in each its best."""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from digest.editions import candidates, choosing, taste
from digest.models import AudienceSelection, Delivery, Edition, EditionPaper, Paper, PaperTopic
from subscriptions import selectors, tokens
from subscriptions.errors import TokenError
from subscriptions.models import Subscriber, Topic
from subscriptions.records import Selection

from . import caching, feed_formats
from .feed_formats import Entry, Feed

DAILY, WEEKLY = Edition.Frequency.DAILY, Edition.Frequency.WEEKLY
MOST_ENTRIES = 100
MOST_EDITIONS = 14
MOST_OF_AN_EDITION = 50
"""So that a reader which looks once a day sees the best of each day, however long its list is."""
_CARDS_KEPT_SECONDS = 86_400
"""Their reasons hold a reader's words, which are to be forgotten within a day after an erasure."""


@caching.public(max_age=feed_formats.KEPT_SECONDS)
@require_safe
def daily(request: HttpRequest, form: str) -> HttpResponse:
    """The best of the newest daily editions."""
    feed = Feed(
        title=_("Daily Papers"),
        subtitle=_("The research papers that people vote for, every day"),
        home_url=_absolute("site:home"),
        url=_absolute("site:daily_feed", form),
        entries=_entries_of_editions(DAILY),
    )
    return feed_formats.written(feed, form)


@caching.public(max_age=feed_formats.KEPT_SECONDS)
@require_safe
def weekly(request: HttpRequest, form: str) -> HttpResponse:
    """The best of the newest weeks."""
    feed = Feed(
        title=_("Daily Papers, week by week"),
        subtitle=_("The research papers that people voted for most in a week"),
        home_url=_absolute("site:home"),
        url=_absolute("site:weekly_feed", form),
        entries=_entries_of_editions(WEEKLY),
    )
    return feed_formats.written(feed, form)


@caching.public(max_age=feed_formats.KEPT_SECONDS)
@require_safe
def topic(request: HttpRequest, slug: str, form: str) -> HttpResponse:
    """The newest papers of a topic."""
    found = get_object_or_404(Topic, slug=slug)
    # Translators: the title of a topic's feed.
    title = _("Daily Papers: %(topic)s") % {"topic": found.label}
    newest = PaperTopic.objects.filter(topic=found, published_at__isnull=False)
    rows = newest.order_by("-published_at", "-paper_id").values_list("paper_id", flat=True)
    papers = _papers(rows[:MOST_ENTRIES])
    feed = Feed(
        title=title,
        subtitle=found.about,
        home_url=_absolute("site:topic", slug),
        url=_absolute("site:topic_feed", slug, form),
        entries=[Entry(paper=paper, at=paper.published_at) for paper in papers.values()],
    )
    return feed_formats.written(feed, form)


@require_safe
def mine(request: HttpRequest, token: str, form: str) -> HttpResponse:
    """What the reader's mail would hold: the same papers, for the same reasons.

    404 for a link that we did not make, or that is no longer good.
    """
    try:
        subscriber = selectors.subscriber_of(tokens.read_feed(token))
    except TokenError as error:
        raise Http404 from error
    spoken = [code for code, _name in settings.LANGUAGES]
    language = subscriber.language if subscriber.language in spoken else spoken[0]
    with translation.override(language):
        feed = Feed(
            title=_("Daily Papers, picked for you"),
            subtitle=_("The same papers as in your mail. This address is yours alone."),
            home_url=_absolute("site:home"),
            url=_absolute("site:own_feed", token, form),
            entries=_entries_for(subscriber),
        )
        response = feed_formats.private(request, feed, form)
    response["Content-Language"] = language
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _absolute(name: str, *args: str) -> str:
    return f"{settings.SITE_URL}{reverse(name, args=args)}"


def _newest(frequency: str) -> list[Edition]:
    editions = Edition.objects.filter(frequency=frequency, paper_count__gt=0)
    real = list(editions.filter(is_sample=False).order_by("-date")[:MOST_EDITIONS])
    # The sample counts only as long as there is nothing else, as on the front page.
    return real or list(editions.order_by("-date")[:MOST_EDITIONS])


def _entries_of_editions(frequency: str) -> list[Entry]:
    editions = {edition.pk: edition for edition in _newest(frequency)}
    places = EditionPaper.objects.filter(edition__in=editions, rank__lte=MOST_OF_AN_EDITION)
    chosen = list(places.order_by("-edition__date", "rank")[:MOST_ENTRIES])
    papers = _papers([place.paper_id for place in chosen])
    return [
        Entry(
            paper=papers[place.paper_id],
            at=feed_formats.time_in(editions[place.edition_id], place.rank),
            note=editions[place.edition_id].note if place.rank == 1 else "",
        )
        for place in chosen
    ]


def _papers(ids: Iterable[int]) -> dict[int, Paper]:
    """The papers with their topics, in this order. Three queries, however many."""
    wanted = list(ids)
    found = Paper.objects.prefetch_related("paper_topics__topic").in_bulk(wanted)
    return {pk: found[pk] for pk in wanted if pk in found}


def _entries_for(subscriber: Subscriber) -> list[Entry]:
    chosen: list[tuple[Edition, int, int, str]] = []
    seen: set[int] = set()
    for edition, cards in _cards_of_editions(subscriber):
        # A digest that looked back has papers of editions before it, too.
        new = [(n, card) for n, card in enumerate(cards, start=1) if card[0] not in seen]
        chosen += [(edition, n, *card[:2]) for n, card in new]
        seen.update(card[0] for _, card in new)
        if len(chosen) >= MOST_ENTRIES:
            break
    chosen = chosen[:MOST_ENTRIES]
    papers = _papers(paper_id for _edition, _place, paper_id, _reason in chosen)
    entries, told = [], set()
    for edition, place, paper_id, reason in chosen:
        if paper_id in papers:
            note = "" if edition.pk in told else edition.note
            told.add(edition.pk)
            at = feed_formats.time_in(edition, place)
            entries.append(Entry(paper=papers[paper_id], at=at, reason=reason, note=note))
    return entries


def _cards_of_editions(
    subscriber: Subscriber,
) -> Iterable[tuple[Edition, Sequence[choosing.Card]]]:
    """The cards of the newest editions, each as they were mailed to the reader, or to others of this
    selection, or as they would have been."""
    editions = _newest(DAILY)
    key = subscriber.selection_key
    rows = AudienceSelection.objects.filter(edition__in=editions, selection_key=key, since=None)
    stored = dict(rows.values_list("edition_id", "audience__cards"))
    mine = Delivery.objects.filter(
        edition__in=editions, subscriber=subscriber, audience__isnull=False
    )
    stored |= dict(mine.values_list("edition_id", "audience__cards"))
    selection = selectors.selection_of(subscriber)
    for edition in editions:
        is_stored = edition.pk in stored
        yield edition, stored[edition.pk] if is_stored else _cards(edition, selection)


def _cards(edition: Edition, selection: Selection) -> Sequence[choosing.Card]:
    """Kept, as an edition is frozen and to read all of its words takes a while."""
    key = f"feed-cards:{edition.pk}:{selection.key}"
    cards: Sequence[choosing.Card] | None = cache.get(key)
    if cards is None:
        period = candidates.period_of(edition)
        learned = taste.model(selection.taste)
        papers = candidates.of(edition)
        unwanted = taste.unwanted_by(selection.taste, papers.pinned_ids)
        cards = choosing.select(selection, papers, period=period, taste=learned, unwanted=unwanted)
        cache.set(key, cards, _CARDS_KEPT_SECONDS)
    return cards
