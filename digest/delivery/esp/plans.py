"""What holds for each provider: the settings, and over them what an operator decided at the desk.

A process believes the few rows it read for a second, as it does the circuits, so that no message
asks for them and all workers follow soon. Order and pause count for digests and single messages
alike; rate and numbers a day hold back digests only, as somebody waits for a single message.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from digest.models import ProviderPlan

from . import providers
from .providers import Provider

logger = logging.getLogger(__name__)

KNOWN_FOR = timedelta(seconds=1)
MOST_MESSAGES = 2_000_000_000
"""A day's number that nobody needs to go past; what a column of the table holds."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Messages a day that grow."""

    first_day: date
    messages: int
    growth: float

    def cap(self, day: date) -> int:
        """How many messages it allows on a day; before the first one as many as on that."""
        cap = float(self.messages)
        for _ in range((day - self.first_day).days):
            cap *= self.growth
            if self.growth == 1 or cap > MOST_MESSAGES:
                break
        return int(min(cap, MOST_MESSAGES))


@dataclass(frozen=True, slots=True)
class Plan:
    """What holds for one provider now."""

    rate: float
    """Messages a second, of all workers together; 0: unlimited."""
    daily_cap: int | None
    warm_up: WarmUp | None
    is_paused: bool

    def cap(self, day: date) -> int | None:
        """How many messages it may get on a day; None: any number."""
        caps = [self.daily_cap, self.warm_up.cap(day) if self.warm_up else None]
        return min((cap for cap in caps if cap is not None), default=None)


class _Known:
    """What this process read of the plans, and when."""

    rows: dict[str, ProviderPlan] = {}
    read_at: datetime | None = None


def forget() -> None:
    """Afterwards the plans are read anew."""
    _Known.rows, _Known.read_at = {}, None


def _rows() -> dict[str, ProviderPlan]:
    now = timezone.now()
    if _Known.read_at is None or abs(now - _Known.read_at) > KNOWN_FOR:
        _Known.rows = {row.name: row for row in ProviderPlan.objects.all()}
        _Known.read_at = now
    return _Known.rows


def of(name: str) -> Plan:
    """What holds for the provider of that name."""
    row = _rows().get(name)
    if row is None:
        return by_settings(name)
    return _combined(name, row)


def by_settings(name: str) -> Plan:
    """What would hold without the desk."""
    rate = float(settings.SEND_RATES.get(name, settings.SEND_RATE))
    found = settings.WARM_UP.get(name)
    return Plan(rate, None, WarmUp(*found) if found else None, is_paused=False)


def _combined(name: str, row: ProviderPlan) -> Plan:
    setting = by_settings(name)
    warm_up = None if row.warm_up else setting.warm_up
    if row.warm_up == ProviderPlan.WarmUp.OWN and row.warm_up_from is not None:
        warm_up = WarmUp(row.warm_up_from, row.warm_up_messages or 1, row.warm_up_growth or 1)
    return Plan(
        setting.rate if row.rate is None else row.rate,
        row.daily_cap,
        warm_up,
        is_paused=row.paused_at is not None,
    )


def ordered() -> list[Provider]:
    """The configured providers, paused ones too, in the order in which they are asked."""
    rows = _rows()
    ways = providers.configured()
    places = {way.name: rows[way.name].place for way in ways if way.name in rows}
    last = len(ways) + max((place or 0 for place in places.values()), default=0)
    # Sorting keeps the order of the setting among those without a place.
    return sorted(ways, key=lambda way: last if (p := places.get(way.name)) is None else p)


def in_use() -> list[Provider]:
    """Those of the configured providers that are not paused, in their order."""
    return [way for way in ordered() if not of(way.name).is_paused]


def for_single_messages() -> list[Provider]:
    """As `in_use`; but where all are paused, all: somebody waits for a link to confirm or to leave."""
    return in_use() or ordered()


def decide(name: str, **fields: Any) -> ProviderPlan:
    """Afterwards these fields of the provider's plan hold, for this process at once, for the others
    within a second or two."""
    plan, _ = ProviderPlan.objects.update_or_create(name=name, defaults=fields)
    forget()
    return plan


def pause(name: str, *, because: str, by: Any = None) -> bool:
    """Afterwards no digest goes by the provider, but for what a worker just offers; False where it
    was paused already, for whatever reason was given then."""
    ProviderPlan.objects.get_or_create(name=name)
    working = ProviderPlan.objects.filter(name=name, paused_at__isnull=True)
    is_new = working.update(paused_at=timezone.now(), paused_because=because[:200], paused_by=by)
    forget()
    if is_new:
        logger.warning("provider is paused", extra={"provider": name})
    return bool(is_new)


def resume(name: str) -> bool:
    """Afterwards digests go by the provider again; False where it was not paused."""
    paused = ProviderPlan.objects.filter(name=name, paused_at__isnull=False)
    is_new = paused.update(paused_at=None, paused_because="", paused_by=None)
    forget()
    if is_new:
        logger.info("provider is resumed", extra={"provider": name})
    return bool(is_new)


def move(name: str, *, up: bool) -> bool:
    """Afterwards the provider has changed places with its neighbor; False where it has none there."""
    with transaction.atomic():
        list(ProviderPlan.objects.select_for_update())
        forget()
        names = [way.name for way in ordered()]
        here = names.index(name)
        there = here - 1 if up else here + 1
        if not 0 <= there < len(names):
            return False
        names[here], names[there] = names[there], names[here]
        _set_places(names)
    return True


def _set_places(names: list[str]) -> None:
    for place, name in enumerate(names):
        ProviderPlan.objects.update_or_create(name=name, defaults={"place": place})
    forget()


def forget_order() -> int:
    """Afterwards the order is that of EMAIL_PROVIDERS; returns how many had another place."""
    number = ProviderPlan.objects.filter(place__isnull=False).update(place=None)
    forget()
    return number


def back_to_settings(name: str) -> bool:
    """Afterwards rate and numbers of the provider are those of the settings; place and pause stay."""
    number = ProviderPlan.objects.filter(name=name).update(
        rate=None,
        daily_cap=None,
        warm_up="",
        warm_up_from=None,
        warm_up_messages=None,
        warm_up_growth=None,
    )
    forget()
    return bool(number)
