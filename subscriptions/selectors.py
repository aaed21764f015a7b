"""Everything that is read about readers, above all who may receive mail."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import (
    Case,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Lower, TruncDate

from . import addresses, schedule
from .errors import TokenError, TokenExpiredError
from .models import (
    FollowedAuthor,
    FollowedCategory,
    FollowedKeyword,
    FollowedOrganization,
    Slot,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
    TransactionalMessage,
)
from .records import Addressee, Holder, Preferences, Rhythm, Selection, Standing

Place = tuple[str, int]
"""Where a reader stands in the order of a slot: selection key and id."""
_SELECTION_READS = 3
"""A reader may change a selection while it is read; then another reader's is looked at."""


def _is_suppressed() -> Exists:
    return Exists(Suppression.objects.filter(address_hash=OuterRef("address_hash")))


def mailable_subscribers() -> QuerySet[Subscriber]:
    """Active, and at an address that is not suppressed."""
    return Subscriber.objects.filter(~_is_suppressed(), state=Subscriber.State.ACTIVE)


def due_slots(now: datetime) -> QuerySet[Slot]:
    """The slots whose readers are due at `now`, the oldest first."""
    return Slot.objects.filter(next_digest_at__lte=now).order_by("next_digest_at", "pk")


def page_of(slot: Slot, after: Place, size: int) -> list[Place]:
    """The next `size` readers of the slot in the order of (selection key, id), later than `after`:
    each selection key among them, with the last id that has it. One query."""
    page = """
        SELECT selection_key, MAX(id) FROM (
            SELECT selection_key, id FROM subscriptions_subscriber
            WHERE slot_id = %s AND (selection_key, id) > (%s, %s)
            ORDER BY selection_key, id LIMIT %s
        ) AS page GROUP BY selection_key ORDER BY selection_key
    """
    with connection.cursor() as cursor:
        cursor.execute(page, [slot.pk, *after, size])
        return [(key, last) for key, last in cursor.fetchall()]


def due_readers(slot: Slot, now: datetime, *, papers_since: date) -> QuerySet[Subscriber, Any]:
    """The active readers of the slot who get a digest like all others, with papers from this day
    on, as rows of `reader_id`, `selection_key`, `is_suppressed` and `is_paused`, to be joined in the
    database. The others are `readers_apart`."""
    today = now.astimezone(ZoneInfo(slot.timezone)).date()
    rows = Subscriber.objects.filter(slot=slot, state=Subscriber.State.ACTIVE)
    rows = rows.exclude(_are_apart(today, papers_since))
    return rows.order_by().values(
        "selection_key",
        reader_id=F("pk"),
        is_suppressed=_is_suppressed(),
        is_paused=Case(When(paused_until__gt=today, then=Value(1)), default=Value(0)),
    )


def readers_apart(
    slot: Slot, now: datetime, *, papers_since: date, after: int = 0
) -> QuerySet[Any]:
    """The active readers of the slot, by id and later than `after`, whom a digest with papers from
    this day on is made for apart, each with `is_suppressed`: they come back from a pause, or may
    have had some of its papers, as they had another rhythm, asked for a digest, or look back for
    what trends."""
    today = now.astimezone(ZoneInfo(slot.timezone)).date()
    rows = Subscriber.objects.filter(slot=slot, state=Subscriber.State.ACTIVE, pk__gt=after)
    return with_suppression(rows.filter(_are_apart(today, papers_since))).order_by("pk")


def _are_apart(today: date, papers_since: date) -> Q:
    # Spelled so that it is never unknown, which NOT would leave unknown.
    is_back = Q(unserved_since__isnull=False) & (
        Q(paused_until__isnull=True) | Q(paused_until__lte=today)
    )
    has_changed = Q(changed_on__isnull=False, changed_on__gte=papers_since)
    is_paused = Q(paused_until__isnull=False, paused_until__gt=today)
    return is_back | ((has_changed | Q(trending=True)) & ~is_paused)


def with_suppression(subscribers: QuerySet[Subscriber]) -> QuerySet[Any]:
    """The same, each with `is_suppressed`: whether the address must not be mailed."""
    return subscribers.annotate(is_suppressed=_is_suppressed())


def addressees(ids: Collection[int] | QuerySet[Any, Any]) -> dict[int, Addressee]:
    """What a digest needs to know of each of the subscribers, whose ids may be a query, and
    whether mail may go to them right now; who was erased is left out. One query."""
    rows = Subscriber.objects.filter(pk__in=ids).values_list(
        "pk", "email", "public_id", "token_version", "frequency", "hour", "timezone",
        TruncDate(Coalesce("confirmed_at", "created_at")), _standing(), "counts_clicks",
    )  # fmt: skip
    return {row[0]: Addressee._make(row) for row in rows}


def _standing() -> Case:
    return Case(
        When(_is_suppressed(), then=Value(Standing.SUPPRESSED.value)),
        When(state=Subscriber.State.ACTIVE, then=Value(Standing.OK.value)),
        default=Value(Standing.LEFT.value),
    )


def is_suppressed(address: str) -> bool:
    """Whether the address must not be mailed; found under older SECRET_KEYs too."""
    return suppressions(address).exists()


def suppressions(address: str) -> QuerySet[Suppression]:
    """The rows, one a key, that keep the address from being mailed."""
    return Suppression.objects.filter(address_hash__in=addresses.hashes_of(address))


def suppressions_of(subscriber: Subscriber) -> QuerySet[Suppression]:
    """As `suppressions`, and under the key that was there at the sign-up, even if it is dropped."""
    hashes = [subscriber.address_hash, *addresses.hashes_of(subscriber.email)]
    return Suppression.objects.filter(address_hash__in=hashes)


def subscriber_at(address: str) -> Subscriber | None:
    """The subscriber at a canonical address, in whatever case it was first typed."""
    # Spelled like the unique index, so that the index is used.
    return Subscriber.objects.alias(lower=Lower("email")).filter(lower=address.lower()).first()


def ids_of_addresses(found: Collection[str]) -> dict[str, int]:
    """The subscribers at these addresses in small letters; without those of nobody. One query."""
    rows = Subscriber.objects.annotate(lower=Lower("email")).filter(lower__in=found)
    return dict(rows.values_list("lower", "pk"))


def subscribers_of_messages(message_ids: Collection[int]) -> dict[int, int]:
    """Whom transactional messages went to, by message; without those that are not ours, that never
    went out, and those that went to an address which is not, or no more, their subscriber's. One
    query."""
    elsewhere = {
        TransactionalMessage.Kind.CHANGE_ADDRESS,
        TransactionalMessage.Kind.ADDRESS_CHANGED,
    }
    rows = TransactionalMessage.objects.filter(pk__in=message_ids, attempts__gt=0)
    rows = rows.exclude(kind__in=elsewhere)
    return dict(rows.values_list("pk", "subscriber_id"))


def subscriber_with(public_id: UUID) -> Subscriber | None:
    """The subscriber whom a link that is good for ever was made for, if not erased since."""
    return Subscriber.objects.filter(public_id=public_id).first()


def subscriber_of(holder: Holder) -> Subscriber:
    """The owner of a link. TokenError when erased, TokenExpiredError when a newer one replaced it."""
    subscriber = subscriber_with(holder.public_id)
    if subscriber is None:
        raise TokenError("This link is no longer in use.")
    if subscriber.token_version != holder.token_version:
        raise TokenExpiredError("This link has expired.", holder)
    return subscriber


def learning_subscriber(holder: Holder) -> Subscriber | None:
    """The active owner of a browser whose digests learn from what they open, as it stays until the
    transaction ends; None once they have left, were erased, or took that back."""
    return (
        # Rows about the reader may be added meanwhile.
        Subscriber.objects.select_for_update(no_key=True)
        .filter(
            public_id=holder.public_id,
            token_version=holder.token_version,
            state=Subscriber.State.ACTIVE,
            learns=True,
        )
        .first()
    )


def confirming_subscriber(holder: Holder) -> Subscriber:
    """The owner of a confirm link: to be confirmed by it, or active already.

    A second press on the same link finds an active subscriber, which is fine. Who unsubscribed
    after the link was made is not brought back by it: TokenExpiredError.
    """
    subscriber = subscriber_with(holder.public_id)
    if subscriber is None:
        raise TokenError("This link is no longer in use.")
    if subscriber.state == Subscriber.State.ACTIVE:
        return subscriber
    left_later = subscriber.unsubscribed_at and holder.issued_at < subscriber.unsubscribed_at
    if subscriber.token_version != holder.token_version or left_later:
        raise TokenExpiredError("This link has expired.", holder)
    return subscriber


def selection_of(subscriber: Subscriber) -> Selection:
    """What the subscriber follows, now. Six queries."""
    return selections_of([subscriber.pk])[subscriber.pk]


def rhythm_of(subscriber: Subscriber) -> Rhythm:
    """When the subscriber wants mail."""
    return Rhythm(subscriber.frequency, subscriber.hour, subscriber.timezone)


def preferences_of(subscriber: Subscriber) -> Preferences:
    """Everything that the subscriber chose."""
    return Preferences(
        selection_of(subscriber),
        rhythm_of(subscriber),
        subscriber.paused_until,
        subscriber.learns,
    )


def selections(
    keys: Collection[str], *, one_of: Mapping[str, int] | None = None
) -> dict[str, Selection]:
    """The selection behind each key, read from one subscriber who has it: the one that `one_of`
    names by id, or any.

    The number of queries does not depend on the number of keys. Keys that nobody has any more
    are left out.
    """
    read = selections_of([one_of[key] for key in keys]) if one_of else {}
    found = {key: read[one_of[key]] for key in keys if one_of and one_of[key] in read}
    for _ in range(_SELECTION_READS):
        doubtful = [key for key in keys if key not in found or found[key].key != key]
        if not doubtful:
            break
        found |= _read_selections(doubtful)
    return found


def _read_selections(keys: Collection[str]) -> dict[str, Selection]:
    rows = (
        Subscriber.objects.filter(selection_key__in=keys)
        .values("selection_key")
        .annotate(pk_of_one=Min("pk"))
        .values_list("selection_key", "pk_of_one")
    )
    one_of = dict(rows)
    read = selections_of(list(one_of.values()))
    return {key: read[pk] for key, pk in one_of.items() if pk in read}


def selections_of(ids: Collection[int]) -> dict[int, Selection]:
    """What each of the subscribers follows, now. Six queries."""
    followed = {
        name: _followed(rows, column, ids)
        for name, rows, column in (
            ("topics", Subscription.objects.all(), "topic__slug"),
            ("keywords", FollowedKeyword.objects.all(), "text"),
            ("authors", FollowedAuthor.objects.all(), "name"),
            ("organizations", FollowedOrganization.objects.all(), "name"),
            ("categories", FollowedCategory.objects.all(), "name"),
        )
    }
    chosen = (
        "length", "least_votes", "dial", "trending", "taste", "format", "language", "counts_clicks",
    )  # fmt: skip
    readers = Subscriber.objects.filter(pk__in=ids).values_list("pk", *chosen)
    selections = {}
    for pk, *values in readers:
        what: dict[str, Any] = dict(zip(chosen, values, strict=True))
        what |= {name: tuple(sorted(found.get(pk, ()))) for name, found in followed.items()}
        selections[pk] = Selection(**what)
    return selections


def _followed(
    rows: QuerySet[Any], column: str, subscriber_ids: Collection[int]
) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    pairs = rows.filter(subscriber__in=subscriber_ids).values_list("subscriber_id", column)
    for subscriber_id, what in pairs:
        found[subscriber_id].append(what)
    return found


def unfollowed(words: Collection[str]) -> set[str]:
    """Those of the words that nobody follows as a keyword, an author or an organisation. Three
    queries."""
    followed: set[str] = set()
    for model, column in (
        (FollowedKeyword, "text"),
        (FollowedAuthor, "name"),
        (FollowedOrganization, "name"),
    ):
        rows = model.objects.filter(**{f"{column}__in": words})
        followed.update(rows.values_list(column, flat=True).distinct())
    return set(words) - followed


def next_digest_at(subscriber: Subscriber, now: datetime) -> datetime:
    """When the next digest comes, for display: the next slot that is not in a pause."""
    after = now
    if subscriber.paused_until:
        pause_end = schedule.start_of_day(subscriber.paused_until, subscriber.timezone)
        after = max(now, pause_end - timedelta(microseconds=1))
    return schedule.next_slot(after, rhythm_of(subscriber))


def is_paused(subscriber: Subscriber, now: datetime) -> bool:
    """Whether `now` is before the local day on which mail starts again."""
    if subscriber.paused_until is None:
        return False
    return now < schedule.start_of_day(subscriber.paused_until, subscriber.timezone)


def catalogue() -> QuerySet[Topic]:
    """All topics, in the order of the catalogue."""
    return Topic.objects.all()
