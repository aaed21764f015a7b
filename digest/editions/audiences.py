"""Groups readers with equal selections, for whom the papers of an edition are picked once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import override

from digest.models import Audience, Edition
from digest.records import Period
from subscriptions import selectors
from subscriptions.models import Subscriber
from subscriptions.records import Selection

from . import candidates, choosing, reasons, taste

OWN = "reader "
"""How the key of an audience of one reader begins, before the reader's id: no selection has such."""
CHUNK = 200
"""Audiences that are made at once."""
_WORDS = ("keywords", "authors", "organizations")
"""What of a selection a reader wrote."""


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
    period = candidates.period_of(edition, since)
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        rows = Audience.objects.filter(edition=edition, selection_key__in=chunk, since=since)
        missing = set(chunk) - set(rows.values_list("selection_key", flat=True))
        if not missing:
            continue
        if papers is None:
            papers = candidates.of(edition, since)
        Audience.objects.bulk_create(
            (
                Audience(
                    edition=edition,
                    selection_key=key,
                    since=since,
                    selection=asdict(selection),
                    cards=cards,
                    paper_count=len(cards),
                )
                for key, selection, cards in _picked(
                    selectors.selections(missing, one_of=one_of), papers, period
                )
            ),
            ignore_conflicts=True,
        )


def _picked(
    selections: Mapping[str, Selection], papers: candidates.Candidates, period: Period
) -> Iterator[tuple[str, Selection, list[choosing.Card]]]:
    """Each key with its selection and the cards for it."""
    tastes = taste.models(selection.taste for selection in selections.values())
    for key, selection in selections.items():
        learned = tastes.get(selection.taste)
        yield key, selection, choosing.select(selection, papers, period=period, taste=learned)


@dataclass(frozen=True, slots=True)
class Apart:
    """A reader whose digest is picked for them alone, and from what."""

    subscriber_id: int
    selection: Selection
    papers: candidates.Candidates
    since: date | None
    sent: Collection[int]
    """Ids of papers that must not come again."""


def own(edition: Edition, readers: Sequence[Apart]) -> dict[int, Audience]:
    """The audience of each of these readers, by id; one that was there has the cards of now. The
    number of queries does not grow with the readers."""
    tastes = taste.models(reader.selection.taste for reader in readers)
    made = {
        (f"{OWN}{reader.subscriber_id}", reader.since): _own(
            edition, reader, tastes.get(reader.selection.taste)
        )
        for reader in readers
    }
    rows = Audience.objects.filter(edition=edition, selection_key__in=[key for key, _ in made])
    stored = {(row.selection_key, row.since): row for row in rows}
    for place in made.keys() & stored.keys():
        new, row = made[place], stored[place]
        row.selection, row.cards, row.paper_count = new.selection, new.cards, new.paper_count
    Audience.objects.bulk_update(
        [stored[place] for place in made.keys() & stored.keys()],
        ["selection", "cards", "paper_count"],
    )
    Audience.objects.bulk_create([made[place] for place in made.keys() - stored.keys()])
    found = made | stored
    return {
        reader.subscriber_id: found[f"{OWN}{reader.subscriber_id}", reader.since]
        for reader in readers
    }


def _own(edition: Edition, reader: Apart, learned: taste.Model | None) -> Audience:
    cards = choosing.select(
        reader.selection,
        reader.papers,
        period=candidates.period_of(edition, reader.since),
        sent=reader.sent,
        taste=learned,
    )
    return Audience(
        edition=edition,
        selection_key=f"{OWN}{reader.subscriber_id}",
        since=reader.since,
        selection=asdict(reader.selection),
        cards=cards,
        paper_count=len(cards),
    )


def forget_wishes() -> int:
    """Afterwards no audience holds keywords or names, of authors or organisations, that no reader
    follows any more, as after an erasure; returns how many did. Their digests can still be read on
    the web.
    """
    readers = Subscriber.objects.filter(selection_key=OuterRef("selection_key"))
    # A first entry: audiences of before there were organisations have no list of them.
    held = reduce(or_, (Q(**{f"selection__{kind}__0__isnull": False}) for kind in _WORDS))
    forgotten = 0
    for audience in Audience.objects.filter(held, ~Exists(readers)).iterator():
        if audience.selection_key.startswith(OWN) and _is_followed(audience):
            continue
        words = [word for kind in _WORDS for word in audience.selection.get(kind, [])]
        with override(audience.selection.get("language", "en")):
            instead = reasons.forgotten().text
        audience.selection |= {kind: [] for kind in _WORDS}
        audience.cards = [
            # However it was worded when it was written.
            [
                paper_id,
                instead if any(word in reason for word in words) else reason,
                *more,
            ]
            for paper_id, reason, *more in audience.cards
        ]
        audience.save(update_fields=["selection", "cards"])
        forgotten += 1
    return forgotten


def _is_followed(audience: Audience) -> bool:
    """Whether the one reader of the audience still follows all of this."""
    reader = Subscriber.objects.filter(pk=int(audience.selection_key.removeprefix(OWN))).first()
    if reader is None:
        return False
    now = selectors.selection_of(reader)
    return all({*audience.selection.get(kind, [])} <= {*getattr(now, kind)} for kind in _WORDS)
