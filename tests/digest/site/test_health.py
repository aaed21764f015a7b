"""Liveness and readiness."""

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from digest import tasks


def test_alive_needs_no_database(client):
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_ready_when_database_broker_and_worker_answer(client):
    cache.clear()
    assert client.get("/readyz").json()["worker"] == "away"
    tasks.dispatch_digests()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "broker": "ok", "worker": "ok"}


@pytest.mark.django_db
def test_not_ready_when_no_worker_was_seen_for_long(client):
    tasks.dispatch_digests()
    with time_machine.travel(timezone.now() + timedelta(minutes=21)):
        response = client.get("/readyz")
    assert (response.status_code, response.json()["worker"]) == (503, "away")


@pytest.mark.django_db
def test_worker_that_fetches_for_long_is_still_there(client):
    tasks.dispatch_digests()
    with time_machine.travel(timezone.now() + timedelta(minutes=15)):
        assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_not_ready_when_the_broker_is_away(client, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    response = client.get("/readyz")
    assert (response.status_code, response.json()["broker"]) == (503, "away")


def test_health_is_not_redirected_to_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
