"""What the installation keeps, as metrics: read from kept numbers and small tables, never counted over
deliveries or readers, with no reader in any label.

Names and units are Prometheus' own conventions: base units, times as seconds since 1970.
"""

import logging
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Q, Sum
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from digest.delivery import figures, notices
from digest.delivery.esp import pacing, providers
from digest.models import (
    Batch,
    Circuit,
    DayCount,
    DayFigure,
    Edition,
    EditionCount,
    Event,
    Fetch,
)

from . import alarms, health, signs, watch

logger = logging.getLogger(__name__)

Kind = DayFigure.Kind
State = Batch.State
EDITIONS = {Edition.Frequency.DAILY: 7, Edition.Frequency.WEEKLY: 2}
"""How many of the newest editions have metrics of their own."""
MOST_EVENTS = 50_000
"""More that wait to be applied are not counted."""
_REPORTS = (*health.REPORTS, Kind.DEFERRED, Kind.REFUSED)
_CHANGES = (Kind.SIGNED_UP, Kind.CONFIRMED, Kind.IMPORTED, Kind.RESUBSCRIBED, Kind.UNSUBSCRIBED,
            Kind.SUPPRESSED)  # fmt: skip
_UNSETTLED = (State.OPEN, State.CLAIMED, State.UNCERTAIN)

Row = tuple[tuple[str, ...], float]


def collect(now: datetime) -> Iterator[Metric]:
    """All of it; of parts that are away it says that, and leaves out what they would tell."""
    yield from _about_this()
    found = signs.seen()
    queues = signs.waiting_messages()
    try:
        kept = [metric for part in _PARTS for metric in part(now)]
    except DatabaseError:
        logger.exception("database is away, metrics lack what it keeps")
        kept = []
    yield _gauge("up", "Whether a part that all others need can be used.", ["part"], [
        (("broker",), queues is not None),
        (("cache",), found is not None),
        (("database",), bool(kept)),
    ])  # fmt: skip
    yield _gauge("queue_messages", "Messages that wait in a queue of the broker.", ["queue"],
                 [((name,), number) for name, number in (queues or {}).items()])  # fmt: skip
    names = {signs.BEAT_SEEN: "beat", signs.WORKER_SEEN: "worker"}
    yield _gauge("last_seen_timestamp_seconds", "When beat, and a worker, showed a sign of life.",
                 ["part"], [((names[key],), at.timestamp()) for key, at in (found or {}).items() if at])  # fmt: skip
    yield from kept


def _gauge(name: str, text: str, labels: list[str], rows: Iterable[Row]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"daily_papers_{name}", text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def _single(name: str, text: str, number: float | None) -> GaugeMetricFamily:
    return _gauge(name, text, [], [] if number is None else [((), number)])


def _about_this() -> Iterator[Metric]:
    # Our own version alone: those of libraries would say which of their faults are open here.
    info = {"version": _version()}
    yield InfoMetricFamily("daily_papers_build", "What runs here.", value=info)
    yield _single("disk_free_ratio", "The free part of the disk under VAR_DIR or our code, of the fuller.",
                  signs.fullest_disk()[0])  # fmt: skip


@cache
def _version() -> str:
    try:
        text = (settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def _editions(now: datetime) -> Iterator[Metric]:
    newest: list[Edition] = []
    for frequency, number in EDITIONS.items():
        newest += Edition.objects.filter(frequency=frequency, paper_count__gt=0)[:number]
    names = {edition.pk: (edition.name, edition.frequency) for edition in newest}
    labels = ["edition", "frequency"]
    counts = EditionCount.objects.filter(edition__in=names).order_by(
        "edition_id", "state", "reason"
    )
    yield _gauge(
        "deliveries",
        "Digests of an edition, by what became of them and why; kept each minute.",
        [*labels, "state", "reason"],
        [((*names[c.edition_id], c.state, c.reason or "none"), c.number) for c in counts],
    )
    yield _gauge("edition_due", "Digests of an edition that were planned.", labels,
                 [(names[e.pk], e.due_count) for e in newest])  # fmt: skip
    yield _gauge("edition_papers", "Papers in an edition.", labels,
                 [(names[e.pk], e.paper_count) for e in newest])  # fmt: skip
    yield _gauge("edition_held", "1 while the send of an edition is stopped.", labels,
                 [(names[e.pk], e.held_at is not None) for e in newest])  # fmt: skip
    yield _gauge("edition_late", "1 where digests of an edition waited too long.", labels,
                 [(names[e.pk], e.was_late) for e in newest])  # fmt: skip
    yield _gauge("edition_closed_timestamp_seconds", "When an edition was closed.", labels,
                 [(names[e.pk], e.closed_at.timestamp()) for e in newest])  # fmt: skip
    yield _gauge("edition_settled_per_second", "How fast the send of an edition goes on.", labels,
                 [(names[e.pk], 0 if e.is_counted else e.pace) for e in newest])  # fmt: skip


def _outbox(now: datetime) -> Iterator[Metric]:
    # One by one, as each state has an index of its own.
    rows = [((str(state),), Batch.objects.filter(state=state).count()) for state in _UNSETTLED]
    yield _gauge("batches", "Batches that are not settled, by state.", ["state"], rows)
    waiting = alarms.oldest_waiting([State.OPEN, State.CLAIMED])
    oldest = (now - min(waiting.values())).total_seconds() if waiting else 0
    yield _single("oldest_waiting_age_seconds", "How long the oldest digest has waited; 0: none.",
                  max(oldest, 0))  # fmt: skip
    unapplied = Event.objects.filter(applied_at__isnull=True).order_by()[:MOST_EVENTS].count()
    yield _single("events_unapplied",
                  f"Reports of providers that wait to be applied; at most {MOST_EVENTS}.", unapplied)  # fmt: skip


def _providers(now: datetime) -> Iterator[Metric]:
    ways = providers.configured()
    circuits = Circuit.objects.in_bulk([way.name for way in ways])
    day = pacing.today()
    used = dict(DayCount.objects.filter(day=day).values_list("provider", "messages"))
    states = []
    for way in ways:
        word = health.circuit_word(circuits.get(way.name))
        states += [((way.name, each), each == word) for each in health.CIRCUIT_WORDS]
    yield _gauge("provider_circuit", "1 for the state that a provider's circuit is in.",
                 ["provider", "state"], states)  # fmt: skip
    yield _gauge("provider_messages_today", "Messages that a provider took today (UTC).", ["provider"],
                 [((way.name,), used.get(way.name, 0)) for way in ways])  # fmt: skip
    caps = [((way.name,), cap) for way in ways if (cap := pacing.cap_of(way, day)) is not None]
    yield _gauge("provider_cap_today", "Messages that a provider may get today (WARM_UP).", ["provider"],
                 caps)  # fmt: skip
    rates = [((way.name,), rate) for way in ways if (rate := pacing.rate_of(way))]
    yield _gauge("provider_rate_limit", "Messages a second that a provider may get, where limited.",
                 ["provider"], rates)  # fmt: skip


def _figures(now: datetime) -> Iterator[Metric]:
    today = list(DayFigure.objects.filter(day=pacing.today()).order_by("kind", "about"))
    yield _gauge("events_today", "Reports of providers today (UTC), by type.", ["provider", "type"],
                 [((row.about, row.kind), row.number) for row in today if row.kind in _REPORTS])  # fmt: skip
    # Complaints come days after the mail, so shares of a day say little.
    week = Q(day__gt=pacing.today() - watch.WEEK)
    reports = DayFigure.objects.filter(week, kind__in=_REPORTS).order_by("about", "kind")
    sums = reports.values_list("about", "kind").annotate(Sum("number"))
    yield _gauge("events_week", "Reports of providers in seven days (UTC), by type.",
                 ["provider", "type"], [((about, kind), number) for about, kind, number in sums])  # fmt: skip
    taken = DayCount.objects.filter(week).order_by("provider").values_list("provider")
    yield _gauge("provider_messages_week", "Messages that a provider took in seven days (UTC).",
                 ["provider"],
                 [((name,), number) for name, number in taken.annotate(Sum("messages"))])  # fmt: skip
    changes: dict[str, int] = dict.fromkeys(map(str, _CHANGES), 0)
    for row in today:
        if row.kind in changes:
            changes[row.kind] += row.number
    yield _gauge("readers_today", "Readers who came or went today (UTC).", ["change"],
                 [((kind,), number) for kind, number in changes.items()])  # fmt: skip
    yield _single("readers_active", "Readers who get digests, as last counted.",
                  figures.latest(Kind.ACTIVE))  # fmt: skip
    yield _single("readers_pending", "Sign-ups that are not confirmed, as last counted.",
                  figures.latest(Kind.PENDING))  # fmt: skip
    rows = notices.open_notices().order_by("kind").values_list("kind").annotate(Count("pk"))
    yield _gauge("notices_open", "Alarms that last, by kind.", ["kind"],
                 [((kind,), number) for kind, number in rows])  # fmt: skip


def _sources(now: datetime) -> Iterator[Metric]:
    ended = Fetch.objects.filter(finished_at__isnull=False).order_by("-started_at")
    newest = {name: ended.filter(source=name).first() for name in settings.PAPER_SOURCES}
    rows = [((name,), row) for name, row in newest.items() if row]
    yield _gauge("source_fetched_timestamp_seconds", "When a list of a source was read last.",
                 ["source"], [(label, row.started_at.timestamp()) for label, row in rows])  # fmt: skip
    clean = {name: ended.filter(source=name, error="").first() for name in newest}
    yield _gauge("source_clean_timestamp_seconds", "When that was without an error.", ["source"],
                 [((name,), row.started_at.timestamp()) for name, row in clean.items() if row])  # fmt: skip
    yield _gauge("source_failed", "1 where the last reading of a source failed.", ["source"],
                 [(label, bool(row.error)) for label, row in rows])  # fmt: skip
    yield _gauge("source_papers", "Papers on the list that was read last.", ["source"],
                 [(label, row.new + row.updated + row.skipped) for label, row in rows])  # fmt: skip
    yield _gauge("source_bad_entries", "Entries of it that could not be read.", ["source"],
                 [(label, row.bad) for label, row in rows])  # fmt: skip


_PARTS: list[Callable[[datetime], Iterator[Metric]]] = [
    _editions,
    _outbox,
    _providers,
    _figures,
    _sources,
]
