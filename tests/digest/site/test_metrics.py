"""`/metrics`: strict text, bounded, quick, for who may read it, and without a word about readers."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu import Connection
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as read

from digest.models import DayCount, DayFigure, Edition, EditionCount
from tests.builders import make_subscriber
from tests.digest.builders import make_batch
from tests.measures import DAY, keep_some

pytestmark = pytest.mark.django_db
HERE = {"HTTP_HOST": "localhost:8000"}
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@pytest.fixture
def kept(settings):
    return keep_some(settings)


def text(client, **headers):
    answer = client.get("/metrics", headers={"host": "localhost", **headers})
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def value(found, name, **labels):
    (number,) = (
        sample.value
        for family in read(found)
        for sample in family.samples
        if sample.name == f"daily_papers_{name}" and labels.items() <= sample.labels.items()
    )
    return number


def faults(families):
    """What `promtool check metrics` minds, and what breaks a scrape."""
    seen = Counter()
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert family.name.startswith("daily_papers_"), family.name
        for sample in family.samples:
            seen[sample.name, tuple(sorted(sample.labels.items()))] += 1
            suffix = sample.name.removeprefix(family.name)
            if suffix not in _SUFFIXES.get(family.type, ("_info",)):
                yield f"{sample.name} is a {family.type}"
        is_seconds = family.name.endswith("_seconds")
        if (
            "duration" in family.name or "timestamp" in family.name or "_age" in family.name
        ) != is_seconds:
            yield f"{family.name} has no unit"
    yield from (f"{key} twice" for key, number in seen.items() if number > 1)


def test_text_is_strict_in_both_formats(client, kept):
    client.get("/")
    plain = list(read(text(client)))
    strict = list(read_open_metrics(text(client, accept=OPEN_METRICS)))
    assert [*faults(plain), *faults(strict)] == []
    assert len(strict) >= 30


def test_counters_end_in_total_and_each_metric_has_help_and_type(client, kept):
    lines = text(client).splitlines()
    helped = {line.split()[2] for line in lines if line.startswith("# HELP")}
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert helped == set(typed)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in typed.items())


def test_values_are_those_that_are_kept(client, kept):
    found = text(client)
    assert value(found, "deliveries", edition="2026-08-20", state="skipped", reason="paused") == 2
    assert value(found, "deliveries", edition="2026-08-20", state="sent", reason="none") == 10
    assert value(found, "edition_due", edition="2026-08-20") == 12
    assert value(found, "batches", state="open") == 1
    assert value(found, "provider_circuit", provider="mailgun", state="open") == 1
    assert value(found, "provider_circuit", provider="smtp", state="closed") == 1
    assert value(found, "provider_messages_today", provider="mailgun") == 7
    assert value(found, "provider_rate_limit", provider="mailgun") == 100
    assert value(found, "provider_cap_today", provider="smtp") == 500
    assert value(found, "events_today", provider="mailgun", type="delivered") == 3
    assert value(found, "events_unapplied") == 1
    assert value(found, "readers_active") == 3
    assert value(found, "readers_today", change="signed_up") == 3
    assert value(found, "source_failed", source="arxiv") == 1
    assert value(found, "source_papers", source="hugging_face") == 3
    assert value(found, "notices_open", kind="late") == 1
    assert value(found, "up", part="database") == 1
    assert (
        abs(value(found, "last_seen_timestamp_seconds", part="beat") - timezone.now().timestamp())
        < 60
    )


def test_reports_and_messages_of_seven_days_are_summed(client, kept):
    today = timezone.now().date()
    DayCount.objects.all().delete()
    for days, number in ((0, 1), (6, 2), (7, 40)):
        day = today - timedelta(days=days)
        DayFigure.objects.create(day=day, kind="complained", about="mailgun", number=number)
        DayCount.objects.create(provider="mailgun", day=day, messages=number * 100)
    found = text(client)
    assert value(found, "events_week", provider="mailgun", type="complained") == 3
    assert value(found, "provider_messages_week", provider="mailgun") == 300


def test_age_of_the_oldest_digest_is_in_seconds(client, kept):
    kept.deliveries.update(created_at=timezone.now() - timedelta(minutes=10))
    assert 600 <= value(text(client), "oldest_waiting_age_seconds") < 610


def test_no_reader_is_in_it(client, kept):
    found = text(client)
    assert "example.org" not in found
    assert "@" not in found


def test_series_stay_bounded_however_long_it_runs(client):
    def series():
        return sum(len(f.samples) for f in read(text(client)) if "http_" not in f.name)

    for number in range(30):
        day = DAY - timedelta(days=number)
        made = Edition.objects.create(frequency="daily", date=day, paper_count=1)
        EditionCount.objects.create(edition=made, state="sent", number=1)
        if number == 10:
            before = series()
    assert series() == before < 300


def test_queries_do_not_grow_with_what_is_kept(client, kept):
    def queries():
        with CaptureQueriesContext(connection) as found:
            text(client)
        assert not any("subscriptions_subscriber" in each["sql"] for each in found)
        return len(found)

    # Plans of providers are read once a second.
    queries()
    before = queries()
    for number in range(5):
        other = Edition.objects.create(
            frequency="daily", date=DAY - timedelta(days=number + 1), paper_count=1
        )
        EditionCount.objects.create(edition=other, state="sent", number=1)
        make_batch([make_subscriber()], other.date, deliveries="pending", offered_at=None)
    assert queries() == before < 35


def test_without_a_token_only_this_machine_may_read(client):
    far = client.get("/metrics", REMOTE_ADDR="192.0.2.7", **HERE)
    proxied = client.get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1", **HERE)
    named = client.get("/metrics", HTTP_HOST="papers.example.org")
    near = client.get("/metrics", **HERE)
    near6 = client.get("/metrics", REMOTE_ADDR="::1", HTTP_HOST="[::1]:8000")
    codes = [each.status_code for each in (far, proxied, named, near, near6)]
    assert codes == [401, 401, 401, 200, 200]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer a-long-word", 200),
        ("bearer a-long-word", 200),
        ("Bearer a-long-wore", 401),
        ("Basic a-long-word", 401),
        ("Bearer", 401),
        ("Bearer ünïcode", 401),
        ("", 401),
    ],
)
def test_with_a_token_nobody_else_may_read(client, settings, header, status):
    settings.METRICS_TOKEN = "a-long-word"
    answer = client.get("/metrics", HTTP_AUTHORIZATION=header, **HERE)
    assert answer.status_code == status
    assert (status == 401) == (answer.get("WWW-Authenticate") == "Bearer")


def test_empty_token_opens_nothing(client, settings):
    settings.METRICS_TOKEN = ""
    answer = client.get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION="Bearer ", **HERE)
    assert answer.status_code == 401


def test_broker_that_is_away_is_said_and_hides_nothing_else(client, settings, kept):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    found = text(client)
    assert value(found, "up", part="broker") == 0
    assert value(found, "edition_due", edition="2026-08-20") == 12
    assert "queue_messages{" not in found


def test_messages_in_each_queue_are_counted(client, settings, redis_server):
    settings.CELERY_BROKER_URL = redis_server.url
    with Connection(redis_server.url) as link:
        for _ in range(3):
            link.SimpleQueue("mail").put({})
    found = text(client)
    assert value(found, "queue_messages", queue="mail") == 3
    assert value(found, "queue_messages", queue="fetch") == 0


def test_it_is_not_kept_and_not_redirected(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/metrics", **HERE)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
