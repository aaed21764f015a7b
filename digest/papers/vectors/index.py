"""The rows of all papers in memory: which papers have a stem, and where each lies in the space.

Numbers only: no database, no text. A paper takes about 600 bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import analysis, space
from .analysis import FULL, Hashes, Terms, Weights
from .space import Vector

SEGMENT = 25_000
"""Papers of a segment: sorting more at once takes more memory for a moment."""
MOST_SEGMENTS = 8
"""So many are there at most that could be one."""
MOST_STEMS = 60
"""So many of a text's stems are looked for, the heaviest."""
_BLOCK = 4_096
_TOO_COMMON = 0.3
"""A stem that a larger share of all papers has is not looked at, where others are."""


class Row(NamedTuple):
    """A paper as it is stored."""

    paper_id: int
    terms: bytes
    dense: bytes
    """Empty for one in another space."""


class Near(NamedTuple):
    """A paper near a question."""

    paper_id: int
    score: float
    """By which they are ordered; 1 at most."""
    wording: float
    """The share that the paper has of the question's words, rare ones counting more; 0 to 1."""
    meaning: float
    """The cosine of the angle between the two; 0 where one has no place in the space."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Some of the papers, by id."""

    ids: NDArray[np.int64]
    alive: NDArray[np.bool_]
    """False for those that a later segment has, and for those that are gone."""
    stems: Hashes
    starts: NDArray[np.int64]
    """Where each stem's papers start in the two that follow, and where the last ones end."""
    papers: NDArray[np.uint16]
    """Places in `ids`."""
    weights: Weights
    numbers: NDArray[np.int8]
    """A row of dimensions per paper."""
    scales: NDArray[np.float32]

    def where(self, stem: int) -> slice:
        """Where the papers with the stem stand."""
        place = int(np.searchsorted(self.stems, stem))
        if place == len(self.stems) or self.stems[place] != stem:
            return slice(0, 0)
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    def drop(self, ids: NDArray[np.int64]) -> None:
        """Afterwards these papers are not found in this segment."""
        self.alive[np.isin(self.ids, ids)] = False


def segment(rows: Sequence[Row], *, dimensions: int) -> Segment:
    """A segment of these papers, no more than `SEGMENT`, ordered by id."""
    terms, sizes = analysis.joined(row.terms for row in rows)
    papers = np.repeat(np.arange(len(rows), dtype=np.uint64), sizes)
    stems, starts, places, weights = _sorted(terms, papers)
    numbers = np.zeros((len(rows), dimensions), dtype=np.int8)
    scales = np.zeros(len(rows), dtype=np.float32)
    for place, row in enumerate(rows):
        dense = space.unpacked(row.dense)
        if len(dense.numbers) == dimensions:
            numbers[place], scales[place] = dense
    ids = np.array([row.paper_id for row in rows], dtype=np.int64)
    alive = np.ones(len(rows), dtype=np.bool_)
    return Segment(ids, alive, stems, starts, places, weights, numbers, scales)


def _sorted(
    terms: Terms, papers: NDArray[np.uint64]
) -> tuple[Hashes, NDArray[np.int64], NDArray[np.uint16], Weights]:
    """By stem, then by paper: as one number each, which sorts fast and in place."""
    keys = terms.hashes.astype(np.uint64) << np.uint64(32)
    keys |= papers << np.uint64(8)
    keys |= terms.weights
    keys.sort()
    weights = (keys & np.uint64(0xFF)).astype(np.uint8)
    places = ((keys >> np.uint64(8)) & np.uint64(0xFFFFFF)).astype(np.uint16)
    stems, starts = np.unique((keys >> np.uint64(32)).astype(np.uint32), return_index=True)
    return stems, np.append(starts, len(keys)).astype(np.int64), places, weights


def _merged(parts: Sequence[Segment]) -> Segment:
    """The living papers of these segments in one."""
    order = np.argsort(np.concatenate([part.ids[part.alive] for part in parts]), kind="stable")
    place_of = np.empty(len(order), dtype=np.uint64)
    place_of[order] = np.arange(len(order), dtype=np.uint64)
    hashes, weights, papers, first = [], [], [], 0
    for part in parts:
        known = part.alive[part.papers]
        living = np.cumsum(part.alive) - 1 + first
        hashes.append(np.repeat(part.stems, np.diff(part.starts))[known])
        weights.append(part.weights[known])
        papers.append(place_of[living[part.papers[known]]])
        first += int(part.alive.sum())
    stems, starts, places, sorted_weights = _sorted(
        Terms(np.concatenate(hashes), np.concatenate(weights)), np.concatenate(papers)
    )
    return Segment(
        np.concatenate([part.ids[part.alive] for part in parts])[order],
        np.ones(len(order), dtype=np.bool_),
        stems, starts, places, sorted_weights,
        np.concatenate([part.numbers[part.alive] for part in parts])[order],
        np.concatenate([part.scales[part.alive] for part in parts])[order],
    )  # fmt: skip


@dataclass(slots=True)
class Index:
    """All papers, in segments; one thread changes it while others ask."""

    dimensions: int
    segments: tuple[Segment, ...] = field(default=())

    def __len__(self) -> int:
        return sum(int(part.alive.sum()) for part in self.segments)

    def ids(self) -> NDArray[np.int64]:
        """Of all papers that can be found."""
        living = [part.ids[part.alive] for part in self.segments]
        return np.concatenate(living) if living else np.zeros(0, dtype=np.int64)

    def add(self, rows: Iterable[Row]) -> None:
        """Afterwards these papers, in the order of their ids, are found by these rows only."""
        iterator = iter(rows)
        while chunk := list(islice(iterator, SEGMENT)):
            made = segment(chunk, dimensions=self.dimensions)
            for part in self.segments:
                part.drop(made.ids)
            self.segments = (*self.segments, made)
        self._tidy()

    def drop(self, ids: NDArray[np.int64]) -> None:
        """Afterwards these papers are not found."""
        for part in self.segments:
            part.drop(ids)

    def _tidy(self) -> None:
        small = [part for part in self.segments if part.alive.sum() < SEGMENT / MOST_SEGMENTS]
        if len(small) > MOST_SEGMENTS:
            others = [part for part in self.segments if part not in small]
            self.segments = (*others, _merged(small))

    def nearest(
        self, terms: Terms, vector: Vector | None, *, most: int, meaning_counts: float
    ) -> list[Near]:
        """The papers nearest to a text, the nearest first, `most` at most.

        By its words (BM25, as a share of the best paper's) and by the cosine of the two vectors; the
        latter counts for so much, from 0 to 1.
        """
        parts = [part for part in self.segments if len(part.ids)]
        weights, possible = self._weights(parts, terms)
        wording = [_wording(part, weights) for part in parts]
        best = max((float(found.max()) for found in wording), default=0.0) or 1.0
        found: list[Near] = []
        for part, by_words in zip(parts, wording, strict=True):
            by_meaning = _meaning(part, vector)
            scores = by_words * ((1 - meaning_counts) / best) + by_meaning * meaning_counts
            scores[~part.alive] = -1
            for place in _highest(scores, most):
                if scores[place] > 0:
                    share = float(by_words[place]) / possible
                    near = (float(scores[place]), min(share, 1.0), float(by_meaning[place]))
                    found.append(Near(int(part.ids[place]), *near))
        return sorted(found, key=lambda near: (-round(near.score, 6), -near.paper_id))[:most]

    def _weights(self, parts: Sequence[Segment], terms: Terms) -> tuple[dict[int, float], float]:
        """What each stem of the text weighs that a paper has: how much it is about it, and how rare
        the stem is; and what all of them weigh, also those that no paper has."""
        total = sum(len(part.ids) for part in parts)
        papers, weights = {}, {}
        for stem, weight in zip(terms.hashes.tolist(), terms.weights.tolist(), strict=True):
            places = [part.where(stem) for part in parts]
            papers[stem] = count = sum(place.stop - place.start for place in places)
            weights[stem] = math.log(1 + (total - count + 0.5) / (count + 0.5)) * weight / FULL
        rare = [stem for stem, count in papers.items() if 0 < count <= _TOO_COMMON * total]
        chosen = rare or [stem for stem, count in papers.items() if count]
        heaviest = nlargest(MOST_STEMS, chosen, key=lambda stem: (weights[stem], stem))
        return {stem: weights[stem] for stem in heaviest}, sum(weights.values()) or 1.0


def _wording(part: Segment, weights: dict[int, float]) -> NDArray[np.float32]:
    scores = np.zeros(len(part.ids), dtype=np.float32)
    for stem, weight in weights.items():
        where = part.where(stem)
        # No paper stands there twice, so that this adds up.
        scores[part.papers[where]] += part.weights[where] * np.float32(weight / FULL)
    return scores


def _meaning(part: Segment, vector: Vector | None) -> NDArray[np.float32]:
    found = np.zeros(len(part.ids), dtype=np.float32)
    if vector is None or len(vector) != part.numbers.shape[1]:
        return found
    for first in range(0, len(found), _BLOCK):
        block = slice(first, first + _BLOCK)
        # As floats the numbers would take four times the memory; a block of them stays in the cache.
        found[block] = part.numbers[block].astype(np.float32) @ vector
    return found * part.scales


def _highest(scores: NDArray[np.float32], most: int) -> list[int]:
    if len(scores) <= most:
        return list(range(len(scores)))
    found: list[int] = np.argpartition(scores, -most)[-most:].tolist()
    return found
