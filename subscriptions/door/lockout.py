"""Who may not try to sign in for a while: what django-axes counts, where the limits are, and the page that
says so."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off, get_failure_limit
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.crypto import salted_hmac

from subscriptions import limits

PER_NETWORK = 20
"""Failed sign-ins from one network, whatever the names, before it is locked out."""
PER_NAME = 60
"""Failed sign-ins for one name from everywhere, before networks are refused that it never signed in from."""
KNOWN_FOR = timedelta(days=30)
"""How long a network is remembered that somebody signed in from."""
NO_ADDRESS = "0.0.0.0"  # noqa: S104  nothing listens here
"""What stands for the address of a client that has none, as behind a Unix socket: of rows with NULL the
database's unique key would take two."""

Credentials = dict[str, Any]


class Handler(AxesDatabaseHandler):  # type: ignore[misc]  # it has no types
    """Counts in the database, with a limit for each of AXES_LOCKOUT_PARAMETERS."""

    def get_failures(self, request: HttpRequest, credentials: Credentials | None = None) -> int:
        """AXES_FAILURE_LIMIT or more where any limit is reached; else the name's from this network."""
        own = _sum(self.get_user_attempts(request, credentials)[0])
        is_over = bool(self.over(request, credentials))
        limit: int = get_failure_limit(request, credentials)
        return max(own, limit) if is_over else own

    def over(
        self, request: HttpRequest, credentials: Credentials | None = None
    ) -> list[QuerySet[Any]]:
        """The attempts of each limit that is reached."""
        own, of_network, of_name = self.get_user_attempts(request, credentials)
        found = []
        if _sum(own) >= get_failure_limit(request, credentials):
            found.append(own)
        # Where nobody has an address, all would be locked out by one.
        if limits.client_address(request) and _sum(of_network) >= PER_NETWORK:
            found.append(of_network)
        if _sum(of_name) >= PER_NAME and not _is_known(request, name_tried(request, credentials)):
            found.append(of_name)
        return found


def _sum(attempts: QuerySet[Any]) -> int:
    return int(attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0)


def _is_known(request: HttpRequest, name: str) -> bool:
    """Whether they came in from there lately: others can't lock them out of it."""
    since = timezone.now() - KNOWN_FOR
    rows = AccessLog.objects.filter(username=name, ip_address=network_of(request))
    return bool(limits.client_address(request)) and rows.filter(attempt_time__gte=since).exists()


def network_of(request: HttpRequest) -> str:
    """The client's address, as far as TRUSTED_PROXIES say it; of IPv6 the first address of its /64."""
    network = limits.client_of(limits.client_address(request)).partition("/")[0]
    return str(ip_address(network)) if network else NO_ADDRESS


def name_tried(request: HttpRequest, credentials: Credentials | None = None) -> str:
    """The name of an operator; anything else by a keyed hash, since passwords land in that field, too."""
    name = str((credentials or {}).get("username") or request.POST.get("username", ""))[:150]
    if "\0" not in name and User.objects.filter(username=name).exists():
        return name
    return f"unknown {salted_hmac(__name__, name).hexdigest()[:12]}"


def refusal(request: HttpRequest, name: str) -> HttpResponse | None:
    """The page that says so, where this client may not sign in by this name now."""
    credentials = {"username": name}
    is_allowed = AxesProxyHandler.is_allowed(request, credentials)
    return None if is_allowed else locked_page(request, None, credentials)


def count_failure(request: HttpRequest, name: str) -> None:
    """Afterwards a wrong second factor counts as a wrong password does; the request's answer is the
    page of who is locked out, where that was one too many."""
    AxesProxyHandler.user_login_failed(__name__, {"username": name}, request)


def clear(request: HttpRequest, name: str) -> None:
    """Afterwards the name's failed sign-ins from this network count no more, and it is known from there."""
    here = {"username": name, "ip_address": network_of(request)}
    AccessAttempt.objects.filter(**here).delete()
    AccessLog.objects.filter(**here).delete()
    AccessLog.objects.create(**here)


def locked_page(
    request: HttpRequest, _response: HttpResponse | None, credentials: Credentials | None
) -> HttpResponse:
    """429, with one clear line, and in `Retry-After` the seconds until it is over."""
    over = AxesProxyHandler.get_implementation().over(request, credentials)
    seconds = max(map(_seconds_left, over), default=1)
    context = admin.site.each_context(request) | {
        "title": "Too many failed sign-ins",
        "minutes": ceil(seconds / 60),
    }
    answer = render(request, "admin/door/locked.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    add_never_cache_headers(answer)
    return answer


def _seconds_left(attempts: QuerySet[Any]) -> int:
    last = attempts.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    left = last + cool_off() - timezone.now()
    return max(ceil(left.total_seconds()), 1)


def cool_off() -> timedelta:
    """How long somebody is locked out after their last failed sign-in."""
    found: timedelta = get_cool_off()
    return found


def forget(now: datetime) -> int:
    """Afterwards no attempt is kept that counts no more, and no network that is known no more; how
    many rows went."""
    old = AccessAttempt.objects.filter(attempt_time__lt=now - cool_off())
    unknown = AccessLog.objects.filter(attempt_time__lt=now - KNOWN_FOR)
    return int(old.delete()[0] + unknown.delete()[0])
