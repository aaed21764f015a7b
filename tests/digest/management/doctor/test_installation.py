"""What is on our side: settings, database, migrations, cache, broker, and who works."""

from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
import redis
from django.core.cache import cache
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from digest.delivery.watching import signs
from digest.management.doctor import installation, processes
from digest.management.doctor.findings import Asked
from digest.records import Verdict
from subscriptions import append_only
from tests.flows.processes import free_port
from tests.servers import LocalServer

OK, WARN, FAIL, SKIPPED = Verdict


def look(check):
    return [(found.state, found.what) for found in check(Asked())]


def test_wrong_setting_is_told_with_its_mend(settings):
    settings.DEBUG = True
    settings.EMAIL_PROVIDERS = ["nobody"]
    found = [each for each in installation.check_settings(Asked()) if each.state is FAIL]
    assert "'nobody' is not one of" in found[0].what
    assert found[0].what.endswith("(digest.E005)")
    assert found[0].mend == "See docs/providers.md."


def test_checks_of_deployment_are_for_production_only(settings):
    settings.SECURE_HSTS_SECONDS = 0
    settings.DEBUG = False
    assert any("security.W004" in what for _, what in look(installation.check_settings))
    settings.DEBUG = True
    assert not any("security" in what for _, what in look(installation.check_settings))


@pytest.mark.django_db
def test_database_that_answers_is_good_and_tells_its_version():
    ((state, what),) = look(installation.check_database)
    assert state is OK
    assert what.startswith(("PostgreSQL ", "SQLite "))


@pytest.mark.django_db
def test_read_only_database_is_a_failure():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such state")
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert look(installation.check_database) == [(FAIL, "is read-only")]


@pytest.mark.django_db
def test_all_migrations_are_applied_here():
    assert look(installation.check_migrations) == [(OK, "all are applied")]


@pytest.mark.django_db
def test_migration_that_ended_half_way_is_told_of():
    append_only.lift()
    found = "one ended half way, and nothing guards consent records"
    assert look(installation.check_migrations) == [(FAIL, found)]


@pytest.mark.django_db
def test_migration_that_waits_is_named():
    ((_, last),) = MigrationLoader(connection).graph.leaf_nodes("digest")
    MigrationRecorder(connection).record_unapplied("digest", last)
    ((state, what),) = look(installation.check_migrations)
    assert (state, f"digest.{last}" in what) == (FAIL, True)


def test_cache_keeps_what_is_put_there(settings):
    assert look(installation.check_cache) == [(OK, "keeps what is put there")]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert look(installation.check_cache)[0][0] is FAIL


def test_broker_that_answers_tells_how_much_waits(settings, redis_server):
    settings.CELERY_BROKER_URL = redis_server.url
    with closing(redis.Redis.from_url(redis_server.url)) as link:
        link.rpush("mail", *["{}"] * 3)
        assert look(installation.check_broker) == [
            (OK, "Redis answers; messages: 0 in digest, 0 in fetch, 3 in mail")
        ]


def test_broker_that_may_throw_messages_away_is_a_warning(settings, redis_server):
    settings.CELERY_BROKER_URL = redis_server.url
    with closing(redis.Redis.from_url(redis_server.url)) as link:
        link.config_set("maxmemory", "64mb")
        link.config_set("maxmemory-policy", "allkeys-lru")
        link.rpush("mail", *["{}"] * 1001)
    found = look(installation.check_broker)
    assert [state for state, _ in found] == [WARN, WARN, OK]
    assert "maxmemory-policy allkeys-lru" in found[0][1]
    assert "1,001 messages wait in the queue mail" in found[1][1]


def test_broker_that_is_away_is_a_failure_without_its_password(settings):
    settings.CELERY_BROKER_URL = f"redis://:word@127.0.0.1:{free_port()}/0"
    ((state, what),) = look(installation.check_broker)
    assert (state, "word" in what) == (FAIL, False)


def test_broker_of_files_is_skipped(settings):
    settings.CELERY_BROKER_URL = "filesystem://"
    assert look(installation.check_broker)[0][0] is SKIPPED


@pytest.mark.parametrize(
    ("age", "state"), [(timedelta(seconds=20), OK), (timedelta(minutes=9), FAIL), (None, FAIL)]
)
def test_beat_is_heard_by_what_it_asks_for(age, state):
    cache.delete(signs.BEAT_SEEN)
    if age is not None:
        cache.set(signs.BEAT_SEEN, timezone.now() - age)
    assert look(processes.check_beat)[0][0] is state


def at(offset, **headers):
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response_only(200)
            if offset is not None:
                then = timezone.now() + offset
                self.send_header("Date", f"{then:%a, %d %b %Y %H:%M:%S} GMT")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


@pytest.mark.parametrize(
    ("offset", "state", "words"),
    [
        (timedelta(), OK, "agrees"), (timedelta(seconds=90), FAIL, "behind"),
        (timedelta(seconds=-90), FAIL, "ahead"), (None, SKIPPED, "does not answer"),
    ],
)  # fmt: skip
def test_clock_is_compared_with_another_machines(settings, offset, state, words):
    with LocalServer(at(offset)) as server:
        settings.HUGGING_FACE_URL = server.url
        ((found, what),) = look(processes.check_clock)
    assert (found, words in what) == (state, True), what


@pytest.mark.parametrize(
    ("age", "state"), [("90", OK), ("30", FAIL), ("long", SKIPPED), ("9" * 30, SKIPPED)]
)
def test_answer_of_a_cache_is_as_old_as_it_says(settings, age, state):
    with LocalServer(at(timedelta(seconds=-90), Age=age)) as server:
        settings.HUGGING_FACE_URL = server.url
        assert look(processes.check_clock)[0][0] is state


@pytest.mark.django_db
def test_clock_of_the_database_agrees():
    found = look(processes.check_database_clock)
    assert [state for state, _ in found] == ([OK] if connection.vendor == "postgresql" else [])
