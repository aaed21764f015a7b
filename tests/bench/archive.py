"""An archive of any size on PostgreSQL: papers of many years, as search and the pages meet them.

`python -m tests.bench.archive PAPERS` fills the database of the settings, which must be empty of
papers, and prints how long searches in it take.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any

FIRST_DAY, LAST_DAY = date(2019, 1, 1), date(2026, 8, 20)
WORDS = 20_000
_COMMON = """
the of and to a in we that for on with is this model our by from as are which learn method data an
can it these be show task large propose perform language train result network base approach state
framework system use new more than between at achieve not but or across deep both image neural existing
attention transformer however while their generate benchmark improve representation code agent reasoning
diffusion robot policy graph speech vision video detection segmentation retrieval fine tuning tool calling
pruning quantization memory attention long context reward safety evaluation dataset human knowledge
optimization inference efficient scale multimodal alignment causal federated privacy
""".split()  # noqa: SIM905  a list of that many words is no easier to read
_TABLES = (
    "paper", "papertopic", "listing", "edition", "editionpaper", "searchentry", "author",
)  # fmt: skip
_CATEGORIES = ("cs.CL", "cs.CV", "cs.LG", "cs.AI", "cs.RO", "cs.IR", "stat.ML", "eess.AS")
_SYLLABLES = """
ra mo ti se la ku ne vo pi da fu gen tri plex bor sig lan dex mur tal wen cor phi zet nor qui
""".split()  # noqa: SIM905
QUERIES = {
    "a rare word": ("{rare}", "{rare} {rare}"),
    "a word of half of all": ("learning", "task", "framework"),
    "two such words": ("learning data", "task framework", "method show"),
    "a common word": ("transformer", "diffusion", "robot"),
    "a phrase": ('"fine tuning"', '"language model"', "tool-calling"),
    "an author": ('author:"{author}"', "author:chen"),
    "topic and words": ("topic:{topic} robot", "topic:{topic}"),
    "all together": (
        "attention OR transformer -robot category:cs.CL after:2023 before:2026",
        'learning "large language" author:chen',
        "model -diffusion after:2024",
    ),
}  # fmt: skip


def seed(papers: int, *, seed_of: int = 7) -> None:
    """Afterwards the empty archive has so many papers with authors, topics, listings and daily
    editions, and search finds them. The same ones on every call."""
    from django.db import connection, transaction  # noqa: PLC0415  after the settings

    from digest.models import Paper  # noqa: PLC0415

    if Paper.objects.exists():
        raise RuntimeError("there are papers already")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP INDEX digest_searchentry_words")
        _copy(cursor, "digest_paper", _papers(papers, random.Random(seed_of)))
        cursor.execute("SELECT setval('digest_paper_id_seq', %s)", [papers])
        _place(cursor)
        _index(cursor)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE INDEX digest_searchentry_words ON digest_searchentry USING gin (words) "
            "WITH (fastupdate = off)"
        )
        for table in _TABLES:
            cursor.execute(f"VACUUM ANALYZE digest_{table}")


def _copy(cursor: Any, table: str, rows: Iterable[dict[str, Any]]) -> None:
    iterator = iter(rows)
    first = next(iterator)
    with cursor.copy(f"COPY {table} ({', '.join(first)}) FROM STDIN") as copy:
        copy.write_row(list(first.values()))
        for row in iterator:
            copy.write_row(list(row.values()))


def vocabulary() -> list[str]:
    """Words, the most frequent first."""
    dice = random.Random(1)
    made = dict.fromkeys(_COMMON)
    while len(made) < WORDS:
        made["".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4)))] = None
    return list(made)


def _papers(number: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    known = vocabulary()
    weights = list(accumulate(1 / (rank + 8) for rank in range(len(known))))
    names = [name.capitalize() for name in known[len(_COMMON) : len(_COMMON) + 4_000]]
    days = (LAST_DAY - FIRST_DAY).days

    def draw(count: int) -> list[str]:
        return dice.choices(known, cum_weights=weights, k=count)

    for pk in range(1, number + 1):
        day = FIRST_DAY + timedelta(days=days * pk // number)
        at = datetime(day.year, day.month, day.day, pk % 24, tzinfo=UTC)
        sentences = (" ".join(draw(dice.randint(14, 26))) for _ in range(dice.randint(6, 11)))
        stars = dice.randint(0, 900) if pk % 3 == 0 else None
        yield {
            "id": pk,
            "arxiv_id": f"{day:%y%m}.{pk % 100_000:05}",
            "version": 1,
            "title": " ".join(draw(dice.randint(5, 13))).title(),
            "abstract": " ".join(f"{text.capitalize()}." for text in sentences),
            "summary": f"{' '.join(draw(16)).capitalize()}." if pk % 4 == 0 else "",
            "authors": json.dumps(
                [f"{_name(dice, names)} {_last(dice, names)}" for _ in range(dice.randint(1, 9))]
            ),
            "published_at": at,
            "upvotes": (int(dice.paretovariate(0.9)) - 1) % 400 if pk % 5 else 0,
            "comments": dice.randint(0, 4),
            "categories": json.dumps(dice.sample(_CATEGORIES, dice.randint(1, 3))),
            "keywords": json.dumps([" ".join(draw(2)) for _ in range(dice.randint(0, 5))]),
            "code_url": f"https://github.com/example/{pk}" if stars is not None else "",
            "code_stars": stars,
            "project_url": "",
            "discussion_url": "",
            "organization": "",
            "created_at": at,
            "updated_at": at,
        }


def _name(dice: random.Random, names: list[str]) -> str:
    return names[int(len(names) * dice.random() ** 2)]


def _last(dice: random.Random, names: list[str]) -> str:
    """A tenth of all are called alike, as it is."""
    return "Chen" if dice.random() < 0.1 else _name(dice, names)


def _place(cursor: Any) -> None:
    """Topics, listings and editions, by rules that the database can follow."""
    cursor.execute(
        """
        INSERT INTO digest_papertopic (paper_id, topic_id, score, reason, published_at)
        SELECT paper.id, topic.id, 0.9, 'bench', paper.published_at FROM digest_paper paper, LATERAL (
            SELECT id FROM (
                SELECT id, row_number() OVER (ORDER BY position, id) - 1 AS number,
                    count(*) OVER () AS many FROM subscriptions_topic
            ) known WHERE number IN (paper.id % many, paper.id * 7 / 3 % many)
        ) topic
        """
    )
    cursor.execute(
        "INSERT INTO digest_listing (paper_id, source, listed_on, first_seen_at) "
        "SELECT id, 'hugging_face', published_at::date, published_at FROM digest_paper"
    )
    cursor.execute(
        "INSERT INTO digest_edition (frequency, date, closed_at, paper_count, due_count, "
        "batch_count, held_because, is_sample) SELECT 'daily', listed_on, listed_on + time '05:00', "
        "count(*), 0, 0, '', false FROM digest_listing GROUP BY listed_on"
    )
    cursor.execute(
        """
        INSERT INTO digest_editionpaper
            (edition_id, paper_id, frequency, rank, upvotes, comments, code_stars)
        SELECT edition.id, paper.id, 'daily', row_number() OVER (
            PARTITION BY edition.id ORDER BY upvotes DESC, paper.id
        ), upvotes, comments, code_stars
        FROM digest_paper paper JOIN digest_edition edition ON date = published_at::date
        """
    )
    # All names are two plain words.
    cursor.execute(
        """
        INSERT INTO digest_author (name, folded, turned, papers)
        SELECT name, lower(name), lower(split_part(name, ' ', 2) || ' ' || split_part(name, ' ', 1)),
            count(*)
        FROM digest_paper, jsonb_array_elements_text(authors) AS name GROUP BY name
        """
    )


def _index(cursor: Any) -> None:
    from digest.papers.search import entries, postgres  # noqa: PLC0415

    cursor.execute("SELECT max(id) FROM digest_paper")
    for first in range(1, cursor.fetchone()[0] + 1, 2_000):
        rows = [
            {
                "paper_id": entry.paper_id,
                "published_on": entry.published_on,
                "upvotes": entry.upvotes,
                "merit": entry.merit,
                "words": postgres.vector(entry),
            }
            for entry in entries.entries(range(first, first + 2_000))
        ]
        _copy(cursor, "digest_searchentry", rows)


def queries(kind: str, number: int) -> list[str]:
    """Different ones of a kind."""
    from digest.models import Paper  # noqa: PLC0415
    from subscriptions.models import Topic  # noqa: PLC0415

    dice = random.Random(kind)
    known, topics = vocabulary(), list(Topic.objects.values_list("slug", flat=True))
    papers = list(Paper.objects.order_by("pk").values_list("authors", flat=True)[:200])
    return [
        text.format(
            rare=dice.choice(known[5_000:]),
            author=dice.choice(papers)[0],
            topic=dice.choice(topics),
        )
        for _ in range(number)
        for text in [dice.choice(QUERIES[kind])]
    ]


def times(kind: str, *, number: int = 60) -> tuple[list[float], int]:
    """The milliseconds of so many searches, sorted, and the most papers that one of them found."""
    from digest.papers import search  # noqa: PLC0415

    taken, most = [], 0
    for text in queries(kind, number):
        started = time.perf_counter()
        found = search.find(search.parse(text))
        taken.append((time.perf_counter() - started) * 1000)
        most = max(most, found.total)
    return sorted(taken), most


def main(papers: int) -> None:
    if papers:
        started = time.perf_counter()
        seed(papers)
        print(f"{papers:,} papers in {time.perf_counter() - started:.0f} s")
    for kind in QUERIES:
        taken, most = times(kind)
        p50, p95 = taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
        print(f"{kind:24} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  up to {most:,} papers")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    main(int(sys.argv[1]))
