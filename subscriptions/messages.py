"""Takes the transactional messages that were asked for, and sends each: claim, send, record."""

import logging
import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from . import emails, selectors, services
from .errors import NotNowError, RefusedError, TemporaryError
from .models import Subscriber, Suppression, TransactionalMessage

MOST_ATTEMPTS = 6
_PAGE = 100
_FEW = 5
"""Of those that can wait, before it is looked for others again."""
_LONGEST_FOR_THE_PATIENT = timedelta(seconds=50)
"""Less than the time between two sweeps: else all workers would have such messages in hand."""

_Kind = TransactionalMessage.Kind
_State = TransactionalMessage.State
logger = logging.getLogger(__name__)


def send_pending(*, until: datetime) -> int:
    """Sends every message that waits, for as long as `until`; the number of those sent.

    Two workers may do this at once: each message is claimed by one of them. Those that can wait go
    when there is no other, and only as long as the way out has room for them.
    """
    _give_up_stale()
    sent = 0
    patient_until = min(until, timezone.now() + _LONGEST_FOR_THE_PATIENT)
    try:
        while found := _waiting():
            for pk, can_wait in found:
                if timezone.now() >= (patient_until if can_wait else until):
                    return sent
                sent += _send_one(pk)
    except NotNowError as error:
        logger.info("messages that can wait are held", extra={"reason": str(error)})
    return sent


def _waiting() -> list[tuple[int, bool]]:
    """The next ones, and whether they can wait."""
    ready = Q(retry_at__isnull=True) | Q(retry_at__lte=timezone.now())
    rows = TransactionalMessage.objects.filter(ready, state=_State.PENDING).order_by("pk")
    found = rows.values_list("pk", "can_wait")
    return list(found.filter(can_wait=False)[:_PAGE]) or list(found.filter(can_wait=True)[:_FEW])


def _give_up_stale() -> None:
    """A worker that died may have sent its message; its reader can ask for another one."""
    limit = timezone.now() - timedelta(seconds=settings.UNCERTAIN_AFTER)
    stale = TransactionalMessage.objects.filter(state=_State.CLAIMED, claimed_at__lt=limit)
    if count := stale.update(state=_State.UNCERTAIN, address=""):
        logger.warning("transactional messages uncertain", extra={"count": count})


def _send_one(pk: int) -> bool:
    claimed = TransactionalMessage.objects.filter(pk=pk, state=_State.PENDING).update(
        state=_State.CLAIMED, claimed_at=timezone.now(), attempts=F("attempts") + 1
    )
    if not claimed:
        return False
    message = TransactionalMessage.objects.select_related("subscriber").filter(pk=pk).first()
    if message is None:
        return False
    if selectors.is_suppressed(emails.address_of(message)) or _is_outdated(message):
        _settle(message, state=_State.FAILED)
        return False
    return _offer(message)


def _offer(message: TransactionalMessage) -> bool:
    try:
        emails.send(message)
    except RefusedError as error:
        _log("transactional message refused", message, error)
        _settle(message, state=_State.FAILED)
        if error.is_dead_address:
            _suppress(message)
    except NotNowError:
        _settle(message, state=_State.PENDING, attempts=message.attempts - 1)
        raise
    except TemporaryError as error:
        _log("transactional message not sent yet", message, error)
        _retry_later(message)
    except Exception:
        # A mistake of ours before the call: the way out counts silence as sent. One message must
        # not hold up the rest.
        logger.exception("transactional message not sent", extra={"message_id": message.pk})
        _retry_later(message)
    else:
        _settle(message, state=_State.SENT, sent_at=timezone.now())
        return True
    return False


def _suppress(message: TransactionalMessage) -> None:
    if message.address:
        services.suppress_address(message.address, Suppression.Reason.BOUNCED)
    else:
        services.suppress(message.subscriber, Suppression.Reason.BOUNCED)


def _log(what: str, message: TransactionalMessage, error: Exception) -> None:
    logger.warning(what, extra={"message_id": message.pk, "reason": str(error)})


def _is_outdated(message: TransactionalMessage) -> bool:
    """Whether the reader came or left after it was asked for, so that it would say what is not so."""
    subscriber = message.subscriber
    if message.kind == _Kind.ALREADY_SUBSCRIBED:
        return subscriber.state != Subscriber.State.ACTIVE
    if message.kind == _Kind.CHANGE_ADDRESS:
        return message.address != subscriber.new_email
    if message.kind == _Kind.CONFIRM:
        since = (subscriber.confirmed_at, subscriber.unsubscribed_at)
        return any(moment and moment > message.created_at for moment in since)
    return False


def _retry_later(message: TransactionalMessage) -> None:
    if message.attempts >= MOST_ATTEMPTS:
        _settle(message, state=_State.FAILED)
        return
    minutes = 2**message.attempts * random.uniform(0.5, 1)  # noqa: S311  jitter, not a secret
    _settle(message, state=_State.PENDING, retry_at=timezone.now() + timedelta(minutes=minutes))


def _settle(message: TransactionalMessage, **changes: object) -> None:
    if changes["state"] != _State.PENDING:
        changes["address"] = ""
    # The number of attempts tells our claim from a later one.
    mine = TransactionalMessage.objects.filter(
        pk=message.pk, state=_State.CLAIMED, attempts=message.attempts
    )
    mine.update(**changes)
