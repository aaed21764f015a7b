"""The rows of all papers in memory: which papers have a stem, and where each lies in the space.

Numbers only: no database, no text. A paper takes about 600 bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import analysis, space
from .analysis import FULL, Hashes, Terms, Weights
from .space import Vector

SEGMENT = 12_500
"""Papers of a segment: sorting more at once takes more memory for a moment."""
MOST_SEGMENTS = 8
"""So many are there at most that could be one."""
MOST_STEMS = 60
"""So many of a text's stems are looked for, the heaviest."""
_BLOCK = 2_048
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

    def where(self, stems: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the papers with each of the stems start and end."""
        places = np.minimum(np.searchsorted(self.stems, stems), max(len(self.stems) - 1, 0))
        if not len(self.stems):
            return np.zeros_like(places), np.zeros_like(places)
        has_it = self.stems[places] == stems
        return self.starts[places] * has_it, self.starts[places + 1] * has_it

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
        if not parts:
            return []
        stems, weights, possible = self._weights(parts, terms)
        wording = [_wording(part, stems, weights) for part in parts]
        best = max((float(found.max()) for found in wording), default=0.0) or 1.0
        by_meaning = [_meaning(part, vector) for part in parts]
        rows = [
            _best(part, words, cosines, most=most, share=meaning_counts, best=best)
            for part, words, cosines in zip(parts, wording, by_meaning, strict=True)
        ]
        ids, scores, words, cosines = (np.concatenate(column) for column in zip(*rows, strict=True))
        order = np.lexsort((-ids, -np.round(scores, 6)))[:most]
        shares = np.minimum(words / possible, 1.0)
        columns = (column[order].tolist() for column in (ids, scores, shares, cosines))
        return [Near(*row) for row in zip(*columns, strict=True)]

    def _weights(
        self, parts: Sequence[Segment], terms: Terms
    ) -> tuple[Hashes, NDArray[np.float32], float]:
        """The heaviest stems of the text that papers have, with what each weighs: how much the text is
        about it, and how rare the stem is; and what all weigh, also those that no paper has."""
        total = sum(len(part.ids) for part in parts)
        papers = sum(stop - start for start, stop in (part.where(terms.hashes) for part in parts))
        idf = np.log(1 + (total - papers + 0.5) / (papers + 0.5))
        weights = (idf * terms.weights / FULL).astype(np.float32)
        fits = (papers > 0) & (papers <= _TOO_COMMON * total)
        chosen = np.flatnonzero(fits if np.any(fits) else papers > 0)
        chosen = chosen[np.argsort(-weights[chosen], kind="stable")[:MOST_STEMS]]
        return terms.hashes[chosen], weights[chosen], float(weights.sum()) or 1.0


def _wording(part: Segment, stems: Hashes, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = np.zeros(len(part.ids), dtype=np.float32)
    for start, stop, weight in zip(*part.where(stems), weights / FULL, strict=True):
        # No paper stands there twice, so that this adds up.
        scores[part.papers[start:stop]] += part.weights[start:stop] * weight
    return scores


def _meaning(part: Segment, vector: Vector | None) -> NDArray[np.float32]:
    found = np.zeros(len(part.ids), dtype=np.float32)
    if vector is None or len(vector) != part.numbers.shape[1]:
        return found
    for first in range(0, len(found), _BLOCK):
        block = slice(first, first + _BLOCK)
        # As floats the numbers would take four times the memory; a block of them stays in the cache.
        # Not by BLAS: its threads wait for one another, and on busy cores for a tenth of a second.
        np.einsum("ij,j->i", part.numbers[block].astype(np.float32), vector, out=found[block])
    return found * part.scales


def _best(
    part: Segment,
    wording: NDArray[np.float32],
    meaning: NDArray[np.float32],
    *,
    most: int,
    share: float,
    best: float,
) -> tuple[NDArray[Any], ...]:
    """Ids, scores, wording and meaning of the papers of the segment with the highest scores."""
    scores = wording * np.float32((1 - share) / best) + meaning * np.float32(share)
    scores[~part.alive] = -1
    places = (
        np.argpartition(scores, -most)[-most:] if len(scores) > most else np.arange(len(scores))
    )
    places = places[scores[places] > 0]
    return part.ids[places], scores[places], wording[places], meaning[places]
