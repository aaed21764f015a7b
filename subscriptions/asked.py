"""What the database knows of the sign-ups that were asked for lately, for the breaker."""

from datetime import datetime

from .models import TransactionalMessage

_MAILS_OF_ONE = 3
"""Looked at for each of the people at most, on the average: so many a mailbox gets a day."""


def newest_sign_ups(since: datetime, most: int) -> tuple[int, int]:
    """Of the newest people who were asked to confirm a sign-up, so many at most: how many there are,
    and how many of them did. An import's questions are not among them.

    A mailbox is one, however often it was asked and in whatever form of its address: the newest
    question counts, or few mailboxes could pass for many.
    """
    rows = (
        TransactionalMessage.objects.filter(
            kind=TransactionalMessage.Kind.CONFIRM, can_wait=False, created_at__gt=since
        )
        .order_by("-created_at", "-pk")
        .values_list("mailbox", "subscriber", "created_at", "subscriber__confirmed_at")
    )
    answers: dict[str | int, bool] = {}
    for mailbox, subscriber, asked_at, confirmed_at in rows[: _MAILS_OF_ONE * most]:
        has = bool(confirmed_at and confirmed_at >= asked_at)
        answers.setdefault(mailbox or subscriber, has)
    newest = list(answers.values())[:most]
    return len(newest), sum(newest)
