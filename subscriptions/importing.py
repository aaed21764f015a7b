"""Readers as CSV: in, with bad rows named and the rest taken; and out again."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from . import addresses, schedule, selectors
from .errors import ChoiceError, PermanentError
from .models import (
    ConsentRecord,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
    TransactionalMessage,
)
from .records import Rhythm, Selection
from .services import slots

COLUMNS = ("email", "topics", "frequency", "timezone", "hour", "status")
_PAGE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_HOURS = {form for hour in range(24) for form in (str(hour), f"{hour:02}")}


@dataclass(slots=True)
class Outcome:
    """What became of the rows so far."""

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


def add(lines: Iterable[str], outcome: Outcome, *, consent: str = "") -> None:
    """Adds the subscribers of a CSV file's lines, the first of which is the heading: active when
    `consent` says how they agreed, else asked to confirm by mail.

    `outcome` is true after every page of 500 rows, even where a later one fails. The number of
    queries grows with pages, not rows. A second call adds nobody and mails nobody. Raises
    PermanentError where the heading has no column named email.
    """
    numbered = enumerate(lines, start=1)
    _, heading = next(numbered, (1, ""))
    columns = [name.strip().lower() for name in _cells(heading)]
    if "email" not in columns:
        raise PermanentError("The first line has no column named email.")
    topics = {topic.slug: topic for topic in Topic.objects.all()}
    rows = ((number, line) for number, line in numbered if line.strip())
    while page := list(islice(rows, _PAGE)):
        entries = _entries(page, columns, topics, outcome)
        _add_page(entries, topics, consent, outcome)


def _entries(
    page: Iterable[tuple[int, str]],
    columns: Sequence[str],
    topics: Mapping[str, Topic],
    outcome: Outcome,
) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for number, line in page:
        try:
            values = dict(zip(columns, _cells(line), strict=False))
            entry = _entry(dict.fromkeys(COLUMNS, "") | values, topics)
        except PermanentError as error:
            outcome.bad.append((number, str(error)))
            continue
        if entries.setdefault(entry.email.lower(), entry) is not entry:
            outcome.known += 1
    return entries


def _cells(line: str) -> list[str]:
    # No cell of ours holds a line break: read alone, a line with an open quote spoils no other.
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise PermanentError(f"This is no row of CSV ({error}). Is a quote left open?") from error


def _entry(values: Mapping[str, str], topics: Mapping[str, Topic]) -> _Entry:
    slugs = tuple(sorted({part.strip() for part in values["topics"].split(";") if part.strip()}))
    if unknown := [slug for slug in slugs if slug not in topics]:
        raise ChoiceError(f"There is no topic {unknown[0]!r}.")
    frequency = values["frequency"].strip() or Subscriber.Frequency.WEEKDAYS.value
    if frequency not in Subscriber.Frequency.values:
        raise ChoiceError(
            f"The frequency {frequency!r} is not one of {', '.join(Subscriber.Frequency)}."
        )
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
    now = timezone.now()
    wanted = [entry for key, entry in entries.items() if key not in known | suppressed]
    new = [_subscriber(entry) for entry in wanted]
    if consent:
        slot_of = {rhythm: slots.ensure(rhythm, now) for rhythm in {e.rhythm for e in wanted}}
        for subscriber, entry in zip(new, wanted, strict=True):
            subscriber.state = Subscriber.State.ACTIVE
            subscriber.confirmed_at = now
            subscriber.slot = slot_of[entry.rhythm]
    with transaction.atomic():
        Subscriber.objects.bulk_create(new, ignore_conflicts=True)
        # Who signed up since the look-up is there under another public id, and stays as they are.
        made = Subscriber.objects.filter(public_id__in=[reader.public_id for reader in new])
        Subscription.objects.bulk_create(
            Subscription(subscriber=subscriber, topic=topics[slug])
            for subscriber in made
            for slug in entries[subscriber.email.lower()].topics
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
    outcome.known += len(entries) - len(made) - len(suppressed)
    outcome.suppressed += len(suppressed)


def _subscriber(entry: _Entry) -> Subscriber:
    return Subscriber(
        email=entry.email,
        address_hash=addresses.hash_of(entry.email),
        frequency=entry.rhythm.frequency,
        hour=entry.rhythm.hour,
        timezone=entry.rhythm.timezone,
        language=settings.LANGUAGES[0][0],
        selection_key=_selection_key(entry.topics, settings.LANGUAGES[0][0]),
    )


@lru_cache(maxsize=4096)
def _selection_key(topics: tuple[str, ...], language: str) -> str:
    return Selection(topics=topics, language=language).key


def rows_of(subscribers: QuerySet[Subscriber]) -> Iterator[list[str]]:
    """The rows of the export, in the order of COLUMNS; the status is the state, or `suppressed`
    for an address that is never mailed."""
    readers = selectors.with_suppression(subscribers).order_by("pk").prefetch_related("topics")
    for reader in readers.iterator(chunk_size=_PAGE):
        slugs = ";".join(sorted(topic.slug for topic in reader.topics.all()))
        cells = [reader.email, slugs, reader.frequency, reader.timezone, str(reader.hour)]
        status = "suppressed" if reader.is_suppressed else reader.state
        yield [_safe(cell) for cell in (*cells, status)]


def _safe(cell: str) -> str:
    """A spreadsheet runs what begins like a formula; an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
