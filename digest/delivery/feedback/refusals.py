"""Calls of a provider's webhook that were refused: counted by the day, and told of once, with what is to be
put right. No row is written for any of them, whoever calls and however often."""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus

from django.conf import settings
from django.core.cache import cache
from django.db.models import Sum
from redis.exceptions import RedisError

from digest.delivery import notices
from digest.delivery.esp import providers
from digest.delivery.notices import Trouble
from digest.models import Batch, Edition, Event

from . import signing
from .evidence import RECENT

logger = logging.getLogger(__name__)

FEWEST = 5
"""Fewer in two days say nothing: `doctor` tries each webhook once without its secret."""
LASTS = timedelta(days=1)
"""For so long after the last one it counts as refused, where nothing of it was taken since."""
_BESIDE = timedelta(hours=1)
"""Where events were taken so shortly before, the secret is right, and a stranger calls."""
_KEPT_SECONDS = 2 * 86_400
_NEWEST = 1000
"""Events that are looked through for one of the provider's."""
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
NO_LENGTH = HTTPStatus.LENGTH_REQUIRED
_PER_CALL = 100
"""Events at most that a provider puts into one call, as a rule."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused of a provider today and yesterday."""

    number: int
    status: int
    at: datetime
    """The last one."""


def note(provider: str, status: int, now: datetime) -> None:
    """Counts a call that was refused; where the cache is away it is missed, no more."""
    key = _key(provider, now.astimezone(UTC).date())
    try:
        cache.add(key, 0, _KEPT_SECONDS)
        cache.incr(key)
        cache.set(_last(provider), (status, now), _KEPT_SECONDS)
    except (RedisError, OSError, ValueError):
        logger.warning("cache is away, a refused webhook is not counted")


def counted(provider: str, now: datetime) -> Refused | None:
    """What was refused; None where nothing was, or the cache is away."""
    today = now.astimezone(UTC).date()
    keys = [_key(provider, today - timedelta(days=n)) for n in range(2)]
    try:
        found = cache.get_many([*keys, _last(provider)])
    except (RedisError, OSError):
        return None
    if _last(provider) not in found:
        return None
    status, at = found[_last(provider)]
    return Refused(sum(found.get(key, 0) for key in keys), status, at)


def _key(provider: str, day: date) -> str:
    return f"webhook_refused:{provider}:{day}"


def _last(provider: str) -> str:
    return f"webhook_refused:{provider}:last"


def check(now: datetime) -> None:
    """Afterwards the operator is told of each provider that is used and whose calls are refused, until
    they are taken again."""
    found = {}
    for provider in providers.configured():
        refused = counted(provider.name, now)
        if refused and _goes_on(provider.name, refused, now):
            found[provider.name] = Trouble(
                what=f"Calls of {provider.name}'s webhook are refused (HTTP {refused.status}), "
                f"{refused.number} today and yesterday: bounces and complaints are not seen.",
                mend=_mend(provider.name, refused.status),
                link="/admin/digest/providerplan/",
            )
    notices.stand("webhook_refused", found, now=now)


def _goes_on(provider: str, refused: Refused, now: datetime) -> bool:
    if refused.at < now - LASTS or refused.number < _fewest(provider, now):
        return False
    rows = Event.objects.order_by("-pk").values_list("provider", "received_at")[:_NEWEST]
    return not any(name == provider and at > refused.at - _BESIDE for name, at in rows)


def _fewest(provider: str, now: datetime) -> float:
    """How many calls would be refused if all were, at the least: a stranger makes some, too, and a
    provider that was given nothing lately has nothing to tell."""
    # Numbers, not a query: only then the index of editions is used.
    editions = set(Edition.objects.filter(closed_at__gte=now - RECENT).values_list("pk", flat=True))
    given = Batch.objects.filter(
        edition__in=editions, provider=provider, offered_at__gte=now - RECENT
    )
    taken = given.aggregate(readers=Sum("size"))["readers"] or 0
    return max(FEWEST, taken / _PER_CALL) if taken else float("inf")


def _mend(provider: str, status: int) -> str:
    address = f"{settings.SITE_URL}/webhooks/{provider}/tracking/"
    if status == HTTPStatus.NOT_FOUND:
        return (
            f"Its address is {address}, and the settings of {provider} must be there. "
            "Type: manage.py doctor"
        )
    if status == TOO_LARGE:
        return f"Let {provider} put fewer events into one call. Type: manage.py doctor"
    if status == NO_LENGTH:
        return (
            f"Calls of {provider} come in pieces, without their length: have the proxy pass on whole "
            "requests, as deploy/nginx.conf does. Type: manage.py doctor"
        )
    key = f" and {signing.KEYS[provider]}" if provider in signing.KEYS else ""
    return (
        f"Compare WEBHOOK_SECRET (user:password in the webhook's address){key} with what {provider} "
        "has. Type: manage.py doctor"
    )
