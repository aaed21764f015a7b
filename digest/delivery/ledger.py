"""The ledger of an edition: what became of every reader who was due, and that it adds up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.db.models import Count, QuerySet

from digest.models import Batch, Delivery, Edition

from . import batches

State = Delivery.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`due = sent + skipped + suppressed + failed + uncertain + pending`, in deliveries."""

    edition: str
    due: int
    sent: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    suppressed: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """The same by reason: who refused it, or gave it up."""
    uncertain: int = 0
    pending: int = 0
    """Not settled: waiting, or claimed by a worker just now."""

    @property
    def to_send(self) -> int:
        """Who was to be sent something, whatever became of it."""
        return self.sent + self.failed + self.uncertain + self.pending

    @property
    def is_balanced(self) -> bool:
        parts = (self.sent, self.suppressed, self.failed, self.uncertain, self.pending)
        return self.due == sum(parts) + sum(self.skipped.values())

    def __str__(self) -> str:
        reasons = [f"  {name:<24}{number:>10,}" for name, number in sorted(self.skipped.items())]
        verdict = "adds up" if self.is_balanced else "DOES NOT ADD UP"
        lines = [
            f"Edition {self.edition}",
            f"{'sent':<26}{self.sent:>10,}",
            f"{'skipped':<26}{sum(self.skipped.values()):>10,}",
            *reasons,
            f"{'suppressed':<26}{self.suppressed:>10,}",
            f"{'failed':<26}{self.failed:>10,}",
            f"{'uncertain':<26}{self.uncertain:>10,}",
            f"{'pending':<26}{self.pending:>10,}",
            f"{'due':<26}{self.due:>10,}  {verdict}",
        ]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The object that CONTRACT.md names."""
        return {
            "edition": self.edition,
            "due": self.due,
            "sent": self.sent,
            "skipped": self.skipped,
            "suppressed": self.suppressed,
            "failed": self.failed,
            "uncertain": self.uncertain,
            "pending": self.pending,
            "balanced": self.is_balanced,
        }


def is_settled(edition: Edition) -> bool:
    """Whether nothing of the edition waits to be sent or is being sent; quick, by its batches."""
    open_states = [Batch.State.OPEN, Batch.State.CLAIMED]
    return not Batch.objects.filter(edition=edition, state__in=open_states).exists()


def _numbers(rows: QuerySet[Delivery]) -> Iterable[tuple[str, str, int]]:
    groups = rows.order_by().values_list("state", "reason")
    return groups.annotate(number=Count("pk"))


def counted(edition: Edition) -> dict[tuple[str, str], int]:
    """How many deliveries of the edition are in which state for which reason, counted now."""
    # By the indexes that there are: an edition's batches have ids in a row.
    first, last = batches.ids_of(edition)
    in_batches = Delivery.objects.filter(edition=edition, batch_id__gte=first, batch_id__lte=last)
    others = Delivery.objects.filter(edition=edition, batch__isnull=True)
    counts: Counter[tuple[str, str]] = Counter()
    for state, reason, number in chain(_numbers(in_batches), _numbers(others)):
        counts[state, reason] += number
    return dict(counts)


def from_counts(edition: Edition, counts: Mapping[tuple[str, str], int], *, due: int) -> Ledger:
    """The ledger that such counts make."""
    by_state: Counter[str] = Counter()
    for (state, _), number in counts.items():
        by_state[state] += number
    return Ledger(
        edition=edition.name,
        due=due,
        sent=by_state[State.SENT],
        skipped=_by_reason(counts, State.SKIPPED),
        suppressed=by_state[State.SUPPRESSED],
        failed=by_state[State.FAILED],
        failures=_by_reason(counts, State.FAILED),
        uncertain=by_state[State.UNCERTAIN],
        pending=by_state[State.PENDING],
    )


def _by_reason(counts: Mapping[tuple[str, str], int], wanted: str) -> dict[str, int]:
    return {reason: number for (state, reason), number in counts.items() if state == wanted}


def of_edition(edition: Edition) -> Ledger:
    """The edition's ledger as the outbox stands now, or, once its deliveries are being forgotten, as
    they were counted before; `due` was counted when it was planned."""
    asked = Edition.objects.only("due_count", "forgetting_at").get(pk=edition.pk)
    if asked.forgetting_at is None:
        counts = counted(edition)
    else:
        kept = edition.counts.values_list("state", "reason", "number")
        counts = {(state, reason): number for state, reason, number in kept}
    return from_counts(edition, counts, due=asked.due_count)
