"""What is on our side of the network: settings, database, migrations, cache and broker."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.core.cache import cache
from django.core.checks import ERROR, CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from digest.delivery import partitions
from subscriptions import append_only

from .findings import SECONDS, Asked, Findings, saying

_FULL = 0.8
_LEAST_SPACE = 1024**3
_LONG_QUEUE = 1_000


def check_settings(asked: Asked) -> Findings:
    """The system checks of Django and of ours, in production those for deployment too."""
    ok, warn, fail, _ = saying("settings")
    found = run_checks(include_deployment_checks=not settings.DEBUG)
    serious = [each for each in found if each.is_serious() and not each.is_silenced()]
    others = [each for each in found if each not in serious and not each.is_silenced()]
    yield from (fail(*_words(each)) for each in serious)
    yield from (warn(*_words(each)) for each in others if each.level < ERROR)
    if not serious and not others:
        checks = "the checks" if settings.DEBUG else "the checks, those for deployment too,"
        yield ok(f"{checks} find nothing wrong")


def _words(message: CheckMessage) -> tuple[str, str]:
    parts = " ".join(str(message.msg).split()), " ".join(str(message.hint or "").split())
    return f"{parts[0]} ({message.id})", parts[1]


def check_database(asked: Asked) -> Findings:
    """It answers, may be written to, and has room for more connections."""
    _, _, fail, _ = saying("database")
    try:
        connection.ensure_connection()
        look = _look_at_postgres if connection.vendor == "postgresql" else _look_at_sqlite
        yield from look()
    except (DatabaseError, ImproperlyConfigured) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield fail(f"is away: {reason}", "Start it, or check DATABASE_URL.")


def _row(sql: str) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() or ()


def _look_at_postgres() -> Findings:
    ok, warn, fail, _ = saying("database")
    version, is_read_only, zone, most, used = _row(
        "SELECT current_setting('server_version'), current_setting('transaction_read_only'),"
        " current_setting('TimeZone'), current_setting('max_connections')::int,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
    if is_read_only == "on":
        yield fail("is read-only", "Point DATABASE_URL at the primary server.")
    if used > _FULL * most:
        yield warn(
            f"{used} of {most} connections are in use",
            "Raise max_connections, or put PgBouncer in front.",
        )
    if number := partitions.overflow():
        yield warn(
            f"{number} deliveries are in {partitions.DEFAULT}: no partition was made for their month",
            "Is beat running, and a worker at night? Type: manage.py partition_deliveries",
        )
    if zone != "UTC":
        yield warn(
            f"its sessions are in {zone}, not in UTC",
            "Let the pooler between keep what a session sets, or set the role's timezone to UTC.",
        )
    if is_read_only != "on":
        yield ok(f"PostgreSQL {version} answers, {used} of {most} connections in use")


def _look_at_sqlite() -> Findings:
    ok, warn, fail, _ = saying("database")
    (version,) = _row("SELECT sqlite_version()")
    file = Path(str(connection.settings_dict["NAME"]))
    wanted = [file, file.parent] if file.exists() else [file.parent]
    if not all(os.access(path, os.W_OK) for path in wanted):
        yield fail(f"{file} can't be written to", "Give this user the file and its folder.")
        return
    free = shutil.disk_usage(file.parent).free
    if free < _LEAST_SPACE:
        yield warn(f"{free // 1024**2} MB are left on its disk", "Make room.")
    yield ok(f"SQLite {version} answers")


def check_migrations(asked: Asked) -> Findings:
    """None waits to be applied, and none left the consent records without their guard."""
    ok, _, fail, skipped = saying("migrations")
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        yield skipped("the database is away")
        return
    if plan:
        first = plan[0][0]
        yield fail(
            f"{len(plan)} are not applied, {first.app_label}.{first.name} first",
            "manage.py migrate",
        )
    elif not append_only.is_up():
        yield fail("one ended half way, and nothing guards consent records", "manage.py migrate")
    else:
        yield ok("all are applied")


def check_cache(asked: Asked) -> Findings:
    """What is put there is there."""
    ok, _, fail, _ = saying("cache")
    key, mark = f"doctor.{uuid4().hex}", uuid4().hex
    try:
        cache.set(key, mark, timeout=60)
        is_kept = cache.get(key) == mark
        cache.delete(key)
    except (RedisError, OSError) as error:
        yield fail(f"is away ({type(error).__name__})", "Start Redis, or check REDIS_URL.")
        return
    if is_kept:
        yield ok("keeps what is put there")
    else:
        yield fail("forgets what is put there", "Look at its memory, and at VAR_DIR.")


def check_broker(asked: Asked) -> Findings:
    """It answers, never throws a message away, and nothing piles up in it."""
    ok, warn, fail, skipped = saying("broker")
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://", 1)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        mend = "make run starts a Redis by itself, where there is one."
        yield skipped("messages go through files, which is enough for trying it", mend)
        return
    try:
        with redis.Redis.from_url(
            url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        ) as link:
            held, lengths = link.info("memory"), {name: link.llen(name) for name in queues()}
    except (RedisError, OSError) as error:
        yield fail(f"is away ({type(error).__name__})", "Start Redis, or check REDIS_URL.")
        return
    most, used = int(held.get("maxmemory", 0)), int(held.get("used_memory", 0))
    policy = str(held.get("maxmemory_policy", "noeviction"))
    if most and policy != "noeviction":
        yield warn(
            f"may throw messages away when it is full (maxmemory-policy {policy})",
            "redis-cli config set maxmemory-policy noeviction",
        )
    if most and used > _FULL * most:
        yield warn(f"{100 * used // most} % of its memory are in use", "Raise maxmemory.")
    long = {name: length for name, length in lengths.items() if length > _LONG_QUEUE}
    for name, length in long.items():
        yield warn(f"{length:,} messages wait in the queue {name}", "Look at its workers.")
    waiting = ", ".join(f"{length} in {name}" for name, length in lengths.items())
    yield ok(f"Redis answers; messages: {waiting}")


def queues() -> list[str]:
    """The queues that tasks go to."""
    routed = {str(route["queue"]) for route in settings.CELERY_TASK_ROUTES.values()}
    return sorted(routed | {settings.CELERY_TASK_DEFAULT_QUEUE})
