"""What is in doubt, for who must decide: by edition, batch and provider, with what evidence says of it
so far in one sentence."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.utils.formats import date_format

from digest.delivery import batches
from digest.delivery.esp import providers
from digest.delivery.esp.providers import Provider
from digest.models import Batch, Delivery, Edition

from . import evidence
from .evidence import Testimony

MOST_BATCHES = 50
"""That are shown, and of an edition settled, at once."""
MOST_WEIGHED = 8
"""Times of which evidence is weighed for one page: each takes five queries."""
_ABOUT = timedelta(minutes=1)
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
    of_batch: int
    """Readers of all providers that the batch was given to: they are settled together."""

    @property
    def evidences(self) -> list[str]:
        """The sentence, where there is one."""
        return [self.evidence] if self.evidence else []

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
        return self.batches > len(self.shown_batches)

    @property
    def shown_batches(self) -> list[int]:
        """Those that are shown, each once."""
        return list(dict.fromkeys(doubt.batch.pk for doubt in self.shown))

    @property
    def shown_readers(self) -> int:
        """Of the batches that are shown."""
        return sum(doubt.readers for doubt in self.shown)

    @property
    def evidence(self) -> list[str]:
        """What is said of the batches that are shown, each sentence once."""
        return list(dict.fromkeys(doubt.evidence for doubt in self.shown if doubt.evidence))

    @property
    def number(self) -> str:
        """How many readers, in words that stay true where not all batches were looked into."""
        if self.is_cut:
            return f"at most {self.readers:,} readers"
        return f"{self.shown_readers:,} reader{'' if self.shown_readers == 1 else 's'}"


def doubtful() -> QuerySet[Batch]:
    """The batches of which something is in doubt: few, and by an index."""
    return Batch.objects.filter(state=Batch.State.UNCERTAIN)


def groups(now: datetime) -> list[Group]:
    """All that is in doubt, the newest edition first; no more than MOST_BATCHES are looked into, and
    MOST_WEIGHED times evidence is weighed, so that the number of queries does not grow with them."""
    totals = doubtful().order_by().values("edition_id").annotate(n=Count("pk"), most=Sum("size"))
    by_edition = {row["edition_id"]: row for row in totals}
    if not by_edition:
        return []
    shown: dict[int, list[Doubt]] = defaultdict(list)
    newest_first = doubtful().order_by("-edition__date", "edition__frequency", "pk")
    for found in _looked_into(newest_first[:MOST_BATCHES], now):
        shown[found.batch.edition_id].append(found)
    return [
        Group(
            edition=edition,
            batches=by_edition[edition.pk]["n"],
            readers=by_edition[edition.pk]["most"],
            shown=shown[edition.pk],
        )
        for edition in Edition.objects.filter(pk__in=by_edition).order_by("-date", "frequency")
    ]


def _looked_into(chosen: QuerySet[Batch], now: datetime) -> list[Doubt]:
    """What is in doubt of the batches, by provider, the oldest first."""
    mine = {batch.pk: batch for batch in chosen.select_related("edition")}
    in_doubt = batches.deliveries_in(mine).filter(state=Delivery.State.UNCERTAIN)
    rows = in_doubt.order_by("batch_id", "provider").values("batch_id", "provider")
    counted = list(rows.annotate(n=Count("pk"), planned_at=Min("created_at"), said=Max("detail")))
    sizes: Counter[int] = Counter()
    for row in counted:
        sizes[row["batch_id"]] += row["n"]
    witnesses = _Witnesses(mine, now)
    found = []
    for row in counted:
        # As in `evidence.settle`: each by the provider that was asked for it.
        batch = copy(mine[row["batch_id"]])
        batch.provider = row["provider"] or batch.provider
        said = _sentence(batch, row["n"], now - row["planned_at"], witnesses)
        found.append(Doubt(batch, batch.provider, row["n"], row["said"], said, sizes[batch.pk]))
    return found


class _Witnesses:
    """What the database says for and against all of these batches, each asked for once."""

    def __init__(self, batch_ids: Collection[int], now: datetime) -> None:
        self.batch_ids = list(batch_ids)
        self.now = now
        self.has_told = cache(evidence.has_told)
        self._heard_of: dict[bool, set[int]] = {}
        self._weighed: dict[tuple[int, str, float], Testimony] = {}

    def has_heard_of(self, batch: Batch, provider: Provider) -> bool:
        """Whether an event speaks of it."""
        is_one = bool(provider.merge)
        if is_one not in self._heard_of:
            self._heard_of[is_one] = evidence.heard_of(self.batch_ids, in_one_call=is_one)
        return batch.pk in self._heard_of[is_one]

    def weigh(self, batch: Batch) -> Testimony | None:
        """What its silence is worth, or that of another batch of about the same time, as both have
        the same witnesses; None where too many times would have to be looked into."""
        offered_at = batch.offered_at or self.now
        key = (batch.edition_id, batch.provider, offered_at.timestamp() // _ABOUT.total_seconds())
        if key not in self._weighed and len(self._weighed) < MOST_WEIGHED:
            self._weighed[key] = evidence.weigh(batch, self.now)
        return self._weighed.get(key)


def _sentence(batch: Batch, size: int, age: timedelta, witnesses: _Witnesses) -> str:
    """What evidence says of the batch so far."""
    provider = providers.PROVIDERS.get(batch.provider)
    because = evidence.why_hopeless(batch, provider, age, has_told=witnesses.has_told)
    if because:
        return f"Only you can settle it: {because}."
    if provider is not None and provider.is_idempotent:
        return f"{provider.name} is asked again by itself, under a key that it knows."
    return _of_silence(batch, provider, size, witnesses) if provider is not None else ""


def _of_silence(batch: Batch, provider: Provider, size: int, witnesses: _Witnesses) -> str:
    if witnesses.has_heard_of(batch, provider):
        return f"{provider.name} has told of it: it was taken, at least in part."
    until = (batch.offered_at or witnesses.now) + timedelta(seconds=settings.UNCERTAIN_AFTER)
    if witnesses.now < until:
        return (
            f"It is too early: its silence is weighed from {date_format(until, 'TIME_FORMAT')} on."
        )
    weighed = witnesses.weigh(batch)
    if weighed is None:
        return f"{provider.name} is silent about it; what that is worth is weighed every {EVERY} minutes."
    if weighed.fresh < evidence.WITNESSES:
        return (
            f"{provider.name} is silent about it. It has told of {weighed.fresh} others since, and "
            f"{evidence.WITNESSES} are needed to conclude anything."
        )
    if weighed.doubt(provider, size) <= evidence.MOST_DOUBT:
        return f"{provider.name} would have told of it: it is sent again within {EVERY} minutes."
    return (
        f"{provider.name} is silent about it, and told of {weighed.heard:,} of {weighed.taken:,} others "
        "of that time: too few to be sure."
    )
