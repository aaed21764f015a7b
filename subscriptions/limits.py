"""How often a client, a mail domain and everybody together may ask us to send a mail, and how often
a client may ask the API. How often a reader may open papers that count.

Limits for a single address are in `services.request_message`: they hold for every way in.
"""

import logging
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit import ALL
from django_ratelimit.core import get_usage, is_ratelimited
from redis.exceptions import RedisError

from .addresses import hash_of

# Far above what honest days bring: they blunt a flood that comes from many clients.
DOMAIN_RATE = "600/h"
SITE_RATE = "3000/h"
# Counts and suggestions while somebody types.
LOOKUP_RATE = "240/m"
# More than a person reads.
OPENED_RATE = "120/h"
# Mails that an operator sends to themselves.
TEST_RATE = "20/h"

logger = logging.getLogger(__name__)


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
    """Counts this try; True when the client has used up SIGNUP_RATE_CLIENT."""
    return _is_over(request, "client", network(client_address(request)))


def domain_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts this try; True when its mail domain, or the whole site, is over its limit."""
    domain = address.rpartition("@")[2]
    return _is_over(request, "domain", domain) or _is_over(request, "site", "site")


def reader_has_had_enough(request: HttpRequest, public_id: UUID) -> bool:
    """Counts this try; True when the reader has used up SIGNUP_RATE_ADDRESS, whatever came of it."""
    return _is_over(request, "reader", public_id.hex)


def target_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts this try; True when readers have named this address SIGNUP_RATE_ADDRESS times."""
    return _is_over(request, "target", hash_of(address))


def client_looks_up_too_much(request: HttpRequest) -> bool:
    """Counts this look-up; True when the client has used up LOOKUP_RATE."""
    return _is_over(request, "lookup", network(client_address(request)))


def reader_opens_too_much(request: HttpRequest, public_id: UUID) -> bool:
    """Counts this paper; True when the reader has used up OPENED_RATE."""
    return _is_over(request, "opened", public_id.hex)


def operator_tests_too_much(request: HttpRequest, operator_id: int) -> bool:
    """Counts this test; True when the operator has used up TEST_RATE."""
    return _is_over(request, "test", str(operator_id))


def seconds_until_api(request: HttpRequest) -> int:
    """Counts this request; 0, or the seconds until a client that has used up API_RATE may ask again."""
    client = network(client_address(request))
    try:
        usage = get_usage(
            request,
            group="subscriptions.api",
            key=lambda _group, _request: client,
            rate=settings.API_RATE,
            method=ALL,
            increment=True,
        )
    except (RedisError, OSError) as error:
        # Better an API without limits than none.
        logger.warning("rate limits off", extra={"error": type(error).__name__})
        return 0
    return max(int(usage["time_left"]), 1) if usage and usage["should_limit"] else 0


def network(address: str) -> str:
    """The address, or the network of one that is of IPv6."""
    if not address or not isinstance(ip_address(address), IPv6Address):
        return address
    # One customer of a provider has a whole /64.
    return str(ip_network((address, 64), strict=False))


def _is_over(request: HttpRequest, group: str, value: str) -> bool:
    rates = {
        "client": settings.SIGNUP_RATE_CLIENT,
        "domain": DOMAIN_RATE,
        "site": SITE_RATE,
        "reader": settings.SIGNUP_RATE_ADDRESS,
        "target": settings.SIGNUP_RATE_ADDRESS,
        "lookup": LOOKUP_RATE,
        "opened": OPENED_RATE,
        "test": TEST_RATE,
    }
    try:
        return bool(
            is_ratelimited(
                request,
                group=f"subscriptions.{group}",
                key=lambda _group, _request: value,
                rate=rates[group],
                method=ALL,
                increment=True,
            )
        )
    except (RedisError, OSError) as error:
        # The limit for each address is in the database and still holds.
        logger.warning("rate limits off", extra={"error": type(error).__name__})
        return False
