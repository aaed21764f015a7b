"""The digest that choices would have made of the newest edition, without saving them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from django.core.cache import cache
from django.db.models import Case, QuerySet, Value, When
from django.utils.translation import override

from digest.delivery.due import apart
from digest.delivery.mails import content, rendering, wording
from digest.delivery.mails.preview import nobody
from digest.editions import building, candidates, choosing, history, taste
from digest.models import Edition, EditionPaper
from digest.site import presenting
from digest.site.presenting import Row
from subscriptions.records import Selection
from subscriptions.schedule import long_day

_KEPT_SECONDS = 3600
_KEY = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}\.[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What would have come: nothing, where `rows` is empty."""

    day: str
    of: int
    """Papers that were picked from."""
    rows: list[Row]
    said: str = ""
    """How many there are, of those since which day, where it looked back."""
    subject: str = ""
    key: str = ""
    """By which `mail_of` finds the whole mail, for an hour."""
    is_text: bool = False


def tried(selection: Selection, subscriber_id: int) -> Tried | None:
    """The digest of the newest daily edition for these choices; None before there is one. One that
    looks back for what trends has nothing that the reader was sent with an earlier edition."""
    edition = building.newest(Edition.Frequency.DAILY)
    if edition is None:
        return None
    since = candidates.trending_since(edition) if selection.trending else None
    sent = {}
    if since:
        first = since - apart.OVERLAP
        sent = history.sent_to([subscriber_id], since=first, but={edition.pk})
    papers = _candidates(edition.pk, since)
    cards = choosing.select(
        selection,
        papers,
        period=candidates.period_of(edition, since),
        sent=sent.get(subscriber_id, ()),
        taste=taste.model(selection.taste),
        unwanted=taste.unwanted_by(selection.taste, papers.pinned_ids),
    )
    day, is_text = long_day(edition.date), selection.format == "text"
    if not cards:
        return Tried(day=day, of=len(papers), rows=[], is_text=is_text)
    in_order = _in_order(edition, since, [card.paper_id for card in cards])
    places = candidates.as_at_close(edition, presenting.with_topics(in_order))
    rows = [
        replace(row, reason=card.reason, anchor=card.anchor)
        for row, card in zip(presenting.rows_of_loaded(places), cards, strict=True)
    ]
    subject, key = _mailed(edition, since, selection, places, cards)
    return Tried(
        day=day,
        of=len(papers),
        rows=rows,
        said=wording.out_of(len(rows), len(papers), since) if since else "",
        subject=subject,
        key=key,
        is_text=is_text,
    )


@lru_cache(maxsize=2)
def _candidates(edition_id: int, since: date | None) -> candidates.Candidates:
    """Kept by the process, as the edition is frozen."""
    return candidates.of(Edition.objects.get(pk=edition_id), since)


def _in_order(edition: Edition, since: date | None, ids: Sequence[int]) -> QuerySet[EditionPaper]:
    order = Case(*(When(paper_id=pk, then=Value(n)) for n, pk in enumerate(ids)))
    return candidates.places_of(edition, since).filter(paper_id__in=ids).order_by(order)


def _mailed(
    edition: Edition,
    since: date | None,
    selection: Selection,
    places: Sequence[EditionPaper],
    cards: Sequence[choosing.Card],
) -> tuple[str, str]:
    """The subject, and the key of the whole mail. Only the cards that are in it are rendered."""
    made_of = f"{selection.key} {[card.paper_id for card in cards]}"
    digest = hashlib.blake2b(made_of.encode(), digest_size=16).hexdigest()
    key = f"{edition.pk}.{edition.closed_at.timestamp():.0f}.{digest}"
    kept = cache.get(f"preferences.mail.{key}")
    if kept is None:
        with override(selection.language):
            about = content.edition_content(edition, since)
            body = content.body_apart(about, places, cards, topic_count=len(selection.topics))
            html, text = body.filled(rendering.values_of(nobody()))
        kept = (body.subject, html, text, selection.format)
    # Also to begin its hour anew.
    cache.set(f"preferences.mail.{key}", kept, _KEPT_SECONDS)
    return kept[0], key


def mail_of(key: str) -> tuple[str, bool] | None:
    """The mail, and whether it is plain text; None when it is no longer kept."""
    kept = cache.get(f"preferences.mail.{key}") if _KEY.fullmatch(key) else None
    if kept is None:
        return None
    _, html, text, form = kept
    return (text, True) if form == "text" else (html, False)
