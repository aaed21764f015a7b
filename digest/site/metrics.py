"""`/metrics` for Prometheus: what the installation keeps, and what its processes count."""

from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder

from digest import measuring
from digest.delivery.watching import measures

_BY_PROXY = (
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *("Forwarded", "X-Real-IP", "Via"),
)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class _Kept:
    def collect(self) -> Iterable[Metric]:
        return measures.collect(timezone.now())


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """In Prometheus' text format, or in OpenMetrics for who asks for that."""
    if not _may_read(request):
        answer = HttpResponse("A bearer token is needed (METRICS_TOKEN).\n", status=401)
        answer["WWW-Authenticate"] = "Bearer"
        answer["Content-Type"] = "text/plain; charset=utf-8"
        return answer
    registry = measuring.registry()
    registry.register(_Kept())
    encode, kind = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=kind)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        return measuring.is_known(request.headers.get("Authorization", ""))
    return _is_on_this_machine(request)


def _is_on_this_machine(request: HttpRequest) -> bool:
    """Whether it comes from a program of this machine itself, and not through a proxy on it."""
    if any(name in request.headers for name in _BY_PROXY):
        return False
    name = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
    try:
        is_loopback = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    return is_loopback and name in _LOCAL_NAMES
