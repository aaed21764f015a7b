"""The order of papers in an edition."""

from collections.abc import Iterable

from digest.models import Paper


def ranked(papers: Iterable[Paper]) -> list[Paper]:
    """The papers by upvotes, most first; of equals the newer one first, as upstream lists them."""
    return sorted(
        papers,
        key=lambda paper: (paper.upvotes, paper.published_at, paper.arxiv_id),
        reverse=True,
    )
