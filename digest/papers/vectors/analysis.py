"""The words of a text as numbers: hashes of its stems, each with how much the text is about it."""

import zlib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digest.papers.search import words

TITLE, ABOUT, ABSTRACT = 3, 2, 1
"""How often a word counts, by where it stands; `ABOUT` are keywords and summary."""
FULL = 255
"""The weight that a word comes near the more often it stands there."""
MOST_TERMS = 2_000

_K, _B, _USUAL_LENGTH = 1.2, 0.75, 110
"""BM25's: how soon a repeated word says nothing new, and how much that depends on the length. The
length is a constant, so that a weight is known from its paper alone."""
_BYTES = 5
_STOP_WORDS = frozenset(
    words.stems(
        "a about above after again against all also although among an and any are as at be because been "
        "before being below between both but by can could did do does doing down during each few for "
        "from further had has have having he her here his how however i if in into is it its itself "
        "just may might more most much must my no nor not of off on once only or other our out over own "
        "same she should so some such than that the their them then there therefore these they this "
        "those through thus to too under until up upon us use used uses using very via was we well "
        "were what when where whether which while who whose why will with within without would yet "
        "you your"
    )
)

Hashes = NDArray[np.uint32]
Weights = NDArray[np.uint8]


class Terms(NamedTuple):
    """Hashes of stems, ascending, and the weight of each, from 1 to `FULL`."""

    hashes: Hashes
    weights: Weights


def terms(*fields: tuple[int, str]) -> Terms:
    """The terms of texts, each with how often its words count; stop words are left out."""
    counts: Counter[int] = Counter()
    for times, text in fields:
        for stem in words.stems(text):
            if stem not in _STOP_WORDS:
                counts[_hash(stem)] += times
    hashes = np.array(sorted(counts)[:MOST_TERMS], dtype=np.uint32)
    found = np.array([counts[int(number)] for number in hashes], dtype=np.float32)
    # Of a question, too, which is short: all of its weights grow alike, which changes no order.
    half = _K * (1 - _B + _B * sum(counts.values()) / _USUAL_LENGTH)
    return Terms(hashes, np.maximum(np.rint(FULL * found / (found + half)), 1).astype(np.uint8))


def packed(found: Terms) -> bytes:
    """As it is stored: all hashes, little end first, then all weights."""
    return found.hashes.astype("<u4").tobytes() + found.weights.tobytes()


def unpacked(data: bytes) -> Terms:
    """What `packed` made the bytes of."""
    number = len(data) // _BYTES
    return Terms(
        np.frombuffer(data, dtype="<u4", count=number).astype(np.uint32, copy=False),
        np.frombuffer(data, dtype=np.uint8, offset=4 * number),
    )


def joined(rows: Iterable[bytes]) -> tuple[Terms, NDArray[np.int64]]:
    """The terms of many rows one after the other, and how many are of each row."""
    found = list(rows)
    sizes = np.array([len(row) // _BYTES for row in found], dtype=np.int64)
    hashes = b"".join(row[: 4 * (len(row) // _BYTES)] for row in found)
    weights = b"".join(row[4 * (len(row) // _BYTES) :] for row in found)
    return (
        Terms(
            np.frombuffer(hashes, dtype="<u4").astype(np.uint32, copy=False),
            np.frombuffer(weights, dtype=np.uint8),
        ),
        sizes,
    )


@lru_cache(maxsize=200_000)
def _hash(stem: str) -> int:
    """Among a hundred thousand stems about one pair has the same number."""
    return zlib.crc32(stem.encode())
