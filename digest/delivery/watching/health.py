"""How each provider does, and what came back of its mail against the lines at which a send is held.

The one place that judges it and finds the words: the dashboard, the page of providers and the metrics
say what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import formats

from digest.delivery.esp import pacing, plans
from digest.delivery.esp.plans import Plan
from digest.delivery.esp.providers import Provider
from digest.models import Circuit, DayCount, DayFigure, ProviderPlan

from . import watch

Kind = DayFigure.Kind


class State(StrEnum):
    """Of a provider; what stands first says more."""

    PAUSED = "paused"
    RESTS = "rests"
    TRIAL = "trial"
    RESTED = "rested"
    FULL = "full"
    """It has had its number of today."""
    FAILING = "failing"
    """Some calls failed in a row, and it is still called."""
    WORKS = "works"


LOOKS = {
    State.PAUSED: "warning",
    State.RESTS: "danger",
    State.TRIAL: "info",
    State.RESTED: "info",
    State.FULL: "info",
    State.FAILING: "warning",
    State.WORKS: "success",
}
_GOES = frozenset({State.WORKS, State.FAILING, State.RESTED, State.TRIAL})


@dataclass(frozen=True, slots=True)
class Health:
    """How one provider does."""

    way: Provider
    state: State
    words: str
    plan: Plan
    messages: int
    """That it took today, in UTC."""
    cap: int | None
    """How many it may get today; None: any number."""
    circuit: Circuit | None
    paused: ProviderPlan | None
    """Who paused it, when and why, while it is."""

    @property
    def name(self) -> str:
        return self.way.name

    @property
    def look(self) -> str:
        """`success`, `warning`, `danger` or `info`."""
        return LOOKS[self.state]

    @property
    def is_well(self) -> bool:
        return self.state in (State.WORKS, State.FULL)

    @property
    def goes(self) -> bool:
        """Whether digests go by it now, or are tried by it."""
        return self.state in _GOES

    @property
    def said(self) -> str:
        """What it said when it failed last."""
        return self.circuit.detail if self.circuit else ""

    @property
    def rate(self) -> str:
        return rate_words(self.plan.rate)

    @property
    def paused_words(self) -> str:
        """Since when and by whom; "" while it is not paused."""
        if self.paused is None or self.paused.paused_at is None:
            return ""
        by = self.paused.paused_by or "a command"
        return f"paused since {moment(self.paused.paused_at)} by {by}"


def of_all(now: datetime) -> list[Health]:
    """All configured providers, in the order in which they are asked: three queries, or four."""
    ways = plans.ordered()
    names = [way.name for way in ways]
    rows = ProviderPlan.objects.select_related("paused_by").in_bulk(names)
    circuits = Circuit.objects.in_bulk(names)
    counts = DayCount.objects.filter(provider__in=names, day=pacing.today())
    taken = dict(counts.values_list("provider", "messages"))
    return [
        _of(way, rows.get(way.name), circuits.get(way.name), taken.get(way.name, 0), now)
        for way in ways
    ]


def _of(
    way: Provider, row: ProviderPlan | None, circuit: Circuit | None, taken: int, now: datetime
) -> Health:
    plan = plans.of(way.name)
    paused = row if row is not None and row.paused_at is not None else None
    cap = plan.cap(pacing.today())
    state = (
        State.PAUSED
        if paused
        else _state(circuit, is_full=cap is not None and taken >= cap, now=now)
    )
    return Health(way, state, _words(state, circuit), plan, taken, cap, circuit, paused)


def _state(circuit: Circuit | None, *, is_full: bool, now: datetime) -> State:
    if circuit is not None and circuit.open_until is not None:
        if circuit.is_on_trial:
            return State.TRIAL
        return State.RESTS if circuit.open_until > now else State.RESTED
    if is_full:
        return State.FULL
    return State.FAILING if circuit is not None and circuit.failures else State.WORKS


def _words(state: State, circuit: Circuit | None) -> str:
    if state == State.RESTS and circuit is not None and circuit.open_until is not None:
        return f"rests until {moment(circuit.open_until)}"
    if state == State.FAILING and circuit is not None:
        return f"works, {circuit.failures} failed in a row"
    return {
        State.TRIAL: "on trial: one worker tries it",
        State.RESTED: "rested: the next call is a trial",
        State.FULL: "has had its number of today",
    }.get(state, str(state))


CIRCUIT_WORDS = ("closed", "open", "half_open")


def circuit_word(circuit: Circuit | None) -> str:
    """`closed`, `open` or `half_open`, as the metrics name it whether or not somebody paused it."""
    if circuit is None or circuit.open_until is None:
        return "closed"
    return "half_open" if circuit.is_on_trial else "open"


def rate_words(rate: float) -> str:
    """The rate as a person would say it."""
    return f"{rate:,g} messages a second" if rate else "unlimited"


def moment(at: datetime) -> str:
    """`Nov 29, 06:00 UTC`."""
    return formats.date_format(at, "SHORT_DATETIME_FORMAT")


@dataclass(frozen=True, slots=True)
class Limit:
    """The lines that a share of what was sent must not cross."""

    name: str
    warned: float
    """From here on it is near."""
    held: float
    """Here a send is held."""
    fewest: int
    """Fewer reports are chance, however few messages there were."""
    fewest_sent: int = 0
    lines: tuple[tuple[float, str], ...] = ()
    """The lines as they are drawn and said, the lower one first."""

    @property
    def words(self) -> str:
        return ", ".join(f"{what} {percent(at)}" for at, what in self.lines)

    def state(self, number: int, taken: int) -> str:
        """`ok`, `near` or `over`."""
        found = self._judged(number, taken)
        return "over" if found >= self.held else "near" if found >= self.warned else "ok"

    def crossed(self, number: int, taken: int) -> list[float]:
        """Which of the lines are below it, the lower one first."""
        found = self._judged(number, taken)
        return [at for at, _ in self.lines if found >= at]

    def _judged(self, number: int, taken: int) -> float:
        is_chance = number < self.fewest or taken < self.fewest_sent
        return 0.0 if is_chance else share(number, taken)


COMPLAINTS = Limit(
    "Complained",
    watch.WARN_OF_COMPLAINTS,
    watch.MOST_COMPLAINTS,
    watch.FEWEST_COMPLAINTS,
    lines=(
        (watch.WARN_OF_COMPLAINTS, "you are told at"),
        (watch.MOST_COMPLAINTS, "a send is held at"),
    ),
)
BOUNCES = Limit(
    "Bounced for good",
    watch.MOST_BOUNCES / 2,
    watch.MOST_BOUNCES,
    1,
    watch.FEWEST_OUTCOMES,
    lines=((watch.MOST_BOUNCES, "a send is held at"),),
)
LIMITS = {Kind.COMPLAINED: COMPLAINTS, Kind.BOUNCED: BOUNCES}
REPORTS = (Kind.COMPLAINED, Kind.BOUNCED, Kind.DELIVERED)


@dataclass(frozen=True, slots=True)
class Share:
    """What came back of some days' messages, against its line."""

    name: str
    words: str
    number: int
    limit: str
    state: str
    """`ok`, `near` or `over`."""


def shares(reports: Mapping[str, int], taken: int) -> list[Share]:
    """What came back of so many messages, by kind of report."""
    found = [
        Share(
            limit.name,
            f"{share(number, taken):.2%}" if taken else "no mail",
            number,
            limit.words,
            limit.state(number, taken),
        )
        for kind, limit in LIMITS.items()
        for number in [reports.get(kind, 0)]
    ]
    return [*found, _delivered(reports.get(Kind.DELIVERED, 0), taken)]


def _delivered(number: int, taken: int) -> Share:
    """Not every provider, nor its every plan, reports what was delivered."""
    if taken and not number:
        return Share("Delivered", "not reported", 0, "", "ok")
    words = f"{min(share(number, taken), 1):.2%}" if taken else "no mail"
    return Share("Delivered", words, number, "where providers report it", "ok")


def share(number: int, taken: int) -> float:
    """The part of what was taken; 0 where nothing was."""
    return number / taken if taken > 0 else 0.0


def percent(part: float) -> str:
    """`0.30%`, and `5%` for a whole one."""
    words = f"{part:.2%}"
    return words.replace(".00%", "%") if part >= 0.01 and words.endswith(".00%") else words  # noqa: PLR2004
