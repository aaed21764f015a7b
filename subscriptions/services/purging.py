"""Forgetting: who never confirmed, who left long ago, and mails of long ago."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from subscriptions import tokens
from subscriptions.models import (
    LeaveReason,
    Subscriber,
    TransactionalMessage,
)

_PAGE = 500
_REASONS_KEPT = timedelta(days=730)
"""Why people left years ago says little of what is sent today."""
_State = TransactionalMessage.State
_OPEN = [_State.PENDING, _State.CLAIMED]


def purge(now: datetime) -> tuple[int, int]:
    """Forgets whom and what the KEEP_…_DAYS say; how many subscribers and messages.

    Whoever was mailed within KEEP_UNCONFIRMED_DAYS, or is still to be, has a link that works.
    Who left is forgotten without a trace: coming back is theirs to decide.
    """
    old = TransactionalMessage.objects.filter(
        created_at__lt=now - timedelta(days=settings.KEEP_MESSAGES_DAYS),
        state__in=[_State.SENT, _State.FAILED, _State.UNCERTAIN],
    )
    messages, _ = old.delete()
    LeaveReason.objects.filter(said_on__lt=(now - _REASONS_KEPT).date()).delete()
    _forget_wished_addresses(now - tokens.CONFIRM_LIFE)
    subscribers = _forget(_unconfirmed(now - timedelta(days=settings.KEEP_UNCONFIRMED_DAYS)))
    if settings.KEEP_LEFT_DAYS:
        subscribers += _forget(_left(now - timedelta(days=settings.KEEP_LEFT_DAYS)))
    return subscribers, messages


def _forget_wished_addresses(limit: datetime) -> None:
    """An address that nobody confirmed is somebody else's, perhaps; its link is dead by now."""
    alive = TransactionalMessage.objects.filter(
        Q(sent_at__gte=limit) | Q(created_at__gte=limit) | Q(state__in=_OPEN),
        subscriber=OuterRef("pk"),
        kind=TransactionalMessage.Kind.CHANGE_ADDRESS,
    )
    Subscriber.objects.filter(~Exists(alive)).exclude(new_email="").update(new_email="")


def _unconfirmed(limit: datetime) -> QuerySet[Subscriber]:
    alive = TransactionalMessage.objects.filter(
        Q(sent_at__gte=limit)
        | Q(state__in=_OPEN)
        | Q(state=_State.UNCERTAIN, claimed_at__gte=limit),
        subscriber=OuterRef("pk"),
    )
    return Subscriber.objects.filter(
        ~Exists(alive), confirmed_at__isnull=True, created_at__lt=limit
    )


def _left(limit: datetime) -> QuerySet[Subscriber]:
    return Subscriber.objects.filter(state=Subscriber.State.UNSUBSCRIBED, unsubscribed_at__lt=limit)


def _forget(stale: QuerySet[Subscriber]) -> int:
    forgotten = last = 0
    while True:
        with transaction.atomic():
            # Locked, so that nobody is forgotten who confirms or comes back at this moment.
            page = stale.filter(pk__gt=last).order_by("pk").select_for_update()
            ids = list(page.values_list("pk", flat=True)[:_PAGE])
            if not ids:
                return forgotten
            # Asked again: what the first statement saw of other tables is older than the lock.
            _, deleted = stale.filter(pk__in=ids).delete()
        last = ids[-1]
        forgotten += deleted.get("subscriptions.Subscriber", 0)
