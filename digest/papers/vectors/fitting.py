"""Fits a latent space to the papers there are, with scikit-learn; nothing else here needs that."""

from collections.abc import Sequence

import numpy as np

from digest.errors import VectorsError

from . import analysis, space
from .space import LsaSpace

DIMENSIONS = 128
MOST_STEMS = 15_000
RAREST, MOST_COMMON = 3, 0.4
"""A stem of fewer papers, or of a larger share of them, says nothing of what papers have in common."""
FEWEST = 200
"""Papers, below which a space says less than the one that comes with the project."""
_ROUNDS = 4
_SEED = 1


def fit(rows: Sequence[bytes], *, dimensions: int = DIMENSIONS) -> LsaSpace:
    """The space of papers with these packed terms; the same one for the same papers.

    Latent semantic analysis: Deerwester et al., 1990; by randomized SVD (Halko et al., 2009).
    Raises VectorsError for too few papers.
    """
    if len(rows) < FEWEST:
        raise VectorsError(
            f"{len(rows)} papers are too few to fit a space to: {FEWEST} are needed."
        )
    # scikit-learn takes a second and 80 MB, which no page and no other task should.
    from scipy import sparse  # noqa: PLC0415  as above
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415  as above
    from sklearn.preprocessing import normalize  # noqa: PLC0415  as above

    terms, sizes = analysis.joined(rows)
    stems, column, papers = np.unique(terms.hashes, return_inverse=True, return_counts=True)
    known = _telling(papers, len(rows))
    if len(known) < 2:  # noqa: PLR2004  there is no space of one stem
        raise VectorsError("The papers have too few words in common to fit a space to them.")
    idf = np.log(1 + len(rows) / papers[known]).astype(np.float32)
    counts = sparse.csr_matrix(
        (terms.weights.astype(np.float32), column, np.concatenate([[0], np.cumsum(sizes)])),
        shape=(len(rows), len(stems)),
    )
    weighed = normalize(counts[:, known] @ sparse.diags(idf, dtype=np.float32))
    dimensions = min(dimensions, len(known) - 1, len(rows) - 1)
    svd = TruncatedSVD(dimensions, n_iter=_ROUNDS, random_state=_SEED).fit(weighed)
    places = svd.components_.T * idf[:, None]
    return space.made(stems[known], places.astype(np.float16))


def _telling(
    papers: "np.ndarray[tuple[int], np.dtype[np.int64]]", total: int
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The places of the stems that are neither too rare nor too common, ascending."""
    fits = np.flatnonzero((papers >= RAREST) & (papers <= MOST_COMMON * total))
    return np.sort(fits[np.argsort(-papers[fits], kind="stable")[:MOST_STEMS]])
