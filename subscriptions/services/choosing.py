"""Choosing: topics, words, times and pauses, by the reader or by the schedule."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from subscriptions import queries, schedule, selectors
from subscriptions.errors import ChoiceError
from subscriptions.models import (
    MOST_DIAL,
    ConsentRecord,
    FollowedAuthor,
    FollowedCategory,
    FollowedKeyword,
    FollowedOrganization,
    Slot,
    Subscriber,
    Subscription,
    Topic,
)
from subscriptions.records import Evidence, Preferences, Rhythm, Selection

from . import consent, rows, slots

MOST_FOLLOWED = 50
"""Keywords, authors, organisations, and categories, of one subscriber."""
MOST_LETTERS = 80
"""Of a name."""
MOST_KEYWORD_LETTERS = 200
MOST_CATEGORY_LETTERS = 24
MOST_LENGTH = 40
MOST_VOTES = 100_000
MOST_PAUSE_DAYS = 366

_State = Subscriber.State
_Action = ConsentRecord.Action
_CATEGORY = re.compile(r"[a-z]+(-[a-z]+)*(\.[A-Za-z]+(-[A-Za-z]+)*)?")


def change_preferences(
    subscriber: Subscriber, preferences: Preferences, *, evidence: Evidence | None = None
) -> None:
    """Afterwards the subscriber has exactly these preferences.

    A digest that is due but not yet planned still comes. ChoiceError for what is not on offer,
    TokenError where the subscriber is gone.
    """
    rhythm = preferences.rhythm
    # What was learned is not chosen here.
    chosen = replace(_tidy(preferences.selection), taste=subscriber.taste)
    topics = list(Topic.objects.filter(slug__in=chosen.topics))
    _check(subscriber, chosen, topics)
    _check_time(preferences)
    changes = {
        "frequency": rhythm.frequency,
        "hour": rhythm.hour,
        "timezone": rhythm.timezone,
        "length": chosen.length,
        "least_votes": chosen.least_votes,
        "dial": chosen.dial,
        "trending": chosen.trending,
        "format": chosen.format,
        "language": chosen.language,
        "counts_clicks": chosen.counts_clicks,
        "paused_until": preferences.paused_until,
        "learns": preferences.learns,
        "selection_key": chosen.key,
    }
    if rhythm != selectors.rhythm_of(subscriber):
        changes["changed_on"] = timezone.now().date()
    if preferences.paused_until:
        changes |= _pause_begins()
    with transaction.atomic():
        changes["slot_id"] = _moved(timezone.now(), rhythm)
        _update(subscriber, changes, evidence)
        replace_topics(subscriber, topics)
        _replace_words(subscriber, chosen)


def hold(subscriber_id: int) -> None:
    """Afterwards nobody else changes the subscriber until the transaction ends, though rows about
    them may be added."""
    Subscriber.objects.select_for_update(no_key=True).filter(pk=subscriber_id).first()


def keep_taste(subscriber_id: int, mark: str) -> None:
    """Afterwards the subscriber, if still there, has the taste of this mark; "": none."""
    with transaction.atomic():
        subscriber = Subscriber.objects.select_for_update().filter(pk=subscriber_id).first()
        if subscriber is None or subscriber.taste == mark:
            return
        key = replace(selectors.selection_of(subscriber), taste=mark).key
        Subscriber.objects.filter(pk=subscriber_id).update(taste=mark, selection_key=key)


def checked(subscriber: Subscriber, preferences: Preferences) -> Selection:
    """The selection as `change_preferences` would store it; ChoiceError for what it would refuse.
    Nothing is changed."""
    chosen = _tidy(preferences.selection)
    _check(subscriber, chosen, list(Topic.objects.filter(slug__in=chosen.topics)))
    _check_time(preferences)
    return chosen


def _moved(now: datetime, rhythm: Rhythm) -> Case:
    """The slot of the rhythm; who is due stays in the old one until that digest is planned."""
    return Case(
        When(~Q(state=_State.ACTIVE), then=Value(None)),
        When(slot__in=Slot.objects.filter(next_digest_at__lte=now), then=F("slot_id")),
        default=Value(slots.ensure(rhythm, now).pk),
    )


def _tidy(selection: Selection) -> Selection:
    """Without what differs in capitals or spaces only, so that equal wishes get an equal key."""
    return Selection(
        topics=tuple(sorted(set(selection.topics))),
        keywords=_distinct(selection.keywords),
        authors=_distinct(selection.authors),
        organizations=_distinct(selection.organizations),
        categories=tuple(sorted(set(selection.categories))),
        length=selection.length,
        least_votes=selection.least_votes,
        dial=selection.dial,
        trending=selection.trending,
        taste=selection.taste,
        format=selection.format,
        language=selection.language,
        counts_clicks=selection.counts_clicks,
    )


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    spaced = (" ".join(text.split()) for text in reversed(texts))
    return tuple(sorted({text.casefold(): text for text in spaced if text}.values()))


def _check(subscriber: Subscriber, chosen: Selection, topics: Collection[Topic]) -> None:
    if unknown := set(chosen.topics) - {topic.slug for topic in topics}:
        raise ChoiceError(_("There is no topic “%s”.") % min(unknown))
    if not 1 <= chosen.length <= MOST_LENGTH:
        raise ChoiceError(_("A digest has 1 to %d papers.") % MOST_LENGTH)
    if not 0 <= chosen.least_votes <= MOST_VOTES:
        raise ChoiceError(_("The least votes are a number from 0 to %d.") % MOST_VOTES)
    if not 0 <= chosen.dial <= MOST_DIAL:
        raise ChoiceError(_("Popular or personal is a step from 0 to %d.") % MOST_DIAL)
    if chosen.format not in Subscriber.Format.values:
        raise ChoiceError(_("There is no mail format “%s”.") % chosen.format)
    # A language that is no longer spoken is kept until another one is chosen.
    if chosen.language not in {*dict(settings.LANGUAGES), subscriber.language}:
        raise ChoiceError(_("There is no language “%s”.") % chosen.language)
    _check_words(subscriber, chosen)


def _check_words(subscriber: Subscriber, chosen: Selection) -> None:
    for followed in (chosen.keywords, chosen.authors, chosen.organizations, chosen.categories):
        if len(followed) > MOST_FOLLOWED:
            raise ChoiceError(
                _("%d keywords, authors, organisations and categories, each, are the most.")
                % MOST_FOLLOWED
            )
    for name in (*chosen.authors, *chosen.organizations):
        if len(name) > MOST_LETTERS or not name.isprintable():
            raise ChoiceError(_("A name has at most %d letters.") % MOST_LETTERS)
    for keyword in chosen.keywords:
        try:
            check_keyword(keyword)
        except ChoiceError:
            # What was followed before keywords had a grammar stays, as a phrase.
            if not (keyword.isprintable() and subscriber.keywords.filter(text=keyword).exists()):
                raise
    for category in chosen.categories:
        if len(category) > MOST_CATEGORY_LETTERS or not _CATEGORY.fullmatch(category):
            raise ChoiceError(_("“%s” is not an arXiv category.") % category[:40])


def check_keyword(text: str) -> None:
    """ChoiceError for what can't be followed as a keyword."""
    if len(text) > MOST_KEYWORD_LETTERS:
        raise ChoiceError(_("A keyword has at most %d letters.") % MOST_KEYWORD_LETTERS)
    if not text.isprintable():
        raise ChoiceError(_("A keyword can’t contain hidden letters. Please type it."))
    queries.parse(text)


def _check_time(preferences: Preferences) -> None:
    rhythm = preferences.rhythm
    if rhythm.frequency not in Subscriber.Frequency.values:
        raise ChoiceError(f"{rhythm.frequency!r} is not one of {', '.join(Subscriber.Frequency)}.")
    if not 0 <= rhythm.hour <= 23:  # noqa: PLR2004  hours of the day
        raise ChoiceError(_("The hour is a number from 0 to 23."))
    if rhythm.timezone not in schedule.zones():
        raise ChoiceError(_("There is no time zone “%s”.") % rhythm.timezone)
    latest = timezone.now().date() + timedelta(days=MOST_PAUSE_DAYS)
    if preferences.paused_until and preferences.paused_until > latest:
        raise ChoiceError(_("A pause lasts a year at most."))


def replace_topics(subscriber: Subscriber, topics: Collection[Topic]) -> None:
    Subscription.objects.filter(subscriber=subscriber).exclude(topic__in=topics).delete()
    Subscription.objects.bulk_create(
        [Subscription(subscriber=subscriber, topic=topic) for topic in topics],
        ignore_conflicts=True,
    )


def _replace_words(subscriber: Subscriber, chosen: Selection) -> None:
    FollowedKeyword.objects.filter(subscriber=subscriber).delete()
    FollowedCategory.objects.filter(subscriber=subscriber).delete()
    FollowedAuthor.objects.filter(subscriber=subscriber).delete()
    FollowedOrganization.objects.filter(subscriber=subscriber).delete()
    FollowedKeyword.objects.bulk_create(
        [FollowedKeyword(subscriber=subscriber, text=text) for text in chosen.keywords],
        ignore_conflicts=True,
    )
    FollowedAuthor.objects.bulk_create(
        [FollowedAuthor(subscriber=subscriber, name=name) for name in chosen.authors],
        ignore_conflicts=True,
    )
    FollowedOrganization.objects.bulk_create(
        [FollowedOrganization(subscriber=subscriber, name=name) for name in chosen.organizations],
        ignore_conflicts=True,
    )
    FollowedCategory.objects.bulk_create(
        [FollowedCategory(subscriber=subscriber, name=name) for name in chosen.categories],
        ignore_conflicts=True,
    )


def change_frequency(
    subscriber: Subscriber, frequency: str, *, evidence: Evidence | None = None
) -> None:
    """Afterwards digests come this often; all else stays."""
    rhythm = Rhythm(frequency, subscriber.hour, subscriber.timezone)
    with transaction.atomic():
        changes = {
            "frequency": frequency,
            "slot_id": _moved(timezone.now(), rhythm),
            "changed_on": timezone.now().date(),
        }
        _update(subscriber, changes, evidence)


def pause(subscriber: Subscriber, until: date, *, evidence: Evidence | None = None) -> None:
    """Afterwards no digest comes before the local day `until`."""
    _change(subscriber, {"paused_until": until} | _pause_begins(), evidence)


def _pause_begins() -> dict[str, object]:
    """A pause that goes on began when it did."""
    return {"unserved_since": Coalesce(F("unserved_since"), Value(timezone.now().date()))}


def resume(subscriber: Subscriber, *, evidence: Evidence | None = None) -> None:
    """Afterwards digests come again."""
    _change(subscriber, {"paused_until": None}, evidence)


def _change(subscriber: Subscriber, changes: dict[str, object], evidence: Evidence | None) -> None:
    with transaction.atomic():
        _update(subscriber, changes, evidence)


def _update(subscriber: Subscriber, changes: dict[str, object], evidence: Evidence | None) -> None:
    # The row is locked by the UPDATE, if it is there, until the transaction ends.
    Subscriber.objects.filter(pk=subscriber.pk).update(**changes)
    rows.refresh(subscriber)
    consent.record(subscriber, _Action.CHANGED, evidence)


def delete_topic(topic: Topic) -> None:
    """Afterwards the topic is gone, and its followers' selections are those without it."""
    with transaction.atomic():
        ids = list(topic.subscribers.values_list("pk", flat=True))
        topic.delete()
        followers = Subscriber.objects.in_bulk(ids)
        for pk, selection in selectors.selections_of(ids).items():
            followers[pk].selection_key = selection.key
        Subscriber.objects.bulk_update(followers.values(), ["selection_key"], batch_size=500)
