"""How many events a second come in and are applied: gunicorn, a worker and PostgreSQL on this machine.

Mailgun posts one signed event at a time, over connections that it keeps; Mailjet many in one call.
"""
# ruff: noqa: PLC0415, S608  imports after the settings; SQL of numbers of ours

import hashlib
import hmac
import json
import os
import selectors
import socket
import sys
import tempfile
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.flows.processes import Installation, wait_for
from tests.services import POSTGRES_URL, why_no_postgres

MOST_SINGLE = 20_000
MOST_BULK = 200_000
PER_CALL = 200
NAIVE_CALLS = 2_000
CONNECTIONS = 16
BATCH = 1000
KEY = "key"
GUNICORN = ["--worker-class=gthread", "--workers=2", "--threads=8", "--log-level=warning"]


def run(*, subscribers: int) -> list[tuple[str, str, str]]:
    """Rows of what, events a second, and the ratio to applying each event while the ESP waits."""
    if reason := why_no_postgres():
        return [(reason, "-", "-")]
    numbers = range(1, subscribers + 1)
    singles = [mailgun(numbers[n % subscribers]) for n in range(min(MOST_SINGLE, 2 * subscribers))]
    bulks = [mailjet(part) for part in _parts(numbers[:MOST_BULK], PER_CALL)]
    events = sum(len(part) for part in _parts(numbers[:MOST_BULK], PER_CALL))
    naive = _rates("tests.bench.events:naive_application()", subscribers, singles[:NAIVE_CALLS])
    single = _rates("config.wsgi", subscribers, singles)
    bulk = _rates("config.wsgi", subscribers, bulks, events=events)
    rows = [
        ("one event a call, applied while the ESP waits (baseline)", naive[0]),
        (f"one event a call, {len(singles):,} taken", single[0]),
        (f"one event a call, {len(singles):,} taken and applied", single[1]),
        (f"{PER_CALL} events a call, {events:,} taken", bulk[0]),
        (f"{PER_CALL} events a call, {events:,} taken and applied", bulk[1]),
    ]
    return [(what, f"{rate:,.0f} /s", f"{rate / naive[0]:,.2g} x") for what, rate in rows]


def _parts(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def mailgun(number: int) -> bytes:
    stamp, token = str(int(time.time())), uuid.uuid4().hex + "0" * 18
    signature = hmac.new(KEY.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    body = {
        "signature": {"timestamp": stamp, "token": token, "signature": signature},
        "event-data": {
            "event": "delivered",
            "id": token[:22],
            "timestamp": time.time(),
            "log-level": "info",
            "recipient": f"reader{number}@example.org",
            "recipient-domain": "example.org",
            "tags": ["digest"],
            "envelope": {"transport": "smtp", "sending-ip": "192.0.2.7", "targets": "x@example.org"},
            "flags": {"is-routed": False, "is-authenticated": True, "is-test-mode": False},
            "delivery-status": {"code": 250, "message": "OK", "description": "", "tls": True,
                                "mx-host": "mx.example.org", "session-seconds": 0.43, "attempt-no": 1},
            "message": {"headers": {"message-id": f"{number}@papers.example.org", "subject": "Today",
                                    "to": f"reader{number}@example.org"}, "attachments": [], "size": 81_000},
            "user-variables": {"delivery": str(number), "batch": str((1 << 32) + number // BATCH)},
        },
    }  # fmt: skip
    return _request("mailgun", body)


def mailjet(numbers: Sequence[int]) -> bytes:
    body = [
        {
            "event": "sent",
            "time": int(time.time()),
            "MessageID": 19_421_777_835_146_490 + number,
            "Message_GUID": str(uuid.uuid4()),
            "email": f"reader{number}@example.org",
            "mj_campaign_id": 7257,
            "mj_contact_id": number,
            "customcampaign": "digest",
            "mj_message_id": str(19_421_777_835_146_490 + number),
            "smtp_reply": "sent (250 2.0.0 OK 1433333948 fa5si855896wjc.199 - gsmtp)",
            "CustomID": "",
            "Payload": json.dumps({"delivery": str(number), "batch": str((1 << 32) + number // BATCH)}),
        }
        for number in numbers
    ]  # fmt: skip
    return _request("mailjet", body)


def _request(esp: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    secret = b64encode(b"user:word").decode()
    head = (
        f"POST /webhooks/{esp}/tracking/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        f"Authorization: Basic {secret}\r\n\r\n"
    )
    return head.encode() + content


@contextmanager
def _database() -> Iterator[str]:
    name = f"bench_events_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _rates(
    application: str, subscribers: int, requests: Sequence[bytes], *, events: int = 0
) -> tuple[float, float]:
    """Events a second until all are answered, and until all are applied."""
    events = events or len(requests)
    with tempfile.TemporaryDirectory() as folder, _database() as url:
        service = Installation(
            Path(folder),
            DATABASE_URL=url,
            SECRET_KEY="bench",
            DEBUG=0,
            SECURE_SSL_REDIRECT=0,
            POSTAL_ADDRESS="12 Sample Street",
            DEFAULT_FROM_EMAIL="digest@papers.example.org",
            WEBHOOK_SECRET="user:word",
            MAILGUN_WEBHOOK_SIGNING_KEY=KEY,
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        service.manage("migrate", "-v0")
        with psycopg.connect(url, autocommit=True) as connection:
            _fill(connection, subscribers)
            try:
                bind = f"--bind=127.0.0.1:{service.port}"
                service.start(
                    "web", [sys.executable, "-m", "gunicorn", application, *GUNICORN, bind]
                )
                service.start("worker", [sys.executable, "-m", "tests.bench.events"])
                wait_for(service.is_up, what="the web process")
                wait_for(lambda: "ready" in service.log("worker"), what="the worker")
                post(service.port, requests[:CONNECTIONS])
                return _time(service.port, requests[CONNECTIONS:], connection, events)
            finally:
                service.stop()


def _time(
    port: int, requests: Sequence[bytes], connection: psycopg.Connection, events: int
) -> tuple[float, float]:
    before = _applied(connection)
    started = time.perf_counter()
    post(port, requests)
    taken = time.perf_counter() - started
    wait_for(lambda: _applied(connection) >= events, what="the worker")
    applied = time.perf_counter() - started
    return (events - before) / taken, (events - before) / applied


def _applied(connection: psycopg.Connection) -> int:
    query = "SELECT count(*) FROM digest_event WHERE applied_at IS NOT NULL"
    return connection.execute(query).fetchone()[0]


def _fill(connection: psycopg.Connection, subscribers: int) -> None:
    """Readers with a delivery of the same number each, in batches of BATCH; all were sent."""
    connection.execute(
        f"""
        INSERT INTO digest_edition (id, frequency, date, closed_at, paper_count, due_count, batch_count, held_because, is_sample)
        VALUES (1, 'daily', '2026-08-20', now(), 8, {subscribers}, 0, '', false);
        INSERT INTO digest_audience (id, edition_id, contents_key, cards, language, format, topic_count,
            words, paper_count)
        VALUES (1, 1, 'x', '[]', 'en', 'html', 0, '[]', 8);
        INSERT INTO subscriptions_slot (id, frequency, hour, timezone, next_digest_at)
        VALUES (1, 'daily', 7, 'UTC', now());
        INSERT INTO subscriptions_subscriber (id, public_id, email, address_hash, state, token_version,
            frequency, hour, timezone, length, selection_key, slot_id, created_at, confirmed_at)
        SELECT n, gen_random_uuid(), 'reader' || n || '@example.org', md5(n::text), 'active', 1,
            'daily', 7, 'UTC', 8, 'x', 1, now(), now() FROM generate_series(1, {subscribers}) n;
        INSERT INTO digest_batch (id, edition_id, audience_id, state, size, attempts, provider, offered_at)
        SELECT (1::bigint << 32) + n, 1, 1, 'done', {BATCH}, 1, 'mailgun', now()
        FROM generate_series(0, {subscribers} / {BATCH}) n;
        INSERT INTO digest_delivery (id, edition_id, subscriber_id, audience_id, batch_id, state, reason,
            detail, provider, esp_message_id, created_at, sent_at)
        SELECT n, 1, n, 1, (1::bigint << 32) + n / {BATCH}, 'sent', '', '', 'mailgun', '', now(), now()
        FROM generate_series(1, {subscribers}) n;
        """
    )
    connection.execute("VACUUM ANALYZE")


def post(port: int, requests: Sequence[bytes]) -> None:
    """Posts all over CONNECTIONS kept connections, each with one request under way."""
    waiting = iter(requests)
    with selectors.DefaultSelector() as ready:
        for request in (next(waiting, None) for _ in range(CONNECTIONS)):
            if request is not None:
                link = socket.create_connection(("127.0.0.1", port))
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.sendall(request)
                ready.register(link, selectors.EVENT_READ)
        while ready.get_map():
            answered = ready.select(timeout=60)
            if not answered:
                raise AssertionError("no answer within a minute")
            for key, _ in answered:
                link = key.fileobj
                answer = link.recv(65_536)
                if b" 200 " not in answer[:16]:
                    raise AssertionError(answer[:300])
                request = next(waiting, None)
                if request is None:
                    ready.unregister(link)
                    link.close()
                elif b"\r\nConnection: close" in answer:
                    raise AssertionError("the connection is not kept")
                else:
                    link.sendall(request)


def naive_application():
    """The service with a receiver that applies each event while the ESP waits."""
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    from anymail.signals import tracking
    from django.db import transaction
    from django.utils import timezone

    from digest import receivers
    from digest.delivery import settling
    from digest.models import Delivery, Event

    def record(event, esp_name, **_):
        delivery = Delivery.objects.filter(pk=int(event.metadata["delivery"])).first()
        with transaction.atomic():
            row, is_new = Event.objects.get_or_create(
                provider=esp_name.lower(),
                event_id=event.event_id,
                defaults={
                    "type": event.event_type,
                    "delivery": delivery,
                    "batch_id": int(event.metadata["batch"]),
                    "occurred_at": event.timestamp,
                },
            )
            mine = Event.objects.filter(pk=row.pk, applied_at__isnull=True)
            if is_new and mine.update(applied_at=timezone.now()):
                settling.accept(delivery_ids=[row.delivery_id], batch_ids=[row.batch_id])

    tracking.disconnect(receivers.receive_event)
    tracking.connect(record, weak=False)
    return application


def _work() -> None:
    """Applies what comes in until it is ended."""
    import django

    django.setup()
    from digest.delivery.feedback import events

    print("ready", flush=True)
    while True:
        if not events.apply_pending():
            time.sleep(0.5)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    _work()
