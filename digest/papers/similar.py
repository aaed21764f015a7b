"""Papers like a paper."""

from digest.models import Paper


def papers_like(paper: Paper, *, limit: int = 4) -> list[Paper]:
    """The papers most like it, the closest first; the same ones on every call."""
    others = Paper.objects.filter(topics__in=paper.topics.all()).exclude(pk=paper.pk)
    return list(others.distinct().order_by("-upvotes", "-pk")[:limit])
