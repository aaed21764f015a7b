"""What the database knows of the mails that were asked for lately, and who asked: for the breaker, and
for the limits while the cache is away."""

from datetime import datetime

from .models import ConsentRecord, TransactionalMessage

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


def mails(since: datetime) -> int:
    """How many single mails were asked for, but for an import's questions."""
    return TransactionalMessage.objects.filter(can_wait=False, created_at__gt=since).count()


def clients(since: datetime, most: int) -> list[str]:
    """Where the newest sign-ups came from, so many at most: an IP address each, "" for none."""
    records = ConsentRecord.objects.filter(at__gt=since, action=ConsentRecord.Action.SIGNED_UP)
    rows = records.order_by("-at").values_list("ip_address", flat=True)
    return [address or "" for address in rows[:most]]
