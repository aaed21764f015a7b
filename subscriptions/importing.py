"""Readers as CSV: in, with bad rows named and the rest taken; and out again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from . import addresses, schedule, selectors
from .errors import AddressError, ChoiceError
from .models import (
    ConsentRecord,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
    TransactionalMessage,
)
from .records import Rhythm, Selection

COLUMNS = ("email", "topics", "frequency", "timezone", "hour")
_PAGE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_HOURS = {form for hour in range(24) for form in (str(hour), f"{hour:02}")}

Row = tuple[int, Mapping[str, str]]
"""A line number, and its values by column."""


@dataclass(slots=True)
class Outcome:
    """What became of the rows."""

    added: int = 0
    known: int = 0
    """At an address that was there before, which stays as it was."""
    suppressed: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    """Line number, and what is wrong."""


@dataclass(frozen=True, slots=True)
class _Entry:
    email: str
    topics: tuple[str, ...]
    rhythm: Rhythm


def add(
    rows: Iterable[Row], *, consent: str = "", on_page: Callable[[int], None] = lambda _count: None
) -> Outcome:
    """Adds subscribers: active when `consent` says how they agreed, else asked to confirm by mail.

    The number of queries grows with the number of pages of 500, not of rows. A second call adds
    nobody and mails nobody.
    """
    topics = {topic.slug: topic for topic in Topic.objects.all()}
    outcome = Outcome()
    waiting = iter(rows)
    while page := list(islice(waiting, _PAGE)):
        entries: dict[str, _Entry] = {}
        for line, values in page:
            try:
                entry = _entry(values, topics)
            except (AddressError, ChoiceError) as error:
                outcome.bad.append((line, str(error)))
                continue
            if entries.setdefault(entry.email.lower(), entry) is not entry:
                outcome.known += 1
        try:
            _add_page(entries, topics, consent, outcome)
        except IntegrityError:
            # Someone signed up meanwhile; now that address is known.
            _add_page(entries, topics, consent, outcome)
        on_page(len(page))
    return outcome


def _entry(values: Mapping[str, str], topics: Mapping[str, Topic]) -> _Entry:
    slugs = tuple(sorted({part.strip() for part in values["topics"].split(";") if part.strip()}))
    if unknown := [slug for slug in slugs if slug not in topics]:
        raise ChoiceError(f"There is no topic {unknown[0]!r}.")
    frequency = values["frequency"].strip() or Subscriber.Frequency.WEEKDAYS.value
    if frequency not in Subscriber.Frequency.values:
        raise ChoiceError(f"The frequency {frequency!r} is not one of daily, weekdays, weekly.")
    zone = values["timezone"].strip() or "UTC"
    if zone not in schedule.zones():
        raise ChoiceError(f"There is no time zone {zone!r}.")
    hour = values["hour"].strip() or "7"
    if hour not in _HOURS:
        raise ChoiceError(f"The hour {hour[:20]!r} is not a number from 0 to 23.")
    status = values["status"].strip() or Subscriber.State.ACTIVE.value
    if status != Subscriber.State.ACTIVE:
        raise ChoiceError(f"The status is {status[:20]!r}: this address must not be mailed.")
    email = addresses.canonical(values["email"].removeprefix("'"))
    return _Entry(email, slugs, Rhythm(frequency, int(hour), zone))


def _add_page(
    entries: dict[str, _Entry], topics: Mapping[str, Topic], consent: str, outcome: Outcome
) -> None:
    known = set(
        Subscriber.objects.annotate(lower=Lower("email"))
        .filter(lower__in=entries)
        .values_list("lower", flat=True)
    )
    hashes = {digest: key for key in entries for digest in addresses.hashes_of(key)}
    suppressed = {
        hashes[digest]
        for digest in Suppression.objects.filter(address_hash__in=hashes).values_list(
            "address_hash", flat=True
        )
    } - known
    new = [entry for key, entry in entries.items() if key not in known | suppressed]
    with transaction.atomic():
        made = Subscriber.objects.bulk_create(
            [_subscriber(entry, is_confirmed=bool(consent)) for entry in new]
        )
        Subscription.objects.bulk_create(
            Subscription(subscriber=subscriber, topic=topics[slug])
            for subscriber, entry in zip(made, new, strict=True)
            for slug in entry.topics
        )
        ConsentRecord.objects.bulk_create(
            ConsentRecord(subscriber=subscriber, action=ConsentRecord.Action.IMPORTED, text=consent)
            for subscriber in made
        )
        if not consent:
            TransactionalMessage.objects.bulk_create(
                TransactionalMessage(subscriber=subscriber, kind=TransactionalMessage.Kind.CONFIRM)
                for subscriber in made
            )
    outcome.added += len(made)
    outcome.known += len(known)
    outcome.suppressed += len(suppressed)


def _subscriber(entry: _Entry, *, is_confirmed: bool) -> Subscriber:
    subscriber = Subscriber(
        email=entry.email,
        address_hash=addresses.hash_of(entry.email),
        frequency=entry.rhythm.frequency,
        hour=entry.rhythm.hour,
        timezone=entry.rhythm.timezone,
        selection_key=_selection_key(entry.topics),
    )
    if is_confirmed:
        now = timezone.now()
        subscriber.state = Subscriber.State.ACTIVE
        subscriber.confirmed_at = now
        subscriber.next_digest_at = schedule.next_slot(now, entry.rhythm)
    return subscriber


@lru_cache(maxsize=4096)
def _selection_key(topics: tuple[str, ...]) -> str:
    return Selection(topics=topics).key


def rows_of(subscribers: QuerySet[Subscriber]) -> Iterator[list[str]]:
    """The rows of the export, in the order of COLUMNS, then the status: the state, or
    `suppressed` for an address that is never mailed."""
    readers = selectors.with_suppression(subscribers).order_by("pk").prefetch_related("topics")
    for reader in readers.iterator(chunk_size=_PAGE):
        slugs = ";".join(sorted(topic.slug for topic in reader.topics.all()))
        cells = [reader.email, slugs, reader.frequency, reader.timezone, str(reader.hour)]
        status = "suppressed" if reader.is_suppressed else reader.state
        yield [_safe(cell) for cell in (*cells, status)]


def _safe(cell: str) -> str:
    """A spreadsheet runs what begins like a formula; an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
