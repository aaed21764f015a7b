"""Tells the operator: an ERROR in the log at once, and a mail from a task, each once a cause."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from digest.models import Edition, Notice
from subscriptions.errors import RefusedError, TemporaryError

logger = logging.getLogger(__name__)

WORTH_MAILING = timedelta(days=1)
"""An older notice that could not be mailed is in the log and in the table only."""
MOST_MAILS = 20
"""In one go."""


def tell(kind: str, key: object, *, what: str, mend: str, level: int = logging.ERROR) -> bool:
    """Afterwards the operator was told, or is by `mail_waiting`; False where they had been before.

    No network is used here, so this may stand in a transaction and between two calls.
    """
    _, is_new = Notice.objects.get_or_create(
        kind=kind,
        key=str(key)[:60],
        defaults={"what": what[:300], "mend": mend[:300], "created_at": timezone.now()},
    )
    if is_new:
        logger.log(level, "operator notice", extra={"kind": kind, "what": what, "mend": mend})
    return is_new


def command(name: str, edition: Edition) -> str:
    """What to type for an edition."""
    frequency = "" if edition.frequency == Edition.Frequency.DAILY else " --frequency weekly"
    return f"manage.py {name} --date {edition.date}{frequency}"


def mail_waiting(now: datetime) -> int:
    """Mails what was not mailed yet to OPERATOR_EMAIL; returns how many. Each is taken by one
    process, and is free again where no provider takes it now."""
    if not settings.OPERATOR_EMAIL:
        return 0
    waiting = Notice.objects.filter(mailed_at__isnull=True, created_at__gt=now - WORTH_MAILING)
    number = 0
    for notice in waiting.order_by("pk")[:MOST_MAILS]:
        mine = Notice.objects.filter(pk=notice.pk)
        if not mine.filter(mailed_at__isnull=True).update(mailed_at=now):
            continue
        try:
            _message(notice).send()
        except TemporaryError:
            mine.update(mailed_at=None)
            logger.warning("operator's mail waits, no provider takes it")
            break
        except RefusedError:
            logger.exception("operator's mail is refused")
            continue
        number += 1
    return number


def _message(notice: Notice) -> EmailMessage:
    site = settings.SITE_URL.partition("://")[2]
    return EmailMessage(
        subject=f"Daily Papers at {site}: {notice.what}"[:150],
        body=f"{notice.what}\n{notice.mend}\n",
        to=[settings.OPERATOR_EMAIL],
        headers={"Auto-Submitted": "auto-generated"},
    )
