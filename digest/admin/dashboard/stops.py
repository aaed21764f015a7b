"""Why nothing goes, or nothing of an edition, and what ends that: the dashboard's headline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.urls import reverse

from digest.delivery.watching import health, standing
from digest.delivery.watching.health import Health, State
from digest.models import Edition

May = Callable[[str], bool]
"""Whether this person has the permission of that name."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One reason, with the button that ends it, where a person can."""

    what: str
    because: str = ""
    """In somebody else's words."""
    button: str = ""
    url: str = ""
    may: bool = False
    """Whether this person may press it."""
    hold: str = ""
    """Of an edition: which hold was seen."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands above everything else while something stands still."""

    title: str
    stops: list[Stop]
    is_all: bool
    """Nothing goes at all."""


def hold_of(edition: Edition) -> str:
    """Which hold it is, as forms post it: when it began; "" where there is none."""
    return edition.held_at.isoformat() if edition.held_at else ""


def some_way_goes(ways: Sequence[Health]) -> bool:
    """Whether any provider takes digests now, or there is none that could."""
    able = [each for each in ways if each.way.takes_digests]
    return not able or any(each.goes for each in able)


def found(ways: Sequence[Health], may: May) -> Headline | None:
    """None while nothing stands still. The number of queries is one, whatever stands."""
    closed = (
        []
        if some_way_goes(ways)
        else [_of_way(each, may) for each in ways if each.way.takes_digests]
    )
    held = [_of_edition(edition, may) for edition in standing.held()]
    if closed:
        return Headline("Nothing goes", [*closed, *held], is_all=True)
    if held:
        return Headline("Not everything goes", held, is_all=False)
    return None


def _of_way(each: Health, may: May) -> Stop:
    if each.paused is not None:
        return Stop(
            f"{each.name} is {each.paused_words}",
            each.paused.paused_because,
            f"Resume {each.name}",
            reverse("admin:provider_resume", args=[each.name]),
            may("digest.change_providerplan"),
        )
    if each.state == State.FULL:
        return Stop(f"{each.name} {each.words}, {each.cap:,}, and goes on at 00:00 UTC")
    return Stop(f"{each.name} {each.words} and is tried again by itself; it said last", each.said)


def _of_edition(edition: Edition, may: May) -> Stop:
    since = health.moment(edition.held_at) if edition.held_at else ""
    return Stop(
        f"the {edition.frequency} edition {edition.name} is held since {since}",
        edition.held_because,
        f"Release {edition.name}",
        reverse("admin:edition_release", args=[edition.pk]),
        may("digest.change_edition"),
        hold_of(edition),
    )
