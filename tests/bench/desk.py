"""How fast the operator's first page is with a million readers, five editions that each of them got,
what providers reported of one, and 100,000 papers; the baseline counts the same numbers live.
"""

import http.client
import os
import statistics
import sys
import time
from collections.abc import Callable

import psycopg

from tests.bench.installation import Installation, installation
from tests.flows.processes import free_port, wait_for

HEADINGS = ("what", "median ms", "worst ms", "times faster than live")
EDITIONS = 5
ASKED = 20
LIVE = 3
_LIVE = (
    "SELECT edition_id, state, reason, count(*) FROM digest_delivery GROUP BY 1, 2, 3",
    "SELECT state, count(*) FROM subscriptions_subscriber GROUP BY 1",
    "SELECT received_at::date, provider, type, count(*) FROM digest_event GROUP BY 1, 2, 3",
    "SELECT at::date, action, count(*) FROM subscriptions_consentrecord GROUP BY 1, 2",
    "SELECT source, max(listed_on), count(*) FROM digest_listing GROUP BY 1",
)


def run(*, subscribers: int, papers: int = 100_000) -> list[tuple[str, ...]]:
    """Rows of the table."""
    with installation(
        EMAIL_PROVIDERS="mailgun,smtp", SMTP_URL="smtp://localhost:1", METRICS_TOKEN="token"
    ) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.python("tests.bench.installation", str(subscribers), "500")
        with psycopg.connect(made.environment["DATABASE_URL"], autocommit=True) as database:
            _fill(database, subscribers, papers)
            live = _times(lambda: [database.execute(query).fetchall() for query in _LIVE], LIVE)
        cookie, counted, again = made.python("tests.bench.desk").split()
        port = _start_web(made)
        shown = _times(_asker(port, "/admin/", {"Cookie": cookie}), ASKED)
        measured = _times(_asker(port, "/metrics", {"Authorization": "Bearer token"}), ASKED)
    base = statistics.median(live)
    return [
        _row(f"the same numbers of {EDITIONS} editions, counted live", live, base),
        _row("the first count of all five", [float(counted)], base),
        _row("a count while one is sent (every 20 s)", [float(again)], base),
        _row("the dashboard", shown, base),
        _row("/metrics", measured, base),
    ]


def _row(name: str, seconds: list[float], base: float) -> tuple[str, ...]:
    median = statistics.median(seconds)
    ratio = f"{base / median:,.1f}"
    return name, f"{median * 1000:,.0f}", f"{max(seconds) * 1000:,.0f}", ratio


def _times(function: Callable[[], object], number: int) -> list[float]:
    found = []
    for _ in range(number):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return found


def _fill(database: psycopg.Connection, subscribers: int, papers: int) -> None:
    """Editions that everybody got, the last of which is half sent, and what else a desk looks at."""
    database.execute(
        """
        INSERT INTO digest_paper (arxiv_id, title, abstract, summary, authors, published_at, upvotes,
            comments, categories, keywords, code_url, project_url, discussion_url, organization,
            created_at, updated_at)
        SELECT '2601.' || lpad(i::text, 6, '0'), 'Paper ' || i, '', '', '[]', now(), 0, 0, '[]', '[]',
            '', '', '', '', now(), now() FROM generate_series(1, %s) i
        """,
        [papers],
    )
    database.execute(
        """
        INSERT INTO digest_listing (paper_id, source, listed_on, first_seen_at)
        SELECT id, 'arxiv', current_date - (id % 400)::int, now() FROM digest_paper
        """
    )
    for number in range(1, EDITIONS + 1):
        database.execute(
            """
            WITH edition AS (
                INSERT INTO digest_edition (frequency, date, closed_at, paper_count, due_count,
                    batch_count, held_because, is_sample)
                SELECT 'daily', current_date - %(n)s::int, now(), 40, count(*),
                    (count(*) + 999) / 1000, '', false FROM subscriptions_subscriber RETURNING id
            ), audience AS (
                INSERT INTO digest_audience (edition_id, contents_key, cards, language, format,
                    topic_count, paper_count, words) SELECT id, 'x', '[]', 'en', 'html', 1, 8, '[]'
                FROM edition
                RETURNING id, edition_id
            ), batch AS (
                INSERT INTO digest_batch (id, edition_id, audience_id, state, size, attempts, provider,
                    only_provider, claimed_at, offered_at)
                SELECT (edition_id::bigint << 32) + i, edition_id, id,
                    CASE WHEN %(n)s = 1 AND i >= %(half)s THEN 'open' ELSE 'done' END, 1000, 1, 'mailgun', '',
                    now(), now()
                FROM audience, generate_series(0, (SELECT (count(*) - 1) / 1000
                    FROM subscriptions_subscriber)) i
            )
            INSERT INTO digest_delivery (edition_id, subscriber_id, audience_id, batch_id, state, reason,
                detail, provider, esp_message_id, created_at, sent_at)
            SELECT audience.edition_id, reader.id, audience.id,
                (audience.edition_id::bigint << 32) + (row_number() OVER () - 1) / 1000,
                CASE WHEN %(n)s = 1 AND (row_number() OVER () - 1) / 1000 >= %(half)s
                    THEN 'pending' ELSE 'sent' END, '', '',
                'mailgun', md5(reader.id::text), now(), now()
            FROM subscriptions_subscriber AS reader, audience
            """,
            {"n": number, "half": subscribers // 2000},
        )
    database.execute(
        """
        INSERT INTO digest_event (provider, event_id, type, delivery_id, reject_reason, description,
            received_at, applied_at)
        SELECT 'mailgun', id::text, 'delivered', id, '', '', now(), now() FROM digest_delivery
        WHERE edition_id = (SELECT max(id) FROM digest_edition);
        INSERT INTO subscriptions_consentrecord (subscriber_id, action, at, user_agent, text,
            text_version, page)
        SELECT id, 'confirmed', now() - interval '1 day' * (id % 400), '', '', '', ''
        FROM subscriptions_subscriber;
        """
    )
    database.execute("VACUUM ANALYZE")


def _start_web(made: Installation) -> int:
    port = free_port()
    made.start(
        "web", sys.executable, "-m", "gunicorn", "config.wsgi", "--workers=1",
        "--worker-class=gthread", "--threads=2", f"--bind=127.0.0.1:{port}",
        "--log-level=warning",
    )  # fmt: skip
    wait_for(lambda: _is_up(port), seconds=60, what="the pages")
    return port


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


_WORDS = {"/admin/": b"desk-ledger", "/metrics": b"daily_papers_deliveries{"}
"""What a whole answer has."""


def _asker(port: int, path: str, headers: dict[str, str]) -> Callable[[], None]:
    headers = {"Host": "papers.example.org", "X-Forwarded-Proto": "https"} | headers

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        page = response.read()
        connection.close()
        if response.status != 200 or _WORDS[path] not in page:
            raise RuntimeError(f"{path} answered {response.status}")

    ask()
    return ask


def _prepare() -> None:
    """Prints the session of an operator, and how long the first count and the next one took."""
    from django.conf import settings  # noqa: PLC0415  after the settings
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from digest.delivery import figures  # noqa: PLC0415

    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    counts = _times(lambda: figures.keep(timezone.now()), 2)
    name = settings.SESSION_COOKIE_NAME
    print(f"{name}={client.cookies[name].value}", *counts)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    _prepare()
