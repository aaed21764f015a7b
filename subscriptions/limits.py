"""How often a client, a mail domain and everybody together may ask us to send a mail, and how often
a client may ask the API or search. How often a reader may open papers that count. Whether a body says its
length, by which all others are limited.

Limits for a single address are in `services.request_message`: they hold for every way in. What adds up
to how many mails an hour is in docs/sign-up.md; whoever changes a number changes it there.

While Redis is away each process counts by itself. It does not go by what the database knows of who asked:
nothing is left there of who was erased, so that the try at which a refusal comes would tell of them.
"""

import logging
import re
import time
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest
from django_ratelimit import ALL
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from . import breaker, rates
from .addresses import mailbox_hashes_of

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
# Counts and suggestions while somebody types.
LOOKUP_RATE = "240/m"
# More than a person reads.
OPENED_RATE = "120/h"
# Mails that an operator sends to themselves.
TEST_RATE = "20/h"

OWN_COUNTS = LocMemCache("subscriptions.limits", {"OPTIONS": {"MAX_ENTRIES": 50_000}})
"""Of this process, while Redis is away; the oldest make room for new ones."""
_WITH_PORT = re.compile(r"\[([^]]{2,60})\](?::[0-9]{1,5})?|([0-9.]{7,15}):[0-9]{1,5}")
logger = logging.getLogger(__name__)


class _Usage(NamedTuple):
    number: int
    most: int
    is_over: bool
    seconds_left: int

    @property
    def wait(self) -> int:
        """Seconds; 0 for none."""
        return max(self.seconds_left, 1) if self.is_over else 0

    @property
    def wait_for_next(self) -> int:
        """Seconds; 0 where one more would not be over."""
        return max(self.seconds_left, 1) if self.number >= self.most else 0


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
    # Some proxies write 203.0.113.7:5123 and [2001:db8::1]:443 into the header.
    if found := _WITH_PORT.fullmatch(seen):
        seen = found[1] or found[2]
    try:
        # fe80::1%eth0 names an interface of ours too, which is no part of the client's address.
        address = ip_address(seen.partition("%")[0])
    except ValueError:
        return ""
    # A listener for both families shows IPv4 clients as ::ffff:203.0.113.7.
    return str(getattr(address, "ipv4_mapped", None) or address)


def has_unknown_length(request: HttpRequest) -> bool:
    """Whether the body comes in pieces (RFC 9112, 7.1) and nothing says how long it is: Django takes
    such a one for empty, so it has to be refused, or what it says is lost without a word."""
    return "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH")


def seconds_until_client(request: HttpRequest) -> int:
    """Counts this try; 0, or the seconds until a client may ask again that has used up
    SIGNUP_RATE_CLIENT, or whose neighbourhood has what CLIENTS_OF_A_NETWORK have."""
    most, period = rates.parsed(settings.SIGNUP_RATE_CLIENT)
    address = client_address(request)
    wide = f"{CLIENTS_OF_A_NETWORK * most}/{period // timedelta(seconds=1)}s"
    return (
        _usage(request, "client", client_of(address), settings.SIGNUP_RATE_CLIENT).wait
        or _usage(request, "network", _network(address), wide).wait
    )


def mailbox_has_had_enough(request: HttpRequest, address: str) -> bool:
    """Counts this try; True when the mailbox was named more often than anybody would name their own,
    so that nothing is done, and the answer is the usual one."""
    return _usage(request, "mailbox", mailbox_hashes_of(address)[0], MAILBOX_RATE).is_over


def seconds_until_sign_up(request: HttpRequest, address: str) -> int:
    """Counts a sign-up; 0, or the seconds to wait where the breaker is open and the client's
    neighbourhood has had its part, or as `seconds_until_mail`. What the first refuses does not count
    for the others, or a flood would use up what honest people have."""
    return _seconds_until_part(request) or seconds_until_mail(request, address)


def _seconds_until_part(request: HttpRequest) -> int:
    network = _network(client_address(request))
    for place, each in enumerate(STRICT_RATES):
        used = _usage(request, "strict", network, each)
        if used.is_over and is_strict(request):
            # What the hour refuses is not the day's; but the day may be used up as well.
            rest = STRICT_RATES[place + 1 :]
            later = [_usage(request, "strict", network, one, is_counted=False) for one in rest]
            return max(used.wait, *(one.wait_for_next for one in later), 1)
    return 0


def is_strict(request: HttpRequest) -> bool:
    """True while the breaker is open: then nobody is asked to confirm but by a sign-up that counts."""
    return breaker.is_open(_usage(request, "site", "site", SITE_RATE, is_counted=False).number)


def seconds_until_mail(request: HttpRequest, address: str) -> int:
    """Counts a mail to the address; 0, or the seconds until its mail domain, or the whole site, is no
    longer over its limit."""
    domain = address.rpartition("@")[2].lower()
    return (
        _usage(request, "domain", domain, DOMAIN_RATE).wait
        or _usage(request, "site", "site", SITE_RATE).wait
    )


def seconds_until_address_change(request: HttpRequest, public_id: UUID, address: str) -> int:
    """Counts a reader's wish to have the digest at this address, whatever comes of it; 0, or the
    seconds to wait where the reader has used up SIGNUP_RATE_ADDRESS, or readers have for this
    mailbox, or as `seconds_until_mail`."""
    most, mailbox = settings.SIGNUP_RATE_ADDRESS, mailbox_hashes_of(address)[0]
    return (
        _usage(request, "reader", public_id.hex, most).wait
        or _usage(request, "target", mailbox, most).wait
        or seconds_until_mail(request, address)
    )


def client_looks_up_too_much(request: HttpRequest) -> bool:
    """Counts this look-up; True when the client has used up LOOKUP_RATE."""
    return _usage(request, "lookup", client_of(client_address(request)), LOOKUP_RATE).is_over


def reader_opens_too_much(request: HttpRequest, public_id: UUID) -> bool:
    """Counts this paper; True when the reader has used up OPENED_RATE."""
    return _usage(request, "opened", public_id.hex, OPENED_RATE).is_over


def operator_tests_too_much(request: HttpRequest, operator_id: int) -> bool:
    """Counts this test; True when the operator has used up TEST_RATE."""
    return _usage(request, "test", str(operator_id), TEST_RATE).is_over


def seconds_until_api(request: HttpRequest) -> int:
    """Counts this request; 0, or the seconds until a client that has used up API_RATE may ask again."""
    return _usage(request, "api", client_of(client_address(request)), settings.API_RATE).wait


def seconds_until_search(request: HttpRequest) -> int:
    """Counts this question to the page of search; 0, or the seconds until a client that has used up
    API_RATE there may ask another one."""
    return _usage(request, "search", client_of(client_address(request)), settings.API_RATE).wait


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


def _usage(
    request: HttpRequest, group: str, value: str, rate: str, *, is_counted: bool = True
) -> _Usage:
    try:
        found = get_usage(
            request,
            group=f"subscriptions.{group}",
            key=lambda _group, _request: value,
            rate=rate,
            method=ALL,
            increment=is_counted,
        )
    except (RedisError, OSError) as error:
        logger.warning("limits counted here", extra={"error": type(error).__name__})
        return _own_usage(f"{group}.{value}", rate, is_counted=is_counted)
    # None where RATELIMIT_ENABLE is off.
    if not found:
        return _Usage(0, 1, is_over=False, seconds_left=0)
    # Its windows hold their last second, too.
    seconds = found["time_left"] + 1
    return _Usage(found["count"], found["limit"], found["should_limit"], seconds)


def _own_usage(name: str, rate: str, *, is_counted: bool) -> _Usage:
    most, period = rates.parsed(rate)
    seconds = period // timedelta(seconds=1)
    window, gone = divmod(int(time.time()), seconds)
    key = f"{rate}.{window}.{name}"
    OWN_COUNTS.add(key, 0, 2 * seconds)
    number = OWN_COUNTS.incr(key, int(is_counted))
    return _Usage(number, most, is_over=number > most, seconds_left=seconds - gone)
