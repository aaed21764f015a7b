"""A reader's row while it is changed: held, or read again; it may be erased or purged meanwhile."""

from django.db import connection

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


def hold(name: str) -> None:
    """Who else holds this name, some hex digits, waits until the transaction ends: for what has no
    row of its own. SQLite has one writer at a time anyway."""
    if connection.vendor == "postgresql":
        number = int(name[:15], 16)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
