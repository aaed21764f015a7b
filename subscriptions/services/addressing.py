"""Changing the address: asked for by the reader, done by the owner of the new one. And ending the links
that were made before."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from subscriptions import addresses, selectors, tokens
from subscriptions.errors import AddressError, TokenError
from subscriptions.models import ConsentRecord, Subscriber, TransactionalMessage
from subscriptions.records import Evidence

from . import asking, consent, rows

_Kind = TransactionalMessage.Kind


def request_address_change(subscriber: Subscriber, address: str) -> None:
    """The reader wants their mail at this address: its owner is asked by a mail, and until they
    agree all stays as it is.

    The caller learns nothing about the address; AddressError only for its form. Where somebody
    else's digest goes to it, its owner gets the link to that one's preferences instead. A
    suppressed address is not mailed.
    """
    email = addresses.canonical(address)
    if selectors.is_suppressed(email) or email.lower() == subscriber.email.lower():
        return
    other = selectors.subscriber_at(email)
    if other is not None and other.confirmed_at:
        is_active = other.state == Subscriber.State.ACTIVE
        asking.request_message(other, _Kind.ALREADY_SUBSCRIBED if is_active else _Kind.PREFERENCES)
        return
    with transaction.atomic():
        if asking.request_message(subscriber, _Kind.CHANGE_ADDRESS, address=email):
            Subscriber.objects.filter(pk=subscriber.pk).update(new_email=email)


def change_address(
    subscriber: Subscriber, digest: bytes, *, evidence: Evidence | None = None
) -> bool:
    """The owner of the new address agreed: afterwards mail goes there, every older link is dead,
    and the old address is told.

    False, and nothing changed, when that was done before. TokenError for the address of an older
    request, AddressError where it may not be mailed or another reader's mail goes there. Who was
    never confirmed there gives way.
    """
    try:
        with transaction.atomic():
            held = rows.locked(subscriber)
            if held is None:
                raise TokenError("This link is no longer in use.")
            if not held.new_email and tokens.is_new_email(digest, held.email):
                return False
            if not held.new_email or not tokens.is_new_email(digest, held.new_email):
                raise TokenError("This link is no longer in use.")
            _make_room(held)
            _move(held)
            consent.record(held, ConsentRecord.Action.CHANGED, evidence)
    except IntegrityError as error:
        # Somebody confirmed at that address at this very moment.
        raise AddressError(_taken()) from error
    rows.refresh(subscriber)
    return True


def end_links(subscriber: Subscriber) -> None:
    """Afterwards no link to their preferences, data or feed opens anything that was made before, and no
    browser is known as theirs; those of their digests go on."""
    mine = Subscriber.objects.filter(pk=subscriber.pk)
    mine.update(token_version=F("token_version") + 1)
    rows.refresh(subscriber)


def _taken() -> str:
    return _("Daily Papers goes to this address already. Nothing was changed.")


def _make_room(subscriber: Subscriber) -> None:
    if selectors.is_suppressed(subscriber.new_email):
        raise AddressError(_("We may not mail this address. Nothing was changed."))
    other = selectors.subscriber_at(subscriber.new_email)
    if other is None or other.pk == subscriber.pk:
        return
    gone, _rows = Subscriber.objects.filter(pk=other.pk, confirmed_at=None).delete()
    if not gone:
        raise AddressError(_taken())


def _move(subscriber: Subscriber) -> None:
    old, new = subscriber.email, subscriber.new_email
    Subscriber.objects.filter(pk=subscriber.pk).update(
        email=new,
        address_hash=addresses.hash_of(new),
        new_email="",
        token_version=F("token_version") + 1,
        soft_bounces=0,
    )
    if not selectors.is_suppressed(old):
        TransactionalMessage.objects.create(
            subscriber=subscriber, kind=_Kind.ADDRESS_CHANGED, address=old
        )
