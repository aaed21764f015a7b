"""What the preference centre shows: the form's values, and what is known of each choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from digest.papers import authors, organizations
from digest.papers.authors import Suggestion
from subscriptions import choices, schedule, selectors, tokens
from subscriptions.models import Subscriber, Topic
from subscriptions.services.choosing import MOST_KEYWORD_LETTERS, MOST_LENGTH, MOST_PAUSE_DAYS
from subscriptions.views import common, known_cookie

from . import counting, opening, rates
from .recent import Recent, recent


@dataclass(frozen=True, slots=True)
class Pick:
    """A box to tick."""

    value: str
    name: str
    rate: str
    is_chosen: bool
    code: str = ""


def show(
    request: HttpRequest,
    subscriber: Subscriber,
    form: choices.PreferencesForm,
    token: str,
    *,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    """The page, with what was just done or refused."""
    return opening.show(
        request,
        "page",
        subscriber,
        status=status,
        form=form,
        # The link that was used, and no new one: else a visit a week would keep it alive for ever.
        token=token,
        **_followed(form),
        **_times(form),
        **_standing(subscriber),
        **{"is_known": not known_cookie.is_refused(request)} | said,
    )


def _followed(form: choices.PreferencesForm) -> dict[str, Any]:
    shown = recent()
    counted = rates.rates(shown)
    chosen = set(form["topics"].value() or [])
    topics = list(selectors.catalogue())
    keywords = list(form["keywords"].value() or [])
    return {
        "errors": [
            (name, choices.LABELS.get(name, ""), line)
            for name, lines in form.errors.items()
            for line in lines
        ]
        if form.is_bound
        else [],
        "groups": _groups(topics, chosen, counted, shown),
        "categories": _categories(form, counted, shown),
        "keywords": [(word, count) for word, count in _counted(keywords, shown).items()],
        "authors": form["authors"].value() or [],
        "organizations": form["organizations"].value() or [],
        "found": _found(form, "author", authors.suggest),
        "found_organizations": _found(form, "organization", organizations.suggest),
        "most_letters": MOST_KEYWORD_LETTERS,
        "learns_label": choices.LABELS["learns"],
        "learns_hint": choices.LEARNS_HINT,
        "clicks_label": choices.LABELS["counts_clicks"] if settings.TRACK_CLICKS else "",
    }


def _groups(
    topics: list[Topic], chosen: set[str], counted: rates.Rates, shown: Recent | None
) -> list[tuple[str, list[Pick]]]:
    places = {topic.group: number for number, topic in reversed(list(enumerate(topics)))}
    topics = sorted(topics, key=lambda topic: places[topic.group])
    return [
        (
            group or _("Other topics"),
            [
                Pick(
                    topic.slug,
                    topic.label,
                    rates.in_words(counted.topics.get(topic.slug, 0), shown),
                    topic.slug in chosen,
                )
                for topic in members
            ],
        )
        for group, members in groupby(topics, key=lambda topic: topic.heading)
    ]


def _categories(
    form: choices.PreferencesForm, counted: rates.Rates, shown: Recent | None
) -> list[Pick]:
    chosen = set(form["categories"].value() or [])
    return [
        Pick(
            category,
            rates.category_name(category),
            rates.in_words(counted.categories.get(category, 0), shown),
            category in chosen,
            code=category,
        )
        for category in sorted({*_fetched(), *counted.categories, *chosen})
    ]


def _fetched() -> list[str]:
    """The categories whose listings are read, whether there were papers lately or not."""
    return settings.ARXIV_CATEGORIES if "arxiv" in settings.PAPER_SOURCES else []


def _counted(keywords: list[str], shown: Recent | None) -> Mapping[str, str]:
    found = counting.counts(keywords, shown)
    return {word: found.get(word, "") for word in keywords}


def _found(
    form: choices.PreferencesForm, name: str, suggest: Callable[[str], list[Suggestion]]
) -> list[Suggestion] | None:
    """Those whose name was looked for in this field; None when none was."""
    if not form.is_bound or form.data.get("find") != name:
        return None
    return suggest(form.data.get(name, "")[:200])


def _times(form: choices.PreferencesForm) -> dict[str, Any]:
    today = timezone.now().date()
    return {
        "frequencies": choices.FREQUENCIES,
        "weekdays": choices.weekdays(),
        "hours": choices.HOURS,
        "zones": choices.zones(),
        "zone_not_listed": not choices.is_listed(str(form["timezone"].value())),
        "lengths": choices.LENGTHS,
        "dials": choices.DIALS,
        "ways_to_be_popular": choices.TRENDING,
        "most_length": MOST_LENGTH,
        "pauses": choices.PAUSES,
        "first_day": (today + timedelta(days=1)).isoformat(),
        "last_day": (today + timedelta(days=MOST_PAUSE_DAYS)).isoformat(),
        "formats": choices.FORMATS,
        "languages": settings.LANGUAGES if len(settings.LANGUAGES) > 1 else [],
    }


def _standing(subscriber: Subscriber) -> dict[str, Any]:
    paused_until = ""
    if subscriber.paused_until and selectors.is_paused(subscriber, timezone.now()):
        paused_until = schedule.long_day(subscriber.paused_until)
    return {
        "paused_until": paused_until,
        "next_digest": common.next_digest(subscriber, is_short=True),
        "zone_in_words": common.zone_in_words(subscriber.timezone),
        "may_not_mail": common.MAY_NOT_MAIL if selectors.is_suppressed(subscriber.email) else "",
        "unsubscribe_token": tokens.make_unsubscribe(subscriber.public_id),
        "erase_token": tokens.make_erase(subscriber),
        "feed": reverse("site:own_feed", args=[tokens.make_feed(subscriber), "atom"]),
    }
