"""A reader's row while it is changed: held, or read again; it may be erased or purged meanwhile."""

from subscriptions.errors import TokenError
from subscriptions.models import Subscriber


def locked(subscriber: Subscriber) -> Subscriber | None:
    """The subscriber as it is now, and as it stays until the transaction ends; None if gone."""
    return Subscriber.objects.select_for_update().filter(pk=subscriber.pk).first()


def refresh(subscriber: Subscriber) -> None:
    """Afterwards the subscriber is as it is stored; TokenError if gone, for no link is its own."""
    try:
        subscriber.refresh_from_db()
    except Subscriber.DoesNotExist as error:
        raise TokenError("This link is no longer in use.") from error
