"""Is it alive, and can it work: for load balancers and the person on call."""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from digest.tasks import WORKER_SEEN

logger = logging.getLogger(__name__)

BROKER_SECONDS = 2
WORKER_SILENCE = timedelta(minutes=3)


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
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("database is away")
        return "away"
    return "ok"


def _broker() -> str:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    try:
        with Connection(
            settings.CELERY_BROKER_URL, connect_timeout=BROKER_SECONDS, transport_options=options
        ) as link:
            link.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except (OperationalError, OSError):
        logger.exception("broker is away")
        return "away"
    return "ok"


def _worker() -> str:
    """A worker plans every minute and says so; after three minutes of silence there is none."""
    try:
        seen_at = cache.get(WORKER_SEEN)
    except (RedisError, OSError):
        return "away"
    return "ok" if seen_at and timezone.now() - seen_at < WORKER_SILENCE else "away"
