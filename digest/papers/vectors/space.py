"""A latent space (LSA): what a paper is about as a hundred numbers, near those of papers like it."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .analysis import FULL, Hashes, Terms

START = Path(__file__).resolve().parents[2] / "data" / "start_space.npz"
"""What comes with the project: words and numbers, no texts."""

Vector = NDArray[np.float32]
Matrix = NDArray[np.float32]


class Dense(NamedTuple):
    """A vector of length 1 in a byte for each number, and what to multiply them by."""

    numbers: NDArray[np.int8]
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class LsaSpace:
    """A fitted space: where each stem lies in it."""

    name: str
    hashes: Hashes
    """Of the stems that it knows, ascending."""
    places: NDArray[np.float16]
    """A row for each stem: its idf times its part in each dimension."""

    def vector(self, terms: Terms) -> Vector | None:
        """Where a text with these terms lies, of length 1; None where it has no stem that is known."""
        where = np.minimum(np.searchsorted(self.hashes, terms.hashes), len(self.hashes) - 1)
        known = self.hashes[where] == terms.hashes
        weights = terms.weights[known].astype(np.float32) / FULL
        return normal(weights @ self.places[where[known]].astype(np.float32))


def normal(vector: Vector) -> Vector | None:
    """The vector at length 1; None for one without a direction."""
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 and np.isfinite(length) else None


def made(hashes: Hashes, places: NDArray[np.float16]) -> LsaSpace:
    """The space under the name that these numbers give it."""
    content = hashlib.blake2b(hashes.tobytes() + places.tobytes(), digest_size=8)
    return LsaSpace(f"lsa-{content.hexdigest()}", hashes, places)


def written(space: LsaSpace) -> bytes:
    """The space as a file of numpy's."""
    file = io.BytesIO()
    np.savez_compressed(file, hashes=space.hashes, places=space.places)
    return file.getvalue()


def read(data: bytes) -> LsaSpace:
    """The space that `written` wrote."""
    # Nothing but arrays is taken from it: numpy would run what a pickle says.
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return made(file["hashes"], file["places"])


def packed(vector: Vector | None) -> bytes:
    """As it is stored: the scale, then a byte for each number; nothing for no vector."""
    if vector is None:
        return b""
    scale = np.float32(max(float(np.abs(vector).max()), 1e-6) / 127)
    numbers: bytes = np.rint(vector / scale).astype(np.int8).tobytes()
    head: bytes = scale.astype("<f4").tobytes()
    return head + numbers


def opened(dense: Dense) -> Vector | None:
    """The vector itself; None where there was none."""
    if not len(dense.numbers):
        return None
    return dense.numbers.astype(np.float32) * np.float32(dense.scale)


def unpacked(data: bytes) -> Dense:
    """What `packed` made the bytes of; no numbers where there was no vector."""
    if not data:
        return Dense(np.zeros(0, dtype=np.int8), 0.0)
    return Dense(
        np.frombuffer(data, dtype=np.int8, offset=4), float(np.frombuffer(data, "<f4", count=1)[0])
    )
