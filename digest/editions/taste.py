"""What a reader likes, learned from what they said of papers: a linear model over TF-IDF and the
latent space, small enough to keep one for each reader.

Ridge regression in its dual form: a reader has said little, so that a few papers are compared with
one another, and the weights of words follow. It is learned by a task, never while digests are made.
"""

import hashlib
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from digest.models import Opinion, PaperVector, Taste
from digest.papers.vectors import analysis, space
from digest.papers.vectors.analysis import FULL, Terms
from subscriptions import services

MOST_OPINIONS = 200
"""The newest count, what was only opened after all others; tastes change."""
BACKGROUND = 60
"""So many of the newest papers that the reader said nothing of count a little against."""
MOST_WORDS = 200
MEANING = 0.5
"""How much the latent space counts beside the words."""
WANTED = {Opinion.Verdict.MORE.value: 1.0, Opinion.Verdict.LESS.value: -1.0}
SAVED = 0.6
"""How much is wanted what was saved or opened without another word."""
OPENED_WEIGHT = 0.25
"""One that was opened moves papers like it about 0.3 times as far as “more” does."""
UNSAID, UNSAID_WEIGHT = -0.2, 0.1
_RIDGE = 0.5
_SLOPE = 2.0
"""How soon a paper that is like one of those counts fully."""
_HALF_LIFE = timedelta(days=180)
_OUTDATED = datetime.fromtimestamp(0, UTC)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placed:
    """A paper as numbers."""

    terms: Terms
    values: Floats
    """A weight for each term; of length 1."""
    space: str
    vector: Floats
    """Empty for one without a place."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The weights of some words, and a direction in a space."""

    hashes: NDArray[np.uint32]
    """Ascending."""
    weights: Floats
    space: str
    direction: Floats

    def score(self, paper: Placed) -> float:
        """From -1, unlike anything that the reader likes, to 1; 0 for what says nothing."""
        found = 0.0
        if len(self.hashes):
            where = np.minimum(
                np.searchsorted(self.hashes, paper.terms.hashes), len(self.hashes) - 1
            )
            known = self.hashes[where] == paper.terms.hashes
            found = float(self.weights[where[known]] @ paper.values[known])
        if self.space == paper.space and len(self.direction) == len(paper.vector) > 0:
            found += float(self.direction @ paper.vector)
        return round(float(np.tanh(_SLOPE * found)), 4)


def fit(papers: Sequence[Placed], wanted: Sequence[float], trust: Sequence[float]) -> Model:
    """The model of these papers and how much each is wanted (-1 to 1), each trusted from 0 to 1."""
    columns, place = np.unique(
        np.concatenate([paper.terms.hashes for paper in papers]), return_inverse=True
    )
    rows = np.zeros((len(papers), len(columns)), np.float32)
    ends = np.cumsum([len(paper.terms.hashes) for paper in papers])
    for number, paper in enumerate(papers):
        rows[number, place[ends[number] - len(paper.terms.hashes) : ends[number]]] = paper.values
    idf = np.log(1 + len(papers) / (rows > 0).sum(axis=0)).astype(np.float32)
    scaled = rows * idf
    usual = float(np.sqrt((scaled**2).sum(axis=1)).mean()) or 1.0
    scaled /= usual
    name = max((paper.space for paper in papers), default="")
    dimensions = max((len(paper.vector) for paper in papers if paper.space == name), default=0)
    vectors = np.zeros((len(papers), dimensions), np.float32)
    for number, paper in enumerate(papers):
        if paper.space == name and len(paper.vector) == dimensions:
            vectors[number] = paper.vector
    alike = (1 - MEANING) * scaled @ scaled.T + MEANING * vectors @ vectors.T
    alike[np.diag_indices_from(alike)] += _RIDGE / np.maximum(np.array(trust, np.float32), 0.01)
    shares = np.linalg.solve(alike, np.array(wanted, np.float32))
    weights = (1 - MEANING) * (scaled.T @ shares) * idf / usual
    heaviest = np.sort(np.argsort(-np.abs(weights), kind="stable")[:MOST_WORDS])
    return Model(
        columns[heaviest].astype(np.uint32),
        weights[heaviest].astype(np.float32),
        name,
        (MEANING * (vectors.T @ shares)).astype(np.float32),
    )


def packed(model: Model) -> bytes:
    """As it is kept: a byte for each weight; at most 2 KB."""
    name = model.space.encode()[:100]
    words, word_scale = _bytes_of(model.weights)
    numbers, scale = _bytes_of(model.direction)
    head = struct.pack(
        "<HHBff", len(model.hashes), len(model.direction), len(name), word_scale, scale
    )
    return head + name + model.hashes.astype("<u4").tobytes() + words + numbers


def unpacked(data: bytes) -> Model:
    """What `packed` made the bytes of."""
    words, dimensions, letters, word_scale, scale = struct.unpack_from("<HHBff", data)
    at = struct.calcsize("<HHBff")
    name = data[at : at + letters].decode()
    at += letters
    hashes = np.frombuffer(data, "<u4", words, at).astype(np.uint32)
    weights = np.frombuffer(data, np.int8, words, at + 4 * words)
    numbers = np.frombuffer(data, np.int8, dimensions, at + 5 * words)
    return Model(
        hashes,
        weights.astype(np.float32) * np.float32(word_scale),
        name,
        numbers.astype(np.float32) * np.float32(scale),
    )


def _bytes_of(values: Floats) -> tuple[bytes, float]:
    most = float(np.abs(values).max(initial=0.0))
    scale = most / 127 if most else 1.0
    return np.rint(values / scale).astype(np.int8).tobytes(), scale


def placed(paper_ids: Collection[int]) -> dict[int, Placed]:
    """Those of the papers that have a row of numbers. One query."""
    rows = PaperVector.objects.filter(pk__in=paper_ids)
    return {
        row[0]: place(bytes(row[1]), row[2], bytes(row[3]))
        for row in rows.values_list("paper_id", "terms", "space", "dense")
    }


def place(terms: bytes, name: str, dense: bytes) -> Placed:
    """A paper's row as numbers."""
    found = analysis.unpacked(terms)
    values = found.weights.astype(np.float32) / FULL
    length = float(np.linalg.norm(values)) or 1.0
    where = space.unpacked(dense)
    vector = where.numbers.astype(np.float32) * np.float32(where.scale)
    return Placed(found, (values / length).astype(np.float32), name, vector)


def learn(subscriber_id: int) -> bool:
    """Afterwards the reader's digests go by all that they said of papers; False where they said
    nothing. A second call changes nothing. The reader's row is held, so that what they forget
    meanwhile is not learned."""
    with transaction.atomic():
        services.hold(subscriber_id)
        return _learn(subscriber_id)


def _learn(subscriber_id: int) -> bool:
    said = list(
        Opinion.objects.filter(subscriber=subscriber_id)
        .loudest()
        .values_list("paper_id", "verdict", "opened_at", "said_at")[:MOST_OPINIONS]
    )
    papers = placed([paper_id for paper_id, *_ in said])
    said = [row for row in said if row[0] in papers]
    if not said:
        forget(subscriber_id)
        return False
    now = timezone.now()
    others = list(placed(_newest(papers)).values())
    model = fit(
        [papers[paper_id] for paper_id, *_ in said] + others,
        [WANTED.get(verdict, SAVED) for _, verdict, *_ in said] + [UNSAID] * len(others),
        [
            (OPENED_WEIGHT if opened_at else 1.0) * 0.5 ** ((now - at) / _HALF_LIFE)
            for *_, opened_at, at in said
        ]
        + [UNSAID_WEIGHT] * len(others),
    )
    weights = packed(model)
    mark = hashlib.blake2b(weights, digest_size=8).hexdigest()
    Taste.objects.update_or_create(
        subscriber_id=subscriber_id,
        defaults={"mark": mark, "weights": weights, "opinions": len(said)},
    )
    services.keep_taste(subscriber_id, mark)
    return True


def _newest(but: Collection[int]) -> list[int]:
    newest = PaperVector.objects.order_by("-paper_id").values_list("paper_id", flat=True)
    return [pk for pk in newest[: BACKGROUND + len(but)] if pk not in but][:BACKGROUND]


def forget(subscriber_id: int, *, with_opinions: bool = False) -> None:
    """Afterwards nothing that was learned of the reader is kept, nor what it was learned from."""
    with transaction.atomic():
        services.hold(subscriber_id)
        if with_opinions:
            Opinion.objects.filter(subscriber=subscriber_id).delete()
        Taste.objects.filter(subscriber=subscriber_id).delete()
        services.keep_taste(subscriber_id, "")


def outdate(gone: QuerySet[Opinion]) -> None:
    """Afterwards the tastes that were learned from these opinions, too, are learned anew by the next
    sweep."""
    readers = Taste.objects.filter(subscriber__in=gone.values("subscriber"))
    readers.update(learned_at=_OUTDATED)


def unlearned() -> list[int]:
    """The readers who said something since their taste was learned, or whose taste is outdated."""
    newest = Opinion.objects.values("subscriber").annotate(newest=Max("said_at"))
    late = newest.filter(
        Q(subscriber__learned_taste__isnull=True)
        | Q(newest__gt=F("subscriber__learned_taste__learned_at"))
    )
    outdated = Taste.objects.filter(learned_at=_OUTDATED).values_list("subscriber", flat=True)
    return sorted({*late.values_list("subscriber", flat=True), *outdated})


def models(marks: Iterable[str]) -> dict[str, Model]:
    """The models behind marks. One query."""
    wanted = {mark for mark in marks if mark}
    if not wanted:
        return {}
    rows = Taste.objects.filter(mark__in=wanted).values_list("mark", "weights")
    return {mark: unpacked(bytes(weights)) for mark, weights in rows}


def unwanted(marks: Iterable[str], paper_ids: Collection[int]) -> dict[str, set[int]]:
    """Those of the papers that readers of each taste said they want less of. One query at most."""
    wanted = {mark for mark in marks if mark}
    if not wanted or not paper_ids:
        return {}
    said = Opinion.objects.filter(
        verdict=Opinion.Verdict.LESS,
        paper__in=paper_ids,
        subscriber__learned_taste__mark__in=wanted,
    )
    found: dict[str, set[int]] = {}
    for mark, paper_id in said.values_list("subscriber__learned_taste__mark", "paper_id"):
        found.setdefault(mark, set()).add(paper_id)
    return found


def unwanted_by(mark: str, paper_ids: Collection[int]) -> set[int]:
    """The same for one taste."""
    return unwanted([mark], paper_ids).get(mark, set())


def model(mark: str) -> Model | None:
    """The model behind a mark, if there is one."""
    return models([mark]).get(mark)


def scores(model: Model, papers: Mapping[int, Placed]) -> dict[int, float]:
    """What the model says of each paper, by id."""
    return {paper_id: model.score(paper) for paper_id, paper in papers.items()}
