"""What the database knows of the mails that were asked for lately, and who asked: for the breaker, and
for the limits while the cache is away."""

from datetime import datetime

from .models import ConsentRecord, TransactionalMessage


def newest_sign_ups(since: datetime, most: int) -> tuple[int, int]:
    """Of the newest people who were asked to confirm a sign-up, so many at most: how many there are,
    and how many of them did. An import's questions are not among them."""
    rows = (
        TransactionalMessage.objects.filter(
            kind=TransactionalMessage.Kind.CONFIRM, can_wait=False, created_at__gt=since
        )
        .order_by("-created_at")
        .values_list("created_at", "subscriber__confirmed_at")[:most]
    )
    answers = [bool(confirmed_at and confirmed_at >= asked_at) for asked_at, confirmed_at in rows]
    return len(answers), sum(answers)


def mails(since: datetime) -> int:
    """How many single mails were asked for, but for an import's questions."""
    return TransactionalMessage.objects.filter(can_wait=False, created_at__gt=since).count()


def clients(since: datetime, most: int) -> list[str]:
    """Where the newest sign-ups came from, so many at most: an IP address each, "" for none."""
    records = ConsentRecord.objects.filter(at__gt=since, action=ConsentRecord.Action.SIGNED_UP)
    rows = records.order_by("-at").values_list("ip_address", flat=True)
    return [address or "" for address in rows[:most]]
