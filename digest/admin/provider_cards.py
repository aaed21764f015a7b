"""What the desk's page of providers says of each: health, messages by day, pace, and what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max, Sum
from django.utils import formats, timezone

from digest.delivery.esp import pacing, plans
from digest.delivery.esp.plans import Plan, WarmUp
from digest.delivery.esp.providers import MIME_PROVIDERS, Provider
from digest.delivery.watching import health
from digest.delivery.watching.health import Health, Share, rate_words
from digest.models import DayCount, DayFigure, Event, ProviderPlan

DAYS = 14
"""Of messages, today among them."""
COMING = 4
"""Days whose numbers by the warm-up are said."""
REPORTED = 7
"""Days of what came back."""
_NEWEST_EVENTS = 10_000
"""Among which the last one of a provider is looked for: no index is by provider and time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's messages, beside those of the busiest day."""

    day: date
    messages: int
    percent: int

    @property
    def words(self) -> str:
        return f"{self.messages:,}"


@dataclass(frozen=True, slots=True)
class Value:
    """What holds, in words, and what the setting says where that is something else."""

    name: str
    words: str
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One provider on the page."""

    name: str
    place: int
    is_first: bool
    is_last: bool
    state: str
    look: str
    """`success`, `warning`, `danger` or `info`."""
    said: str
    paused: ProviderPlan | None
    paused_words: str
    takes_digests: bool
    today: str
    bars: list[Bar]
    values: list[Value]
    coming: str
    shares: list[Share]
    heard: str

    @property
    def has_messages(self) -> bool:
        return any(bar.messages for bar in self.bars)

    @property
    def is_changed(self) -> bool:
        return any(value.setting for value in self.values)


def all_cards() -> list[Card]:
    """A card for each configured provider, in the order in which they are asked. The number of
    queries depends on how many providers there are."""
    pacing.write_counts()
    found = health.of_all(timezone.now())
    names = [each.name for each in found]
    since = pacing.today() - timedelta(days=DAYS - 1)
    counts: dict[str, dict[date, int]] = {name: {} for name in names}
    for row in DayCount.objects.filter(provider__in=names, day__gte=since):
        counts[row.provider][row.day] = row.messages
    reports, heard = _reports(names), _heard(names)
    return [
        _card(
            each,
            place=place,
            number=len(found),
            counts=counts[each.name],
            reports=reports.get(each.name, {}),
            heard=_heard_words(each.way, heard),
        )
        for place, each in enumerate(found, 1)
    ]


def _card(
    each: Health,
    *,
    place: int,
    number: int,
    counts: Mapping[date, int],
    reports: Mapping[str, int],
    heard: str,
) -> Card:
    day = pacing.today()
    today = f"{each.messages:,}"
    return Card(
        name=each.name,
        place=place,
        is_first=place == 1,
        is_last=place == number,
        state=each.words,
        look=each.look,
        said=each.said,
        paused=each.paused,
        paused_words=each.paused_words,
        takes_digests=each.way.takes_digests,
        today=today if each.cap is None else f"{today} of {each.cap:,}",
        bars=_bars(counts, day),
        values=_values(each.plan, plans.by_settings(each.name)),
        coming=_coming(each.plan, day),
        shares=_shares(counts, reports, day),
        heard=heard,
    )


def _bars(counts: Mapping[date, int], day: date) -> list[Bar]:
    most = max(counts.values(), default=0) or 1
    days = [day - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return [Bar(d, n := counts.get(d, 0), -(-100 * n // most)) for d in days]


def _values(plan: Plan, setting: Plan) -> list[Value]:
    pairs = [
        ("Rate", rate_words(plan.rate), rate_words(setting.rate)),
        ("Most a day", cap_words(plan.daily_cap), cap_words(setting.daily_cap)),
        ("Warm-up", warm_up_words(plan.warm_up), warm_up_words(setting.warm_up)),
    ]
    return [Value(name, now, before if now != before else "") for name, now, before in pairs]


def cap_words(cap: int | None) -> str:
    """The daily cap as a person would say it."""
    return "any number" if cap is None else f"{cap:,} messages"


def warm_up_words(plan: WarmUp | None) -> str:
    """The warm-up as a person would say it."""
    if plan is None:
        return "none"
    return f"{plan.messages:,} on {formats.date_format(plan.first_day, 'DATE_FORMAT')}, times {plan.growth:g} each day"


def _coming(plan: Plan, day: date) -> str:
    """What the next days allow, where there is a warm-up."""
    if plan.warm_up is None:
        return ""
    caps = [plan.cap(day + timedelta(days=ahead)) or 0 for ahead in range(1, COMING + 1)]
    return ", ".join(f"{cap:,}" for cap in caps)


def _reports(names: list[str]) -> dict[str, dict[str, int]]:
    """What came back in REPORTED days, by provider and kind."""
    since = pacing.today() - timedelta(days=REPORTED - 1)
    rows = DayFigure.objects.filter(day__gte=since, kind__in=health.REPORTS, about__in=names)
    found: dict[str, dict[str, int]] = {}
    for about, kind, number in rows.values_list("about", "kind").annotate(n=Sum("number")):
        found.setdefault(about, {})[kind] = number
    return found


def _shares(counts: Mapping[date, int], reports: Mapping[str, int], day: date) -> list[Share]:
    sent = sum(n for d, n in counts.items() if d > day - timedelta(days=REPORTED))
    return health.shares(reports, sent) if sent and reports else []


def _heard(names: list[str]) -> dict[str, datetime | None]:
    """When an event of each was received last; None: not among the newest, but before. Who was never
    heard of is not in it."""
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    recent = Event.objects.filter(pk__gt=newest - _NEWEST_EVENTS, provider__in=names)
    rows = recent.order_by().values_list("provider").annotate(at=Max("received_at"))
    found: dict[str, datetime | None] = dict(rows)
    for name in names:
        if name not in found and Event.objects.filter(provider=name).exists():
            found[name] = None
    return found


def _heard_words(way: Provider, heard: Mapping[str, datetime | None]) -> str:
    if way.name in MIME_PROVIDERS:
        return "none: it has no webhook"
    if way.name not in heard:
        return "never: check its webhook"
    at = heard[way.name]
    return (
        formats.date_format(at, "DATETIME_FORMAT")
        if at
        else f"before the newest {_NEWEST_EVENTS:,} events"
    )
