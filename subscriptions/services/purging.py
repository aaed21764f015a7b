"""Forgetting: who never confirmed, and mails of long ago."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from subscriptions.models import (
    Subscriber,
    TransactionalMessage,
)

PENDING_LIFE = timedelta(days=3)
MESSAGE_LIFE = timedelta(days=30)
_PAGE = 500


def purge(now: datetime) -> tuple[int, int]:
    """Forgets who never confirmed and mails of long ago; how many subscribers and messages.

    Whoever was mailed within the last three days, or is still to be, has a link that works.
    """
    old = TransactionalMessage.objects.filter(
        created_at__lt=now - MESSAGE_LIFE,
        state__in=[
            TransactionalMessage.State.SENT,
            TransactionalMessage.State.FAILED,
            TransactionalMessage.State.UNCERTAIN,
        ],
    )
    messages, _ = old.delete()
    return _forget_unconfirmed(now - PENDING_LIFE), messages


def _forget_unconfirmed(limit: datetime) -> int:
    state = TransactionalMessage.State
    alive = TransactionalMessage.objects.filter(
        Q(sent_at__gte=limit)
        | Q(state__in=[state.PENDING, state.CLAIMED])
        | Q(state=state.UNCERTAIN, claimed_at__gte=limit),
        subscriber=OuterRef("pk"),
    )
    stale = Subscriber.objects.filter(
        ~Exists(alive), confirmed_at__isnull=True, created_at__lt=limit
    ).order_by("pk")
    forgotten = 0
    while True:
        with transaction.atomic():
            # Locked, so that nobody is forgotten who confirms at this moment.
            ids = list(stale.select_for_update().values_list("pk", flat=True)[:_PAGE])
            if not ids:
                return forgotten
            Subscriber.objects.filter(pk__in=ids).delete()
        forgotten += len(ids)
