"""How large the database gets: a year of daily digests, with what is forgotten each night.

Every day's rows go in by set-based SQL, through the tables that a send writes; then the real functions
of the night run with that day's date, and PostgreSQL vacuums what autovacuum would have.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from tests.bench.installation import installation

HEADINGS = ("table", "a month", "half a year", "a year", "rows after a year", "kept for")
DAYS = {30: "a month", 182: "half a year", 365: "a year"}
FIRST = date(2024, 10, 7)
"""A Monday."""
LISTS = 500
"""Lists of papers that many readers share, an edition."""
OWN = 20
"""One reader of so many has a list like nobody else's."""
PAPERS = 60
"""Of a day."""
SMALLEST = 2 * 2**20
"""Tables that are smaller after a year, in bytes, are one row together."""
KEPT = {
    "digest_delivery": "KEEP_DELIVERIES_DAYS",
    "digest_batch": "KEEP_DELIVERIES_DAYS",
    "digest_audience": "KEEP_DELIVERIES_DAYS",
    "digest_audienceselection": "21 days",
    "digest_event": "KEEP_DELIVERIES_DAYS",
    "digest_votesnapshot": "a month",
    "digest_opinion": "180 days where a page was opened",
    "subscriptions_transactionalmessage": "KEEP_MESSAGES_DAYS",
    "subscriptions_subscriber": "KEEP_LEFT_DAYS, of who left",
    "subscriptions_consentrecord": "as its reader",
}
"""What bounds a table; the others are the archive of papers."""


def run(*, subscribers: int, is_partitioned: bool = False) -> Iterator[tuple[str, ...]]:
    """A row for each table: its size with indexes, and how many rows it has."""
    with installation(EMAIL_PROVIDERS="outbox") as made:
        made.python("tests.bench.installation", str(subscribers), str(LISTS))
        if is_partitioned:
            made.manage("partition_deliveries", "--now", f"{FIRST}T00:00:00Z", "--yes")
        found = json.loads(made.python("tests.bench.year", str(subscribers)))
    sizes, rows = found["sizes"], found["rows"]
    small = [name for name, size in sizes["365"].items() if size < SMALLEST]
    for name in sorted(sizes["365"], key=lambda each: -sizes["365"][each]):
        if name not in small:
            figures = [_mib(sizes[str(day)].get(name, 0)) for day in DAYS]
            yield (name, *figures, f"{rows[name]:,}", KEPT.get(name, "the archive"))
    figures = [_mib(sum(sizes[str(day)].get(name, 0) for name in small)) for day in DAYS]
    yield (f"{len(small)} other tables", *figures, f"{sum(rows[n] for n in small):,}", "")
    yield ("all", *(_mib(sum(sizes[str(day)].values())) for day in DAYS), "", "")
    yield ("a night's work, the slowest", "", "", f"{found['slowest']:.1f} s", "", "")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def simulate(readers: int) -> str:
    """A year in the database of the settings; its sizes after each of DAYS, as JSON."""
    from django.db import connection  # noqa: PLC0415  after the settings

    sizes: dict[str, dict[str, int]] = {}
    slowest = 0.0
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for number in range(1, 366):
            day = FIRST + timedelta(days=number)
            _live(cursor, day, readers)
            started = time.perf_counter()
            _night(datetime(day.year, day.month, day.day, 4, tzinfo=UTC) + timedelta(days=1))
            slowest = max(slowest, time.perf_counter() - started)
            _vacuum(cursor)
            if number in DAYS:
                sizes[str(number)] = _sizes(cursor)
                print(number, sizes[str(number)], file=sys.stderr, flush=True)
        rows = _rows(cursor)
    return json.dumps({"sizes": sizes, "rows": rows, "slowest": slowest})


def _night(now: datetime) -> None:
    from django.utils import timezone  # noqa: PLC0415

    from digest import forgetting  # noqa: PLC0415
    from digest.delivery import figures, partitions  # noqa: PLC0415
    from digest.delivery.keeping import purging  # noqa: PLC0415
    from digest.models import Edition  # noqa: PLC0415
    from subscriptions import services  # noqa: PLC0415

    for edition in Edition.objects.filter(is_counted=False, due_count__gt=0):
        figures.count(edition, now)
    partitions.make_ahead(now)
    purging.purge(now, until=timezone.now() + timedelta(minutes=10))
    partitions.refresh()
    forgetting.forget(now)
    services.purge(now)


def _live(cursor, day: date, readers: int) -> None:
    """What a day brings: papers, votes, an edition, its send, what came back, and people."""
    from django.db import transaction  # noqa: PLC0415

    values = {"day": day, "at": datetime(day.year, day.month, day.day, 8, tzinfo=UTC), "n": readers,
              "number": day.toordinal(), "lists": LISTS, "own": OWN, "papers": PAPERS}  # fmt: skip
    with transaction.atomic():
        for statement in _PAPERS:
            cursor.execute(statement, values)
        for frequency in ("daily", "weekly") if day.weekday() == 0 else ("daily",):
            cursor.execute(_EDITION, values | {"frequency": frequency})
            values["edition"] = cursor.fetchone()[0]
            cursor.execute(_PLACES, values | {"frequency": frequency})
        for statement in (*_SEND, *_PEOPLE, *_RECORDS):
            cursor.execute(statement, values)
    for slice_ in range(10):
        cursor.execute(_SETTLED, values | {"slice": slice_})


_PAPERS = (
    """
    INSERT INTO digest_paper (arxiv_id, title, abstract, summary, authors, published_at, upvotes, comments,
        categories, keywords, code_url, project_url, discussion_url, organization, created_at, updated_at)
    SELECT %(number)s || '.' || i, 'A paper of the day ' || md5(random()::text),
        (SELECT string_agg(md5(random()::text), ' ') FROM generate_series(1, 38 + i * 0)), '',
        '["Ada Lovelace", "Alan Turing", "Grace Hopper"]', %(at)s, i, 0, '["cs.CL", "cs.LG"]', '[]',
        '', '', '', '', %(at)s, %(at)s
    FROM generate_series(1, %(papers)s) i
    """,
    """
    INSERT INTO digest_listing (paper_id, source, listed_on, first_seen_at)
    SELECT id, source, %(day)s, %(at)s FROM digest_paper, (VALUES ('hugging_face'), ('arxiv')) s (source)
    WHERE published_at = %(at)s
    """,
    """
    INSERT INTO digest_papertopic (paper_id, topic_id, score, reason, published_at)
    SELECT paper.id, topic.id, 0.8, 'language model', %(at)s FROM digest_paper paper
    JOIN LATERAL (SELECT id FROM subscriptions_topic ORDER BY md5(id::text || paper.id) LIMIT 3) topic ON true
    WHERE published_at = %(at)s
    """,
    """
    INSERT INTO digest_searchentry (paper_id, published_on, upvotes, merit, words)
    SELECT id, %(day)s, upvotes, random(), to_tsvector('simple', title || ' ' || abstract)
    FROM digest_paper WHERE published_at = %(at)s
    """,
    """
    INSERT INTO digest_papervector (paper_id, terms, space, dense, changed_at)
    SELECT id, convert_to(left(abstract, 900), 'UTF8'), 'lsa', convert_to(left(abstract, 256), 'UTF8'), %(at)s
    FROM digest_paper WHERE published_at = %(at)s
    """,
    # Votes of the papers of a week move in each third hour.
    """
    INSERT INTO digest_votesnapshot (paper_id, taken_at, upvotes)
    SELECT id, %(at)s + make_interval(hours => 3 * i), upvotes + i
    FROM digest_paper, generate_series(0, 7) i
    WHERE published_at > %(at)s - interval '7 days' AND published_at <= %(at)s
    """,
)
_EDITION = """
INSERT INTO digest_edition (frequency, date, closed_at, paper_count, due_count, batch_count, held_because,
    is_sample)
VALUES (%(frequency)s, %(day)s, %(at)s, %(papers)s, 0, 0, '', false) RETURNING id
"""
_PLACES = """
INSERT INTO digest_editionpaper (edition_id, paper_id, frequency, rank, upvotes, comments)
SELECT %(edition)s, id, %(frequency)s, row_number() OVER (), upvotes, 0 FROM digest_paper
WHERE published_at = %(at)s
"""
# The edition that was closed last is sent: one batch for a thousand readers of a list, and one for
# each reader whose list is like nobody else's. Some are paused, or nothing is for them.
_SEND = (
    """
    INSERT INTO digest_audience (edition_id, contents_key, cards, language, format, topic_count, words,
        paper_count)
    SELECT %(edition)s, md5(i::text), (
            SELECT jsonb_agg(jsonb_build_array(card * 1000 + i, 'Your topic: language models', 'topic-agents', ''))
            FROM generate_series(1, 8) card
        ), 'en', 'html', 3, '[]', 8
    FROM generate_series(0, %(lists)s + %(n)s / %(own)s - 1) i
    """,
    """
    INSERT INTO digest_audienceselection (edition_id, selection_key, audience_id)
    SELECT edition_id, contents_key, id FROM digest_audience WHERE edition_id = %(edition)s
    """,
    """
    CREATE TEMP TABLE sent ON COMMIT DROP AS
    SELECT reader_id, audience_id,
        CASE WHEN place %% 50 <> 0 THEN (%(edition)s::bigint << 32) + dense_rank() OVER (
            ORDER BY audience_id, number / 1000
        ) END AS batch_id
    FROM (
        SELECT reader.id AS reader_id, reader.place, audience.id AS audience_id,
            row_number() OVER (PARTITION BY audience.id ORDER BY reader.id) AS number
        FROM (
            SELECT id, row_number() OVER (ORDER BY id) AS place FROM subscriptions_subscriber
            WHERE state = 'active'
        ) reader JOIN (
            SELECT id, row_number() OVER (ORDER BY id) AS list FROM digest_audience
            WHERE edition_id = %(edition)s
        ) audience ON list = CASE WHEN place %% %(own)s = 1 THEN %(lists)s + 1 + place / %(own)s
            ELSE 1 + place %% %(lists)s END
    ) placed
    """,
    """
    INSERT INTO digest_batch (id, edition_id, audience_id, state, size, attempts, provider, claimed_at,
        offered_at)
    SELECT batch_id, %(edition)s, min(audience_id), 'done', count(*), 1, 'mailgun', %(at)s, %(at)s
    FROM sent WHERE batch_id IS NOT NULL GROUP BY batch_id
    """,
    """
    INSERT INTO digest_delivery (edition_id, subscriber_id, audience_id, batch_id, state, reason, detail,
        provider, esp_message_id, created_at)
    SELECT %(edition)s, reader_id, audience_id, batch_id,
        CASE WHEN batch_id IS NULL THEN 'skipped' ELSE 'pending' END,
        CASE WHEN batch_id IS NULL THEN 'nothing_new' ELSE '' END, '', '', '', %(at)s
    FROM sent
    """,
    """
    UPDATE digest_edition SET due_count = (SELECT count(*) FROM sent),
        batch_count = (SELECT count(DISTINCT batch_id) FROM sent) WHERE id = %(edition)s
    """,
    """
    INSERT INTO digest_event (provider, event_id, type, delivery_id, batch_id, reject_reason, description,
        occurred_at, received_at, applied_at)
    SELECT 'mailgun', gen_random_uuid()::text, CASE id %% 200 WHEN 0 THEN 'deferred' ELSE 'delivered' END,
        id, batch_id, '', '250 2.0.0 OK', %(at)s, %(at)s, %(at)s
    FROM digest_delivery WHERE edition_id = %(edition)s AND state = 'pending'
    """,
)
_SETTLED = """
UPDATE digest_delivery SET state = 'sent', sent_at = %(at)s, provider = 'mailgun',
    esp_message_id = '<20260820080000.1.0123456789abcdef@papers.example.org>'
WHERE edition_id = %(edition)s AND state = 'pending' AND batch_id %% 10 = %(slice)s
"""
# Each day two readers of a thousand come and as many leave, one signs up and never confirms, one
# changes what they follow, and ten open a paper.
_PEOPLE = (
    """
    INSERT INTO subscriptions_subscriber (public_id, email, address_hash, state, token_version, frequency,
        hour, timezone, length, selection_key, slot_id, created_at, confirmed_at)
    SELECT gen_random_uuid(), 'new' || %(number)s || '-' || i || '@example.org',
        encode(sha256(('new' || %(number)s || '-' || i)::bytea), 'hex'),
        CASE WHEN i %% 3 = 0 THEN 'pending' ELSE 'active' END, 1, 'daily', 7, 'UTC', 8, md5('none'),
        CASE WHEN i %% 3 > 0 THEN (SELECT min(id) FROM subscriptions_slot) END, %(at)s,
        CASE WHEN i %% 3 > 0 THEN %(at)s::timestamptz END
    FROM generate_series(1, 3 * %(n)s / 1000) i
    """,
    """
    UPDATE subscriptions_subscriber SET state = 'unsubscribed', slot_id = NULL, unsubscribed_at = %(at)s
    WHERE id IN (SELECT id FROM subscriptions_subscriber WHERE state = 'active' ORDER BY id
        LIMIT 2 * %(n)s / 1000)
    """,
    """
    INSERT INTO subscriptions_transactionalmessage (subscriber_id, kind, state, created_at, attempts, sent_at)
    SELECT id, CASE state WHEN 'unsubscribed' THEN 'goodbye' ELSE 'confirm' END, 'sent', %(at)s, 1, %(at)s
    FROM subscriptions_subscriber WHERE created_at = %(at)s OR unsubscribed_at = %(at)s
    """,
    """
    INSERT INTO subscriptions_consentrecord (subscriber_id, action, at, ip_address, user_agent, text,
        text_version, page)
    SELECT id, action, %(at)s, '203.0.113.7'::inet, repeat('Mozilla/5.0 ', 8), repeat('The words beside it ', 8), '1', '/'
    FROM subscriptions_subscriber, (VALUES ('signed_up'), ('confirmed')) a (action)
    WHERE created_at = %(at)s AND (action = 'signed_up' OR state = 'active')
    UNION ALL SELECT id, 'unsubscribed', %(at)s, '203.0.113.7'::inet, repeat('Mozilla/5.0 ', 8), '', '1', '/'
    FROM subscriptions_subscriber WHERE unsubscribed_at = %(at)s
    UNION ALL (SELECT id, 'changed', %(at)s, '203.0.113.7'::inet, repeat('Mozilla/5.0 ', 8), '', '1', '/'
    FROM subscriptions_subscriber WHERE state = 'active' ORDER BY md5(id::text || %(number)s) LIMIT %(n)s / 1000)
    """,
    """
    INSERT INTO subscriptions_leavereason (reason, said_on)
    SELECT 'too_many', %(day)s FROM generate_series(1, %(n)s / 2000)
    """,
    """
    INSERT INTO digest_opinion (subscriber_id, paper_id, verdict, is_saved, opened_at, said_at)
    SELECT reader.id, paper.id, '', false, %(at)s, %(at)s
    FROM (SELECT id, row_number() OVER () AS place FROM subscriptions_subscriber WHERE state = 'active'
        ORDER BY md5(id::text || %(number)s) LIMIT %(n)s / 100) reader
    JOIN (SELECT id, row_number() OVER () AS place FROM digest_paper
        WHERE published_at = %(at)s) paper ON paper.place = 1 + reader.place %% %(papers)s
    """,
    "UPDATE subscriptions_subscriber SET learns = true WHERE NOT learns",
)
_RECORDS = (
    """
    INSERT INTO digest_fetch (source, day, started_at, finished_at, new, updated, skipped, bad, error)
    SELECT source, %(day)s, %(at)s, %(at)s, 5, 50, 0, 0, ''
    FROM generate_series(1, 48), (VALUES ('hugging_face'), ('arxiv')) s (source)
    """,
    """
    INSERT INTO digest_notice (kind, key, what, mend, created_at)
    SELECT 'late', %(day)s || ' ' || i, repeat('It waits ', 10), repeat('Look into it ', 10), %(at)s
    FROM generate_series(1, 3) i
    """,
    "INSERT INTO digest_daycount (provider, day, messages) VALUES ('mailgun', %(day)s, %(n)s)",
    """
    INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT md5(%(number)s || '-' || i), repeat('x', 200), %(at)s::timestamptz + interval '14 days'
    FROM generate_series(1, 5) i
    """,
    """
    INSERT INTO digest_dayfigure (day, kind, about, number)
    SELECT %(day)s, kind, '', %(n)s FROM unnest(ARRAY['signed_up', 'confirmed', 'unsubscribed', 'active',
        'pending', 'delivered', 'deferred', 'bounced']) kind
    """,
)


def _vacuum(cursor) -> None:
    """What autovacuum does once a fifth of a table is dead, and wakes up too seldom for here."""
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute(
        "SELECT relname FROM pg_stat_user_tables"
        " WHERE n_dead_tup > 50 + 0.2 * n_live_tup OR n_ins_since_vacuum > 1000 + 0.2 * n_live_tup"
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f'VACUUM (ANALYZE) "{name}"')


_TABLES = """
SELECT regexp_replace(relname, '^(digest_delivery)_.*', '\\1') AS name,
    sum(pg_total_relation_size(pg_class.oid))::bigint
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1
"""


def _sizes(cursor) -> dict[str, int]:
    cursor.execute(_TABLES)
    return dict(cursor.fetchall())


def _rows(cursor) -> dict[str, int]:
    found = {}
    for name in _sizes(cursor):
        cursor.execute(f'SELECT count(*) FROM "{name}"')  # noqa: S608  ours
        found[name] = cursor.fetchone()[0]
    return found


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    print(simulate(int(sys.argv[1])))
