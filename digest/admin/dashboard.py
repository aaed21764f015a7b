"""The desk's first page: whether today's edition went out and to whom, and what needs a person.

It reads kept numbers and a few rows by index, so that it answers at once for a million readers.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from digest.delivery import figures, notices
from digest.delivery.esp import pacing, plans
from digest.delivery.ledger import Ledger
from digest.delivery.watching import alarms, signs, watch
from digest.models import Batch, Circuit, DayCount, Delivery, Edition, Event, Fetch, Listing, Notice

Kind = figures.Kind
DAYS = 30
"""In the charts."""
WEEK = timedelta(days=7)
_GAINED = (Kind.SIGNED_UP, Kind.CONFIRMED, Kind.IMPORTED, Kind.RESUBSCRIBED)
_LOST = (Kind.UNSUBSCRIBED, Kind.SUPPRESSED)
_REPORTS = (Kind.DELIVERED, Kind.BOUNCED, Kind.DEFERRED, Kind.COMPLAINED)
_GRAY = "#84938d"
"""Of the words in charts, which cannot tell light from dark."""
_CHART = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {
            "legend": {
                "align": "start",
                "labels": {"boxWidth": 10, "boxHeight": 10, "color": _GRAY},
            }
        },
        "scales": {
            "x": {
                "grid": {"display": False},
                "ticks": {"color": _GRAY, "maxRotation": 0, "maxTicksLimit": 7},
            },
            "y": {
                "beginAtZero": True,
                "border": {"display": False},
                "grid": {},
                "ticks": {"color": _GRAY, "maxTicksLimit": 5, "precision": 0},
            },
        },
    }
)
"""Chart.js' options."""
_MOST_COUNTED = 10_000
"""Past which waiting events are only said to be more."""


@dataclass(frozen=True, slots=True)
class Sending:
    """An edition on its way, or out."""

    edition: Edition
    ledger: Ledger
    rows: list["Row"]
    to_send: int
    settled: int
    percent: int
    """Rounded down: 100 once nothing is pending."""
    left: str
    """How long the rest takes, in words; "" where nobody can tell."""
    verdict: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ledger."""

    name: str
    number: int
    is_part: bool = False
    is_sum: bool = False
    to_do: str = ""
    """What a person must do about it, where one must."""
    link: str = ""
    """Where."""


@dataclass(frozen=True, slots=True)
class Line:
    """A share against the line that must not be crossed."""

    name: str
    share: str
    number: int
    limit: str
    state: str
    """`ok`, `near` or `over`."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers by day, for Chart.js, and for who reads them as a table."""

    title: str
    data: str
    options: str
    days: list[str]
    series: list[tuple[str, list[int]]]

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """The days that have something, newest first."""
        rows = [
            (day, [numbers[place] for _, numbers in self.series])
            for place, day in enumerate(self.days)
        ]
        return [row for row in reversed(rows) if any(row[1])]


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the context of the admin's index what this person may see."""
    now = timezone.now()
    may = request.user.has_perm
    shown: dict[str, Any] = {"now": now}
    if may("digest.view_edition"):
        shown |= {"sendings": _sendings(), "queue": _queue(now)}
        shown |= {"lines": _lines(now), "mail_chart": _mail(now)}
    if may("digest.view_notice"):
        shown["wrong"] = list(notices.open_notices().order_by("-pk"))
        shown["told"] = list(Notice.objects.exclude(lasts=True, ended_at=None).order_by("-pk")[:5])
    if may("digest.view_providerplan"):
        shown["providers"] = _providers(now)
    if may("digest.view_fetch"):
        shown["sources"] = _sources()
    if may("digest.view_edition") or may("subscriptions.view_subscriber"):
        shown["readers"] = _readers(now)
    return context | {"desk": shown, "title": "Dashboard"}


def _sendings() -> list[Sending]:
    """The newest edition of each frequency that was planned, the one that is being sent first."""
    planned = Edition.objects.filter(due_count__gt=0)
    newest = [planned.filter(frequency=each).first() for each in Edition.Frequency.values]
    found = [sending(edition) for edition in newest if edition]
    return sorted(found, key=lambda each: (not each.ledger.pending, -each.edition.date.toordinal()))


def sending(edition: Edition) -> Sending:
    """How far the edition is, by the numbers that were counted last."""
    found = figures.ledger_of(edition)
    to_send = found.sent + found.failed + found.uncertain + found.pending
    settled = to_send - found.pending
    return Sending(
        edition=edition,
        ledger=found,
        rows=_rows(edition, found),
        to_send=to_send,
        settled=settled,
        percent=settled * 100 // to_send if to_send else 100,
        left=_left(edition, found.pending),
        verdict=_verdict(edition, found),
    )


def _verdict(edition: Edition, found: Ledger) -> str:
    if edition.held_at:
        return f"Held: {edition.held_because}."
    if edition.dropped_at:
        return f"Called off. Sent to {found.sent:,} reader{'' if found.sent == 1 else 's'}."
    if edition.counted_at is None:
        return "Planned; it is counted within a minute."
    if found.pending:
        return "Being sent."
    if found.uncertain:
        return f"Sent, but for {found.uncertain:,} in doubt."
    return f"Sent to {found.sent:,} reader{'' if found.sent == 1 else 's'}."


def _left(edition: Edition, pending: int) -> str:
    if not pending or edition.held_at:
        return ""
    if edition.pace <= 0:
        return "No time to finish yet: nothing went out between the last two counts."
    seconds = pending / edition.pace
    if seconds < 90:  # noqa: PLR2004  from here on minutes say more
        return "About a minute to go."
    if seconds < 5400:  # noqa: PLR2004  and from here on hours
        return f"About {math.ceil(seconds / 60)} minutes to go."
    return f"About {seconds / 3600:.1f} hours to go."


def _rows(edition: Edition, found: Ledger) -> list[Row]:
    failed = reverse("admin:digest_delivery_changelist")
    reasons = dict(Delivery.Reason.choices)
    parts = sorted(found.skipped.items(), key=lambda part: -part[1])
    return [
        Row("sent", found.sent),
        Row("skipped", sum(found.skipped.values())),
        *(Row(str(reasons.get(reason, reason)), number, is_part=True) for reason, number in parts),
        Row("suppressed", found.suppressed),
        _wrong(
            "failed",
            found.failed,
            to_do="See what the provider said",
            link=f"{failed}?edition={edition.pk}&state=failed",
        ),
        _wrong(
            "uncertain",
            found.uncertain,
            to_do="Evidence is looked for; what has none waits for you",
            link=reverse("admin:digest_in_doubt"),
        ),
        Row("pending", found.pending),
        Row("due", found.due, is_sum=True),
    ]


def _wrong(name: str, number: int, *, to_do: str, link: str) -> Row:
    """A row that needs a person once it is above zero."""
    return Row(name, number, to_do=to_do, link=link) if number else Row(name, 0)


def _days(now: datetime) -> list[date]:
    first = now.date() - timedelta(days=DAYS - 1)
    return [first + timedelta(days=number) for number in range(DAYS)]


def _readers(now: datetime) -> dict[str, Any]:
    days = _days(now)
    kinds = [str(kind) for kind in (*_GAINED, *_LOST)]
    found = figures.by_day(kinds, since=days[0])
    total = {kind: sum(numbers.values()) for kind, numbers in found.items()}
    joined = _sum(days, found, (Kind.CONFIRMED, Kind.IMPORTED, Kind.RESUBSCRIBED))
    lost = _sum(days, found, _LOST)
    signed_up = total[Kind.SIGNED_UP]
    return {
        "active": figures.latest(Kind.ACTIVE),
        "pending": figures.latest(Kind.PENDING),
        "signed_up": signed_up,
        "joined": sum(joined),
        "lost": sum(lost),
        "rate": f"{min(total[Kind.CONFIRMED] / signed_up, 1):.0%}" if signed_up else "",
        "chart": _chart(
            f"Readers who came and left in the last {DAYS} days",
            days,
            [("came", joined, "primary-500"), ("left", lost, "base-400")],
        ),
    }


def _sum(
    days: Sequence[date], found: Mapping[str, Mapping[date, int]], kinds: Sequence[Kind]
) -> list[int]:
    return [sum(found[kind].get(day, 0) for kind in kinds) for day in days]


def _chart(title: str, days: Sequence[date], series: Sequence[tuple[str, list[int], str]]) -> Chart:
    labels = [f"{day:%b} {day.day}" for day in days]
    data = {
        "labels": labels,
        "datasets": [
            {
                "label": label,
                "data": numbers,
                "backgroundColor": f"var(--color-{color})",
                "borderColor": f"var(--color-{color})",
            }
            for label, numbers, color in series
        ],
    }
    shown = [(label, numbers) for label, numbers, _ in series]
    return Chart(title, json.dumps(data), _CHART, labels, shown)


def _mail(now: datetime) -> Chart:
    days = _days(now)
    taken: dict[date, int] = dict.fromkeys(days, 0)
    for count in DayCount.objects.filter(day__gte=days[0]):
        taken[count.day] = taken.get(count.day, 0) + count.messages
    found = figures.by_day([Kind.DELIVERED], since=days[0])
    series = [
        ("handed over", [taken[day] for day in days], "base-400"),
        ("reported as delivered", _sum(days, found, (Kind.DELIVERED,)), "primary-500"),
    ]
    return _chart(f"Messages in the last {DAYS} days", days, series)


def _lines(now: datetime) -> list[Line]:
    """What a week's readers and mailboxes said, against the lines where a send is held."""
    since = (now - WEEK).date() + timedelta(days=1)
    found = figures.by_day([str(kind) for kind in _REPORTS], since=since)
    total = {kind: sum(numbers.values()) for kind, numbers in found.items()}
    handed = DayCount.objects.filter(day__gte=since)
    taken = sum(handed.values_list("messages", flat=True))
    return [
        _line("Complained", total[Kind.COMPLAINED], taken, watch.WARN_OF_COMPLAINTS, watch.MOST_COMPLAINTS),
        _line("Bounced for good", total[Kind.BOUNCED], taken, watch.MOST_BOUNCES / 2, watch.MOST_BOUNCES),
        _delivered(total[Kind.DELIVERED], taken),
    ]  # fmt: skip


def _delivered(number: int, taken: int) -> Line:
    """Not every provider, nor its every plan, reports what was delivered."""
    if taken and not number:
        return Line("Delivered", "not reported", 0, "", "ok")
    return Line("Delivered", _share(number, taken), number, "where providers report it", "ok")


def _line(name: str, number: int, taken: int, near: float, most: float) -> Line:
    share = number / taken if taken else 0.0
    state = "over" if share >= most else "near" if share >= near else "ok"
    limit = f"a send is held at {most:.2%}" if most < 0.01 else f"a send is held at {most:.0%}"  # noqa: PLR2004
    return Line(name, _share(number, taken), number, limit, state)


def _share(number: int, taken: int) -> str:
    return f"{number / taken:.2%}" if taken else "no mail"


def _providers(now: datetime) -> list[dict[str, Any]]:
    rows = {row.name: row for row in Circuit.objects.all()}
    today = pacing.today()
    counts = DayCount.objects.filter(day=today).values_list("provider", "messages")
    messages: dict[str, int] = {}
    for name, number in counts:
        messages[name] = messages.get(name, 0) + number
    found = []
    for way in plans.ordered():
        row, plan = rows.get(way.name), plans.of(way.name)
        found.append(
            {
                "name": way.name,
                "state": "paused" if plan.is_paused else _health(row, now),
                "is_well": not plan.is_paused and (row is None or row.open_until is None),
                "said": row.detail if row and not plan.is_paused else "",
                "messages": messages.get(way.name, 0),
                "cap": plan.cap(today),
                "rate": f"{plan.rate:g} a second" if plan.rate else "unlimited",
            }
        )
    return found


def _health(row: Circuit | None, now: datetime) -> str:
    if row is None or row.open_until is None:
        return "works"
    if row.is_on_trial:
        return "is tried again"
    return f"rests until {row.open_until:%H:%M} UTC" if row.open_until > now else "to be tried"


def _sources() -> list[dict[str, Any]]:
    found = []
    for name in settings.PAPER_SOURCES:
        fetches = Fetch.objects.filter(source=name).order_by("-started_at")
        last = fetches.first()
        listed = Listing.objects.filter(source=name)
        day = listed.aggregate(newest=Max("listed_on"))["newest"]
        found.append(
            {
                "name": name,
                "last": last,
                "day": day,
                "papers": listed.filter(listed_on=day).count() if day else 0,
            }
        )
    return found


def _queue(now: datetime) -> dict[str, Any]:
    """How long the oldest digest has waited, and what else waits for a worker."""
    oldest = min(alarms.oldest_waiting([Batch.State.OPEN]).values(), default=None)
    waiting = Event.objects.filter(applied_at__isnull=True).order_by("pk")[:_MOST_COUNTED]
    events = waiting.values("pk").aggregate(number=Count("pk"))["number"]
    return {
        "since": oldest,
        "is_late": bool(oldest and now - oldest > timedelta(seconds=settings.LATE_AFTER)),
        "events": f"{events:,}" if events < _MOST_COUNTED else f"{_MOST_COUNTED:,} or more",
        "seen": _signs_of_life(now),
    }


def _signs_of_life(now: datetime) -> list[dict[str, Any]]:
    """When beat and the worker that plans were seen last, and whether that is too long ago."""
    found = signs.seen() or {}
    rows = (
        ("Beat", found.get(signs.BEAT_SEEN), signs.BEAT_SILENCE),
        ("Worker", found.get(signs.WORKER_SEEN), signs.WORKER_SILENCE),
    )
    return [
        {"name": name, "at": at, "is_silent": at is None or now - at > silence}
        for name, at, silence in rows
    ]
