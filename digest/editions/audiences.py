"""Groups readers whose digests of an edition are equal: papers are picked once for each selection, and
equal lists are one audience, for which a body is made once and which is sent to together.
"""

import hashlib
import json
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from django.utils.translation import override

from digest.models import Audience, AudienceSelection, Edition
from subscriptions import selectors
from subscriptions.records import Selection

from . import candidates, choosing, reasons, taste

CHUNK = 1000
"""Selections that papers are picked for at once."""
KEPT_DAYS = 21
"""How long it is kept which selections got which digest, for feeds."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a digest is to be made of, and what for."""

    selection: Selection
    papers: candidates.Candidates
    since: date | None = None
    """The papers' first day; None: the edition's alone."""
    sent: Collection[int] = ()
    """Ids of papers that must not come again."""


def ensure(
    edition: Edition,
    selection_keys: Iterable[str],
    *,
    since: date | None = None,
    one_of: Mapping[str, int] | None = None,
) -> None:
    """Afterwards the edition has an audience for each selection key that some reader has;
    `one_of` may name one by id.

    The number of queries grows with the chunks of CHUNK keys, so that memory is bounded. Two
    processes that ask at once make the same rows once.
    """
    keys = sorted(set(selection_keys))
    papers: candidates.Candidates | None = None
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = AudienceSelection.objects.filter(
            edition=edition, selection_key__in=chunk, since=since
        )
        missing = set(chunk) - set(rows.values_list("selection_key", flat=True))
        if not missing:
            continue
        if papers is None:
            papers = candidates.of(edition, since)
        selections = selectors.selections(missing, one_of=one_of)
        found = made(edition, {key: Asked(each, papers, since) for key, each in selections.items()})
        AudienceSelection.objects.bulk_create(
            [
                AudienceSelection(
                    edition=edition, selection_key=key, since=since, audience=audience
                )
                for key, audience in found.items()
            ],
            ignore_conflicts=True,
        )


def of_selection(edition: Edition, selection_key: str) -> Audience:
    """That of the readers of a selection, of the edition's papers alone."""
    ensure(edition, [selection_key])
    rows = AudienceSelection.objects.select_related("audience")
    return rows.get(edition=edition, selection_key=selection_key, since=None).audience


def made(edition: Edition, asked: Mapping[Name, Asked]) -> dict[Name, Audience]:
    """The audience of each, stored. The number of queries does not grow with how many there are."""
    contents = _contents(edition, asked)
    new = {each.key: each for each in contents.values()}
    stored = _stored(edition, new)
    if len(stored) < len(new):
        Audience.objects.bulk_create(
            [each.audience(edition) for key, each in new.items() if key not in stored],
            ignore_conflicts=True,
        )
        stored |= _stored(edition, new.keys() - stored.keys())
    return {name: stored[each.key] for name, each in contents.items()}


@dataclass(frozen=True)
class _Contents:
    """All that makes a digest of an edition, but for a reader's links."""

    since: date | None
    language: str
    format: str
    topic_count: int
    cards: tuple[choosing.Card, ...]
    counts_clicks: bool

    @cached_property
    def key(self) -> str:
        parts: tuple[Any, ...]
        parts = (self.since, self.language, self.format, self.topic_count, self.cards)
        # Only where it is so, so that keys stay.
        parts += ("clicks",) if self.counts_clicks else ()
        return hashlib.blake2b(json.dumps(parts, default=str).encode(), digest_size=16).hexdigest()

    def audience(self, edition: Edition) -> Audience:
        return Audience(
            edition=edition,
            contents_key=self.key,
            cards=self.cards,
            since=self.since,
            language=self.language,
            format=self.format,
            counts_clicks=self.counts_clicks,
            topic_count=self.topic_count,
            words=sorted({card.word for card in self.cards if card.word}),
            paper_count=len(self.cards),
        )


def _contents(edition: Edition, asked: Mapping[Name, Asked]) -> dict[Name, _Contents]:
    """Papers are picked once for those who differ in nothing that matters."""
    marks = {each.selection.taste for each in asked.values()}
    tastes = taste.models(marks)
    pinned = {pk for each in asked.values() for pk in each.papers.pinned_ids}
    unwanted = taste.unwanted(marks, pinned)
    picked: dict[tuple[Selection, date | None, int], _Contents] = {}
    found = {}
    for name, each in asked.items():
        selection = each.selection
        place = selection, each.since, each.papers.among(each.sent)
        if place not in picked:
            cards = choosing.select(
                selection,
                each.papers,
                period=candidates.period_of(edition, each.since),
                sent=each.sent,
                taste=tastes.get(selection.taste),
                unwanted=unwanted.get(selection.taste, ()),
            )
            picked[place] = _Contents(
                each.since,
                selection.language,
                selection.format,
                len(selection.topics),
                tuple(cards),
                selection.counts_clicks,
            )
        found[name] = picked[place]
    return found


def _stored(edition: Edition, keys: Collection[str]) -> dict[str, Audience]:
    rows = Audience.objects.filter(edition=edition, contents_key__in=keys)
    return {row.contents_key: row for row in rows}


def forget(now: datetime) -> int:
    """Afterwards no audience repeats keywords or names, of authors or organisations, that no reader
    follows any more, as after an erasure; returns how many did. Their digests can still be read on
    the web. Which selection got which digest is forgotten KEPT_DAYS after its edition.
    """
    oldest = now.date() - timedelta(days=KEPT_DAYS)
    AudienceSelection.objects.filter(edition__date__lt=oldest).delete()
    forgotten, last = 0, 0
    audiences = Audience.objects.exclude(words=[]).order_by("pk")
    while page := dict(audiences.filter(pk__gt=last).values_list("pk", "words")[:CHUNK]):
        last = max(page)
        gone = selectors.unfollowed({word for words in page.values() for word in words})
        pks = [pk for pk, words in page.items() if not gone.isdisjoint(words)]
        rows = [_without(row, gone) for row in Audience.objects.filter(pk__in=pks)]
        Audience.objects.bulk_update(rows, ["cards", "words", "contents_key"])
        forgotten += len(rows)
    return forgotten


def _repeats(card: Sequence[Any], words: set[str]) -> bool:
    """Whether the reason of the card has one of these; a card of old does not say which it has."""
    _, reason, *more = card
    return more[1] in words if more[1:] else any(word in reason for word in words)


def _without(audience: Audience, gone: set[str]) -> Audience:
    with override(audience.language):
        instead = reasons.forgotten()
    audience.cards = [
        choosing.Card(card[0], instead.text, instead.anchor)
        if _repeats(card, gone & {*audience.words})
        else card
        for card in audience.cards
    ]
    audience.words = sorted(set(audience.words) - gone)
    audience.contents_key = f"forgotten {audience.pk}"
    return audience
