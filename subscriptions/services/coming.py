"""Coming: signing up, and confirming."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.timezone import now as current_time

from subscriptions import addresses, schedule, selectors
from subscriptions.models import (
    ConsentRecord,
    Subscriber,
    Topic,
    TransactionalMessage,
)
from subscriptions.records import Evidence, Selection

from . import asking, choosing, consent, rows, slots

_State = Subscriber.State
_Kind = TransactionalMessage.Kind
_Action = ConsentRecord.Action


@dataclass(frozen=True, slots=True)
class _Wishes:
    topics: Collection[str]
    timezone: str
    language: str
    counts_clicks: bool = False


def subscribe(
    address: str,
    *,
    topics: Collection[str] = (),
    timezone: str = "",
    language: str = "",
    counts_clicks: bool = False,
    evidence: Evidence,
) -> None:
    """Someone asked for the digest at this address: a mail to it will ask whether they own it.

    The caller learns nothing about the address; AddressError only for its form. Nobody is active
    before the mail's link is used. What an active or former reader chose stays as it is:
    someone else may have typed the address. A suppressed address is not mailed. Topics, time zone
    and language that are not known are passed over. `counts_clicks`: the form said that clicks are
    counted.
    """
    email = addresses.canonical(address)
    wishes = _Wishes(topics, timezone, language, counts_clicks)
    # Who was erased or purged while we looked is looked up once more.
    if not _sign_up(email, wishes, evidence):
        _sign_up(email, wishes, evidence)


def _sign_up(email: str, wishes: _Wishes, evidence: Evidence) -> bool:
    """False, and nothing done, where the subscriber is gone since it was read."""
    is_suppressed = selectors.is_suppressed(email)
    found = selectors.subscriber_at(email)
    if found is None and is_suppressed:
        return True
    found = found or _create(email)
    with transaction.atomic():
        subscriber = rows.locked(found) if found else None
        if subscriber is None:
            return False
        if subscriber.state == _State.PENDING:
            _take(subscriber, wishes)
        consent.record(subscriber, _Action.SIGNED_UP, evidence)
        if not is_suppressed:
            is_active = subscriber.state == _State.ACTIVE
            asking.request_message(
                subscriber, _Kind.ALREADY_SUBSCRIBED if is_active else _Kind.CONFIRM
            )
    return True


def _create(email: str) -> Subscriber | None:
    try:
        with transaction.atomic():
            return Subscriber.objects.create(
                email=email,
                address_hash=addresses.hash_of(email),
                selection_key=Selection().key,
            )
    except IntegrityError:
        # The same address came in twice at once; the other one was first.
        return selectors.subscriber_at(email)


def _take(subscriber: Subscriber, wishes: _Wishes) -> None:
    """Afterwards the pending subscriber has what this sign-up brought; what it left out stays."""
    selection = selectors.selection_of(subscriber)
    known = list(Topic.objects.filter(slug__in=wishes.topics))
    if wishes.topics:
        selection = replace(selection, topics=tuple(topic.slug for topic in known))
    if wishes.language in dict(settings.LANGUAGES):
        selection = replace(selection, language=wishes.language)
    # What the newest form said: one that does not speak of clicks allows none.
    selection = replace(selection, counts_clicks=wishes.counts_clicks)
    zone = wishes.timezone if wishes.timezone in schedule.zones() else subscriber.timezone
    changed = Subscriber.objects.filter(pk=subscriber.pk, state=_State.PENDING).update(
        language=selection.language,
        counts_clicks=selection.counts_clicks,
        selection_key=selection.key,
        timezone=zone,
    )
    if changed and wishes.topics:
        choosing.replace_topics(subscriber, known)


def confirm(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards the subscriber is active and has a time for the first digest.

    False, and nothing changed, when the subscriber is active already, or left or used a newer
    link since it was read. TokenError when it is gone.
    Kills every confirm link made before.
    """
    now = current_time()
    with transaction.atomic():
        unchanged = Subscriber.objects.filter(
            pk=subscriber.pk,
            state=subscriber.state,
            unsubscribed_at=subscriber.unsubscribed_at,
            token_version=subscriber.token_version,
        )
        changed = unchanged.exclude(state=_State.ACTIVE).update(
            state=_State.ACTIVE,
            confirmed_at=now,
            unsubscribed_at=None,
            paused_until=None,
            token_version=F("token_version") + 1,
            slot=slots.ensure(selectors.rhythm_of(subscriber), now),
        )
        if changed:
            consent.record(subscriber, _Action.CONFIRMED, evidence)
    rows.refresh(subscriber)
    return bool(changed)
