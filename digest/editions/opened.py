"""The papers whose pages readers opened, where they allowed digests to learn from that: the input is
a browser that says so, the output are opinions that count a little (`taste.py`)."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from digest.models import Opinion, Paper
from digest.models.opinions import Opinions
from subscriptions import selectors
from subscriptions.records import Holder

from . import taste

KEPT = timedelta(days=180)


def record(reader: Holder, arxiv_id: str) -> None:
    """Afterwards the paper counts as opened, if there are such a paper and such a reader, who still
    allows it and has said nothing of the paper. A second call changes nothing."""
    with transaction.atomic():
        # The reader's row is held, so that who turns it off finds all that was kept.
        subscriber = selectors.learning_subscriber(reader)
        paper = Paper.objects.filter(arxiv_id=arxiv_id).first()
        if subscriber and paper:
            opened = {"opened_at": timezone.now()}
            Opinion.objects.get_or_create(subscriber=subscriber, paper=paper, defaults=opened)


def forget(subscriber_id: int) -> bool:
    """Afterwards it is not kept what the reader opened, and a sweep learns their taste without it;
    False where nothing was."""
    return bool(_forget(Opinion.objects.opened().filter(subscriber=subscriber_id)))


def forget_old(now: datetime) -> int:
    """Afterwards no paper is kept as opened for longer than KEPT, or of readers who do not allow it;
    how many were."""
    is_old = Q(opened_at__lt=now - KEPT)
    return _forget(Opinion.objects.opened().filter(is_old | Q(subscriber__learns=False)))


def _forget(gone: Opinions) -> int:
    with transaction.atomic():
        taste.outdate(gone)
        return gone.delete()[0]
