"""Everything that writes about readers: from sign-up to erasure.

Each function can be called twice; a change of state is one UPDATE that repeats the state it
expects, and a consent record is kept of each. None of them sends mail: they leave a row for it.
"""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from . import addresses, schedule, selectors
from .errors import ChoiceError
from .models import (
    ConsentRecord,
    FollowedAuthor,
    FollowedKeyword,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
    TransactionalMessage,
)
from .records import Evidence, Preferences, Rhythm, Selection

MOST_FOLLOWED = 50
"""Keywords, and authors, of one subscriber."""
MOST_LETTERS = 80
MOST_LENGTH = 40
PENDING_LIFE = timedelta(days=3)
MESSAGE_LIFE = timedelta(days=30)
BETWEEN_MESSAGES = timedelta(minutes=15)

_State = Subscriber.State
_Kind = TransactionalMessage.Kind
_Action = ConsentRecord.Action
_RATE = re.compile(r"(\d+)/(\d*)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


# --- Coming ----------------------------------------------------------------------------------


def subscribe(address: str, *, topics: Collection[str] = (), evidence: Evidence) -> None:
    """Someone asked for the digest at this address: a mail to it will ask whether they own it.

    The caller learns nothing about the address; AddressError only for its form. Nobody is active
    before the mail's link is used. What an active or former reader follows stays as it is:
    someone else may have typed the address. A suppressed address is not mailed.
    """
    email = addresses.canonical(address)
    is_suppressed = selectors.is_suppressed(email)
    subscriber = selectors.subscriber_at(email)
    if subscriber is None and not is_suppressed:
        subscriber = _create(email)
    if subscriber is None:
        return
    with transaction.atomic():
        if subscriber.state == _State.PENDING and topics:
            _follow_while_pending(subscriber, topics)
        _record(subscriber, _Action.SIGNED_UP, evidence)
        if not is_suppressed:
            is_active = subscriber.state == _State.ACTIVE
            request_message(subscriber, _Kind.ALREADY_SUBSCRIBED if is_active else _Kind.CONFIRM)


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


def _follow_while_pending(subscriber: Subscriber, topics: Collection[str]) -> None:
    known = list(Topic.objects.filter(slug__in=topics))
    selection = Selection(topics=tuple(topic.slug for topic in known), length=subscriber.length)
    changed = Subscriber.objects.filter(pk=subscriber.pk, state=_State.PENDING).update(
        selection_key=selection.key
    )
    if changed:
        _replace_topics(subscriber, known)


def request_message(subscriber: Subscriber, kind: TransactionalMessage.Kind) -> bool:
    """Leaves a row for a worker to send; False, and no row, where the address has had enough.

    Enough is SIGNUP_RATE_ADDRESS, and one in 15 minutes, counted for sign-up mails, for
    preference links and for goodbyes each by themselves.
    """
    most, period = _rate(settings.SIGNUP_RATE_ADDRESS)
    sign_up = {_Kind.CONFIRM, _Kind.ALREADY_SUBSCRIBED}
    family = sign_up if kind in sign_up else {kind}
    with transaction.atomic():
        # Two requests at once wait here for each other, or both would count too few.
        Subscriber.objects.select_for_update().filter(pk=subscriber.pk).first()
        now = timezone.now()
        recent = list(
            TransactionalMessage.objects.filter(
                subscriber=subscriber,
                kind__in=family,
                created_at__gt=now - max(period, BETWEEN_MESSAGES),
            ).values_list("created_at", flat=True)
        )
        in_period = sum(at > now - period for at in recent)
        if in_period >= most or any(at > now - BETWEEN_MESSAGES for at in recent):
            return False
        TransactionalMessage.objects.create(subscriber=subscriber, kind=kind)
    return True


def _rate(text: str) -> tuple[int, timedelta]:
    match = _RATE.fullmatch(text)
    if match is None:
        raise ImproperlyConfigured(f"SIGNUP_RATE_ADDRESS: {text!r} is not like 3/d or 5/2h")
    return int(match[1]), timedelta(seconds=int(match[2] or 1) * _SECONDS[match[3]])


def request_link(address: str) -> None:
    """Someone asked for the preferences link of this address; its owner gets it by mail.

    The caller learns nothing about the address.
    """
    subscriber = selectors.subscriber_at(addresses.canonical(address))
    if subscriber is not None:
        request_link_for(subscriber)


def request_link_for(subscriber: Subscriber) -> None:
    """A preferences link goes to the subscriber; who is pending is asked to confirm instead."""
    is_pending = subscriber.state == _State.PENDING
    _request_unless_suppressed(subscriber, _Kind.CONFIRM if is_pending else _Kind.PREFERENCES)


def request_new_confirm(subscriber: Subscriber) -> None:
    """The owner of an expired confirm link asked for another one."""
    _request_unless_suppressed(subscriber, _Kind.CONFIRM)


def _request_unless_suppressed(subscriber: Subscriber, kind: TransactionalMessage.Kind) -> None:
    if not selectors.is_suppressed(subscriber.email):
        request_message(subscriber, kind)


def confirm(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards the subscriber is active and has a time for the first digest.

    False, and nothing changed, when the subscriber is active already or a newer link was used
    since it was read. Kills every confirm link made before.
    """
    now = timezone.now()
    with transaction.atomic():
        changed = Subscriber.objects.filter(
            pk=subscriber.pk,
            state__in=[_State.PENDING, _State.UNSUBSCRIBED],
            token_version=subscriber.token_version,
        ).update(
            state=_State.ACTIVE,
            confirmed_at=now,
            unsubscribed_at=None,
            paused_until=None,
            token_version=F("token_version") + 1,
            next_digest_at=schedule.next_slot(now, selectors.rhythm_of(subscriber)),
        )
        if changed:
            _record(subscriber, _Action.CONFIRMED, evidence)
    subscriber.refresh_from_db()
    return bool(changed)


# --- Choosing --------------------------------------------------------------------------------


def change_preferences(
    subscriber: Subscriber, preferences: Preferences, *, evidence: Evidence | None = None
) -> None:
    """Afterwards the subscriber has exactly these preferences.

    A digest that is due but not yet planned still comes. ChoiceError for what is not on offer.
    """
    chosen, rhythm = _tidy(preferences.selection), preferences.rhythm
    topics = list(Topic.objects.filter(slug__in=chosen.topics))
    _check(chosen, rhythm, topics)
    now = timezone.now()
    with transaction.atomic():
        Subscriber.objects.filter(pk=subscriber.pk).update(
            frequency=rhythm.frequency,
            hour=rhythm.hour,
            timezone=rhythm.timezone,
            length=chosen.length,
            paused_until=preferences.paused_until,
            selection_key=chosen.key,
            next_digest_at=_rescheduled(now, rhythm),
        )
        _replace_topics(subscriber, topics)
        _replace_words(subscriber, chosen)
        _record(subscriber, _Action.CHANGED, evidence)
    subscriber.refresh_from_db()


def _rescheduled(now: datetime, rhythm: Rhythm) -> Case:
    return Case(
        When(~Q(state=_State.ACTIVE), then=Value(None)),
        When(next_digest_at__lte=now, then=F("next_digest_at")),
        default=Value(schedule.next_slot(now, rhythm)),
    )


def _tidy(selection: Selection) -> Selection:
    """Without what differs in capitals or spaces only, so that equal wishes get an equal key."""
    return Selection(
        topics=tuple(sorted(set(selection.topics))),
        keywords=_distinct(selection.keywords),
        authors=_distinct(selection.authors),
        length=selection.length,
    )


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    spaced = (" ".join(text.split()) for text in reversed(texts))
    return tuple(sorted({text.casefold(): text for text in spaced if text}.values()))


def _check(chosen: Selection, rhythm: Rhythm, topics: Collection[Topic]) -> None:
    if unknown := set(chosen.topics) - {topic.slug for topic in topics}:
        raise ChoiceError(f"There is no topic {min(unknown)!r}.")
    if rhythm.frequency not in Subscriber.Frequency.values:
        raise ChoiceError(f"{rhythm.frequency!r} is not one of {', '.join(Subscriber.Frequency)}.")
    if not 0 <= rhythm.hour <= 23:  # noqa: PLR2004  hours of the day
        raise ChoiceError("The hour is a number from 0 to 23.")
    if rhythm.timezone not in available_timezones():
        raise ChoiceError(f"There is no time zone {rhythm.timezone!r}.")
    if not 1 <= chosen.length <= MOST_LENGTH:
        raise ChoiceError(f"A digest has 1 to {MOST_LENGTH} papers.")
    if max(len(chosen.keywords), len(chosen.authors)) > MOST_FOLLOWED:
        raise ChoiceError(f"{MOST_FOLLOWED} keywords and {MOST_FOLLOWED} authors are the most.")
    for text in (*chosen.keywords, *chosen.authors):
        if len(text) > MOST_LETTERS or not text.isprintable():
            raise ChoiceError(f"A keyword or a name has at most {MOST_LETTERS} letters.")


def _replace_topics(subscriber: Subscriber, topics: Collection[Topic]) -> None:
    Subscription.objects.filter(subscriber=subscriber).exclude(topic__in=topics).delete()
    Subscription.objects.bulk_create(
        [Subscription(subscriber=subscriber, topic=topic) for topic in topics],
        ignore_conflicts=True,
    )


def _replace_words(subscriber: Subscriber, chosen: Selection) -> None:
    FollowedKeyword.objects.filter(subscriber=subscriber).delete()
    FollowedAuthor.objects.filter(subscriber=subscriber).delete()
    FollowedKeyword.objects.bulk_create(
        [FollowedKeyword(subscriber=subscriber, text=text) for text in chosen.keywords],
        ignore_conflicts=True,
    )
    FollowedAuthor.objects.bulk_create(
        [FollowedAuthor(subscriber=subscriber, name=name) for name in chosen.authors],
        ignore_conflicts=True,
    )


def change_frequency(
    subscriber: Subscriber, frequency: str, *, evidence: Evidence | None = None
) -> None:
    """Afterwards digests come this often; all else stays."""
    rhythm = Rhythm(frequency, subscriber.hour, subscriber.timezone)
    changes = {"frequency": frequency, "next_digest_at": _rescheduled(timezone.now(), rhythm)}
    _change(subscriber, changes, evidence)


def pause(subscriber: Subscriber, until: date, *, evidence: Evidence | None = None) -> None:
    """Afterwards no digest comes before the local day `until`."""
    _change(subscriber, {"paused_until": until}, evidence)


def resume(subscriber: Subscriber, *, evidence: Evidence | None = None) -> None:
    """Afterwards digests come again."""
    _change(subscriber, {"paused_until": None}, evidence)


def _change(subscriber: Subscriber, changes: dict[str, object], evidence: Evidence | None) -> None:
    with transaction.atomic():
        Subscriber.objects.filter(pk=subscriber.pk).update(**changes)
        _record(subscriber, _Action.CHANGED, evidence)
    subscriber.refresh_from_db()


def reschedule(now: datetime, ids: Collection[int]) -> None:
    """Afterwards those of the subscribers who were due at `now` are due at their next slot.

    One UPDATE for each distinct rhythm; who was moved on by someone else is left alone.
    """
    due = Subscriber.objects.filter(pk__in=ids, state=_State.ACTIVE, next_digest_at__lte=now)
    for frequency, hour, zone in due.values_list("frequency", "hour", "timezone").distinct():
        slot = schedule.next_slot(now, Rhythm(frequency, hour, zone))
        due.filter(frequency=frequency, hour=hour, timezone=zone).update(next_digest_at=slot)


def delete_topic(topic: Topic) -> None:
    """Afterwards the topic is gone, and its followers' selections are those without it."""
    with transaction.atomic():
        ids = list(topic.subscribers.values_list("pk", flat=True))
        topic.delete()
        followers = Subscriber.objects.in_bulk(ids)
        for pk, selection in selectors.selections_of(ids).items():
            followers[pk].selection_key = selection.key
        Subscriber.objects.bulk_update(followers.values(), ["selection_key"], batch_size=500)


# --- Leaving ---------------------------------------------------------------------------------


def unsubscribe(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards no digest goes to the subscriber, pending or active; False if that was so before."""
    with transaction.atomic():
        changed = (
            Subscriber.objects.filter(pk=subscriber.pk)
            .exclude(state=_State.UNSUBSCRIBED)
            .update(state=_State.UNSUBSCRIBED, unsubscribed_at=timezone.now(), next_digest_at=None)
        )
        if changed:
            _record(subscriber, _Action.UNSUBSCRIBED, evidence)
            subscriber.refresh_from_db()
    return bool(changed)


def unsubscribe_and_tell(subscriber: Subscriber) -> bool:
    """As `unsubscribe`, by an operator on the reader's behalf: the goodbye mail says it is done.

    Readers who leave by themselves see it on the page, and are promised that no mail comes.
    """
    with transaction.atomic():
        changed = unsubscribe(subscriber)
        if changed:
            _request_unless_suppressed(subscriber, _Kind.GOODBYE)
    return changed


def undo_unsubscribe(subscriber: Subscriber, *, evidence: Evidence | None = None) -> bool:
    """Afterwards all is as before the subscriber left; False for one who had not.

    Who never confirmed is pending again: an undo proves no address.
    """
    slot = schedule.next_slot(timezone.now(), selectors.rhythm_of(subscriber))
    left = Subscriber.objects.filter(pk=subscriber.pk, state=_State.UNSUBSCRIBED)
    with transaction.atomic():
        changed = left.filter(confirmed_at__isnull=False).update(
            state=_State.ACTIVE, unsubscribed_at=None, next_digest_at=slot
        ) or left.update(state=_State.PENDING, unsubscribed_at=None)
        if changed:
            _record(subscriber, _Action.RESUBSCRIBED, evidence)
            subscriber.refresh_from_db()
    return bool(changed)


def suppress(who: Subscriber | str, reason: Suppression.Reason) -> None:
    """Afterwards the subscriber's address, or an address's hash, is never mailed.

    The first reason stays, but an erasure is the last word.
    """
    address_hash = who.address_hash if isinstance(who, Subscriber) else who
    Suppression.objects.bulk_create(
        [Suppression(address_hash=address_hash, reason=reason)], ignore_conflicts=True
    )
    if reason == Suppression.Reason.ERASED:
        Suppression.objects.filter(address_hash=address_hash).update(reason=reason)


def unsuppress(address: str) -> bool:
    """Afterwards the address may be mailed again; False if it might before."""
    hashes = addresses.hashes_of(addresses.canonical(address))
    deleted, _ = Suppression.objects.filter(address_hash__in=hashes).delete()
    return bool(deleted)


def erase(subscriber: Subscriber) -> None:
    """Afterwards nothing about the subscriber is held but the address's hash, never to be mailed."""
    with transaction.atomic():
        suppress(subscriber, Suppression.Reason.ERASED)
        Subscriber.objects.filter(pk=subscriber.pk).delete()


def purge(now: datetime) -> tuple[int, int]:
    """Forgets who never confirmed and mails of long ago; how many subscribers and messages.

    Whoever was asked again within the last three days still has a link that works.
    """
    limit = now - PENDING_LIFE
    never_confirmed = Subscriber.objects.filter(
        confirmed_at__isnull=True, created_at__lt=limit
    ).exclude(messages__created_at__gte=limit)
    old = TransactionalMessage.objects.filter(
        created_at__lt=now - MESSAGE_LIFE,
        state__in=[
            TransactionalMessage.State.SENT,
            TransactionalMessage.State.FAILED,
            TransactionalMessage.State.UNCERTAIN,
        ],
    )
    _, by_model = never_confirmed.delete()
    messages, _ = old.delete()
    return by_model.get("subscriptions.Subscriber", 0), messages


def _record(
    subscriber: Subscriber, action: ConsentRecord.Action, evidence: Evidence | None
) -> None:
    evidence = evidence or Evidence()
    ConsentRecord.objects.create(
        subscriber=subscriber,
        action=action,
        ip_address=evidence.ip_address,
        user_agent=evidence.user_agent[:300],
        page=evidence.page[:200],
        text=evidence.text,
        text_version=evidence.text_version,
    )
