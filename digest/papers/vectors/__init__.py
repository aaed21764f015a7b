"""What papers are about, as numbers: which papers are near a text, or near one another.

A paper's words are counted when it is stored, and placed in a latent space (LSA), or in one that the
operator's own embeddings make. What is near is found by both, in memory.
"""

from digest.models import PaperVector

from . import analysis, embeddings, live, space
from .analysis import ABSTRACT, Terms
from .index import Near
from .live import Live, forget, refresh
from .space import Vector, written
from .storing import ALL, fit, fit_if_grown, fitted, unplace, write, write_missing

__all__ = [
    "ALL", "Near", "fit", "fit_if_grown", "fitted", "forget", "near_paper", "near_text", "refresh", "unplace",
    "write", "write_missing", "written",
]  # fmt: skip

MEANING_OF_QUESTION = 0.5
MEANING_OF_PAPER = 0.7
"""How much the meaning counts beside the wording. A question has the words that it was written for;
a paper has many by chance."""


def near_text(text: str, *, most: int, meaning_counts: float = MEANING_OF_QUESTION) -> list[Near]:
    """The papers nearest to what somebody wrote, the nearest first; none until the index was read."""
    found = live.current()
    if found is None:
        return []
    terms = analysis.terms((ABSTRACT, text))
    if not len(terms.hashes):
        return []
    vector = _vector(found, terms, text)
    return found.index.nearest(terms, vector, most=most, meaning_counts=meaning_counts)


def near_paper(paper_id: int, *, most: int) -> list[Near] | None:
    """The papers nearest to this one and never itself; None until both index and row are there."""
    found = live.current()
    row = PaperVector.objects.filter(pk=paper_id).first() if found else None
    if found is None or row is None:
        return None
    terms = analysis.unpacked(bytes(row.terms))
    dense = space.unpacked(bytes(row.dense) if row.space == found.name else b"")
    vector = space.opened(dense)
    near = found.index.nearest(terms, vector, most=most + 1, meaning_counts=MEANING_OF_PAPER)
    return [other for other in near if other.paper_id != paper_id][:most]


def _vector(found: Live, terms: Terms, text: str) -> Vector | None:
    if found.space is not None:
        return found.space.vector(terms)
    vectors = embeddings.embed([text])
    return vectors[0] if vectors else None
