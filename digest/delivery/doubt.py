"""What is in doubt, for who must decide: by edition, batch and provider, with what evidence says of it
so far in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, QuerySet, Sum

from digest.models import Batch, Delivery, Edition

from . import evidence, providers
from .providers import Provider

MOST_BATCHES = 50
"""Of an edition that are shown, and settled, at once: each takes a few queries."""
EVERY = 5
"""Minutes between two looks at the evidence (config/timetable.py)."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is in doubt of a batch by one provider."""

    batch: Batch
    provider: str
    readers: int
    said: str
    """What it said, or what became of the worker."""
    evidence: str

    @property
    def since(self) -> datetime | None:
        return self.batch.offered_at or self.batch.claimed_at


@dataclass(frozen=True, slots=True)
class Group:
    """What is in doubt of an edition."""

    edition: Edition
    batches: int
    readers: int
    """How many at most: of a batch, some may be settled."""
    shown: Sequence[Doubt]

    @property
    def is_cut(self) -> bool:
        return self.batches > len({doubt.batch.pk for doubt in self.shown})

    @property
    def number(self) -> str:
        """How many readers, in words that stay true where not all batches were looked into."""
        if self.is_cut:
            return f"at most {self.readers:,} readers"
        exact = sum(doubt.readers for doubt in self.shown)
        return f"{exact:,} reader{'' if exact == 1 else 's'}"


def doubtful() -> QuerySet[Batch]:
    """The batches of which something is in doubt: few, and by an index."""
    return Batch.objects.filter(state=Batch.State.UNCERTAIN)


def groups(now: datetime) -> list[Group]:
    """All that is in doubt, the newest edition first. Each edition takes a few queries more, each
    batch one or two, and no more than MOST_BATCHES are looked into."""
    totals = doubtful().order_by().values("edition_id").annotate(n=Count("pk"), most=Sum("size"))
    by_edition = {row["edition_id"]: row for row in totals}
    editions = Edition.objects.filter(pk__in=by_edition).order_by("-date", "frequency")
    return [
        Group(
            edition=edition,
            batches=by_edition[edition.pk]["n"],
            readers=by_edition[edition.pk]["most"],
            shown=of_batches(doubtful().filter(edition=edition), now),
        )
        for edition in editions
    ]


def of_batches(batches: QuerySet[Batch], now: datetime) -> list[Doubt]:
    """What is in doubt of the first MOST_BATCHES of these, the oldest first."""
    chosen = {b.pk: b for b in batches.select_related("edition").order_by("pk")[:MOST_BATCHES]}
    in_doubt = Delivery.objects.filter(batch_id__in=chosen, state=Delivery.State.UNCERTAIN)
    rows = in_doubt.order_by("batch_id", "provider").values("batch_id", "provider")
    return [
        _doubt(chosen[row["batch_id"]], row, now)
        for row in rows.annotate(n=Count("pk"), planned=Min("created_at"), said=Max("detail"))
    ]


def _doubt(batch: Batch, row: Mapping[str, Any], now: datetime) -> Doubt:
    # As in `evidence.settle`: each by the provider that was asked for it.
    name = row["provider"] or batch.provider
    batch.provider = name
    found = sentence(batch, size=row["n"], planned_at=row["planned"], now=now)
    return Doubt(batch, name, row["n"], row["said"], found)


def sentence(batch: Batch, *, size: int, planned_at: datetime, now: datetime) -> str:
    """What evidence says of the batch so far."""
    provider = providers.PROVIDERS.get(batch.provider)
    if because := evidence.why_hopeless(batch, provider, now - planned_at):
        return f"Only you can settle it: {because}."
    if provider is not None and provider.is_idempotent:
        return f"{provider.name} is asked again by itself, under a key that it knows."
    return _of_silence(batch, provider, size, now) if provider is not None else ""


def _of_silence(batch: Batch, provider: Provider, size: int, now: datetime) -> str:
    if evidence.is_heard_of(batch, provider):
        return f"{provider.name} has told of it: it was taken, at least in part."
    until = (batch.offered_at or now) + timedelta(seconds=settings.UNCERTAIN_AFTER)
    if now < until:
        return f"It is too early: its silence is weighed from {until:%H:%M} UTC on."
    weighed = evidence.weigh(batch, provider, size, now)
    if weighed.fresh < evidence.WITNESSES:
        return (
            f"{provider.name} is silent about it. It has told of {weighed.fresh} others since, and "
            f"{evidence.WITNESSES} are needed to conclude anything."
        )
    if weighed.doubt <= evidence.MOST_DOUBT:
        return f"{provider.name} would have told of it: it is sent again within {EVERY} minutes."
    return (
        f"{provider.name} is silent about it, and told of {weighed.heard:,} of {weighed.taken:,} others "
        "of that time: too few to be sure."
    )
