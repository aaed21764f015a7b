"""How often a client, a mail domain and everybody together may ask us to send a mail, and how often
a client may ask the API or search. How often a reader may open papers that count.

Limits for a single address are in `services.request_message`: they hold for every way in. What adds up
to how many mails an hour is in docs/sign-up.md; whoever changes a number changes it there.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django_ratelimit import ALL
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from . import asked, breaker
from .addresses import mailbox_hashes_of
from .rates import parsed

# A neighbourhood, a /24 or /48, may ask as often as so many clients: a household, an office or a carrier
# has several of them, and whoever rents one server easily rents the addresses beside it.
CLIENTS_OF_A_NETWORK = 4
# While the breaker is open, each neighbourhood may sign somebody up once an hour and a few times a day: a
# flood from many addresses starves, and who signs up for the first time gets through.
STRICT_RATES = ("1/h", "4/d")
# Sign-ups of one mailbox above this get the usual answer and are dropped before they are counted for
# its domain and the site, or a flood on one victim would use up what others there have. Nobody misses a
# mail by it: the mailbox has had as many as it may get.
MAILBOX_RATE = "10/h"
# Far above what honest days bring: they blunt a flood that comes from many clients.
DOMAIN_RATE = "600/h"
SITE_RATE = "3000/h"
# All mails an hour while the cache is away and nothing is counted there.
UNCOUNTED_RATE = 300
# Counts and suggestions while somebody types.
LOOKUP_RATE = "240/m"
# More than a person reads.
OPENED_RATE = "120/h"
# Mails that an operator sends to themselves.
TEST_RATE = "20/h"

_MOST_CLIENTS = 5000
"""Looked at while the cache is away."""
logger = logging.getLogger(__name__)


class _Usage(NamedTuple):
    number: int
    is_over: bool
    seconds_left: int


def client_address(request: HttpRequest) -> str:
    """The client's IP address; "" where there is none, as behind a Unix socket.

    `X-Forwarded-For` counts only as far as our own TRUSTED_PROXIES have written it: the last of
    them adds the last entry, and what stands before theirs may be anybody's invention.
    """
    seen = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(hops) >= settings.TRUSTED_PROXIES:
            seen = hops[-settings.TRUSTED_PROXIES]
    try:
        # fe80::1%eth0 names an interface of ours too, which is no part of the client's address.
        address = ip_address(seen.partition("%")[0])
    except ValueError:
        return ""
    # A listener for both families shows IPv4 clients as ::ffff:203.0.113.7.
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_has_had_enough(request: HttpRequest) -> bool:
    """Counts this try; True when the client has used up SIGNUP_RATE_CLIENT, or its neighbourhood
    what CLIENTS_OF_A_NETWORK have."""
    most, period = parsed(settings.SIGNUP_RATE_CLIENT)
    address = client_address(request)
    wide = f"{CLIENTS_OF_A_NETWORK * most}/{period // timedelta(seconds=1)}s"
    try:
        return (
            _usage(request, "client", client_of(address), settings.SIGNUP_RATE_CLIENT).is_over
            or _usage(request, "network", _network(address), wide).is_over
        )
    except (RedisError, OSError) as error:
        _log(error)
        return _seen(address, client_of, period) >= most


def mailbox_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts this try; True when the mailbox was named more often than anybody would name their own,
    so that nothing is done, and the answer is the usual one."""
    mailbox = mailbox_hashes_of(address)[0]
    return _is_over(request, "mailbox", mailbox, MAILBOX_RATE)


def mails_are_too_many(request: HttpRequest, address: str) -> bool:
    """Counts a mail to the address; True when the breaker is open and the client's neighbourhood has had
    its part, or the mail domain or the whole site is over its limit. What the first refuses does not
    count for the others, or a flood would use up what honest people have."""
    return _has_had_its_part(request) or domain_has_had_enough(request, address)


def _has_had_its_part(request: HttpRequest) -> bool:
    address = client_address(request)
    try:
        lately = _usage(request, "site", "site", SITE_RATE, is_counted=False).number
        mine = [_usage(request, "strict", _network(address), each) for each in STRICT_RATES]
        return any(usage.is_over for usage in mine) and breaker.is_open(lately)
    except (RedisError, OSError) as error:
        _log(error)
    had = [_seen(address, _network, each[1]) >= each[0] for each in map(parsed, STRICT_RATES)]
    return any(had) and breaker.standing(timezone.now()).is_open


def domain_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts a mail to the address; True when its mail domain, or the whole site, is over its limit."""
    domain = address.rpartition("@")[2].lower()
    try:
        return (
            _usage(request, "domain", domain, DOMAIN_RATE).is_over
            or _usage(request, "site", "site", SITE_RATE).is_over
        )
    except (RedisError, OSError) as error:
        _log(error)
        return asked.mails(timezone.now() - timedelta(hours=1)) >= UNCOUNTED_RATE


def _seen(address: str, part: Callable[[str], str], period: timedelta) -> int:
    """How many sign-ups came from this part of the net."""
    found = asked.clients(timezone.now() - period, _MOST_CLIENTS)
    return sum(part(each) == part(address) for each in found)


def reader_has_had_enough(request: HttpRequest, public_id: UUID) -> bool:
    """Counts this try; True when the reader has used up SIGNUP_RATE_ADDRESS, whatever came of it."""
    return _is_over(request, "reader", public_id.hex, settings.SIGNUP_RATE_ADDRESS)


def target_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts this try; True when readers have named this mailbox SIGNUP_RATE_ADDRESS times."""
    mailbox = mailbox_hashes_of(address)[0]
    return _is_over(request, "target", mailbox, settings.SIGNUP_RATE_ADDRESS)


def client_looks_up_too_much(request: HttpRequest) -> bool:
    """Counts this look-up; True when the client has used up LOOKUP_RATE."""
    return _is_over(request, "lookup", client_of(client_address(request)), LOOKUP_RATE)


def reader_opens_too_much(request: HttpRequest, public_id: UUID) -> bool:
    """Counts this paper; True when the reader has used up OPENED_RATE."""
    return _is_over(request, "opened", public_id.hex, OPENED_RATE)


def operator_tests_too_much(request: HttpRequest, operator_id: int) -> bool:
    """Counts this test; True when the operator has used up TEST_RATE."""
    return _is_over(request, "test", str(operator_id), TEST_RATE)


def seconds_until_api(request: HttpRequest) -> int:
    """Counts this request; 0, or the seconds until a client that has used up API_RATE may ask again."""
    return _seconds_until(request, "api", settings.API_RATE)


def seconds_until_search(request: HttpRequest) -> int:
    """Counts this question to the page of search; 0, or the seconds until a client that has used up
    API_RATE there may ask another one."""
    return _seconds_until(request, "search", settings.API_RATE)


def _seconds_until(request: HttpRequest, group: str, rate: str) -> int:
    try:
        usage = _usage(request, group, client_of(client_address(request)), rate)
    except (RedisError, OSError) as error:
        # Better pages without limits than none.
        _log(error)
        return 0
    return max(usage.seconds_left, 1) if usage.is_over else 0


def client_of(address: str) -> str:
    """Whom an address stands for: one customer of a provider has a whole /64."""
    return _part(address, 32, 64)


def _network(address: str) -> str:
    """The neighbourhood: what is rented in one piece, or belongs to one house."""
    return _part(address, 24, 48)


def _part(address: str, of_four: int, of_six: int) -> str:
    if not address:
        return ""
    length = of_four if ip_address(address).version == 4 else of_six  # noqa: PLR2004
    return str(ip_network((address, length), strict=False))


def _is_over(request: HttpRequest, group: str, value: str, rate: str) -> bool:
    try:
        return _usage(request, group, value, rate).is_over
    except (RedisError, OSError) as error:
        # The limit for each mailbox is in the database and still holds.
        _log(error)
        return False


def _usage(
    request: HttpRequest, group: str, value: str, rate: str, *, is_counted: bool = True
) -> _Usage:
    found = get_usage(
        request,
        group=f"subscriptions.{group}",
        key=lambda _group, _request: value,
        rate=rate,
        method=ALL,
        increment=is_counted,
    )
    # None where RATELIMIT_ENABLE is off.
    return _Usage(found["count"], found["should_limit"], found["time_left"]) if found else _NONE


_NONE = _Usage(0, False, 0)


def _log(error: Exception) -> None:
    logger.warning("rate limits off", extra={"error": type(error).__name__})
