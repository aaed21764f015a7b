"""How well predicted topics agree with labels, pair by pair of paper and topic."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Score:
    """Pairs of paper and topic: rightly predicted, predicted, and wanted."""

    right: int = 0
    predicted: int = 0
    wanted: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        pairs = self.predicted + self.wanted
        return 2 * self.right / pairs if pairs else 0.0


@dataclass(slots=True)
class Tally:
    """Pairs counted by topic. What a label calls arguable is neither right nor wrong."""

    right: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    wanted: Counter[str] = field(default_factory=Counter)

    def add(
        self, predicted: Iterable[str], *, topics: Collection[str], maybe: Collection[str]
    ) -> None:
        counted = set(predicted) - set(maybe)
        self.predicted.update(counted)
        self.right.update(counted & set(topics))
        self.wanted.update(topics)

    @property
    def all(self) -> Score:
        """Over all pairs together (micro)."""
        return Score(self.right.total(), self.predicted.total(), self.wanted.total())

    def of(self, slug: str) -> Score:
        """Of one topic."""
        return Score(self.right[slug], self.predicted[slug], self.wanted[slug])
