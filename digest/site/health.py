"""Is it alive, and can it work: for load balancers and the person on call."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from digest.delivery.watching import signs


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when database, broker and a worker can be used, 503 and which one not otherwise."""
    state = {"database": _database(), "broker": _broker(), "worker": _worker()}
    return JsonResponse(state, status=200 if all(v == "ok" for v in state.values()) else 503)


def _database() -> str:
    return "ok" if signs.database_answers() else "away"


def _broker() -> str:
    return "ok" if signs.broker_answers() else "away"


def _worker() -> str:
    """A worker plans every minute and says so; after a long silence there is none."""
    found = signs.seen()
    seen_at = found and found[signs.WORKER_SEEN]
    return "ok" if seen_at and timezone.now() - seen_at <= signs.WORKER_SILENCE else "away"
