"""The index on PostgreSQL: a tsvector of each paper, with a GIN index.

Which words stand in a paper is known from the index alone. So a question is first answered without
regard to order and neighbours of words, on narrow rows; only the best `RANKED` of those are read.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection, transaction

from .entries import Entry, condition_tags
from .query import Condition, Order, Query, Term

RANKED = 300
"""So many of the papers with the words in the title, and as many of all, are read and ranked."""
READ_FOR_PHRASES = 1_000
"""So many are read where the order of words decides."""
READ_AT_LAST = 20_000
"""So many where that found nothing."""

_MOST_POSITIONS = 16_000
_GAP = 10
"""Between two fields or names, so that no phrase reaches across."""
_WEIGHTS = "{0.2, 0.1, 0.4, 1.0}"
"""Of names, abstract, keywords with summary, title."""

_UPSERT = """
INSERT INTO digest_searchentry (paper_id, published_on, upvotes, merit, words)
SELECT * FROM unnest(%s::bigint[], %s::date[], %s::int[], %s::float8[], %s::text[]::tsvector[])
ON CONFLICT (paper_id) DO UPDATE
SET published_on = excluded.published_on, upvotes = excluded.upvotes, merit = excluded.merit,
    words = excluded.words
WHERE (digest_searchentry.published_on, digest_searchentry.upvotes, digest_searchentry.merit,
    digest_searchentry.words)
IS DISTINCT FROM (excluded.published_on, excluded.upvotes, excluded.merit, excluded.words)
"""

# It takes reading all words of all papers for as cheap as asking the index; so each question asks
# the index first, and nothing else is known of the words until only the candidates are left. What
# half of all papers match fits into the memory, where the default would write it to the disk.
_PLAN = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL work_mem = '16MB'"
_BY_KEY = "SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashjoin = off"
_FIND = """
WITH {asked}, candidates AS MATERIALIZED (
    (SELECT paper_id FROM matched ORDER BY {first} DESC, merit DESC, paper_id DESC LIMIT %(most)s)
    {titled}
), ranked AS MATERIALIZED (
    SELECT paper_id, {score} AS score, merit
    FROM candidates JOIN digest_searchentry USING (paper_id) WHERE {ordered}
)
SELECT paper_id, (SELECT count(*) FROM matched), (SELECT count(*) FROM candidates),
    (SELECT count(*) FROM ranked)
FROM ranked ORDER BY score DESC, merit DESC, paper_id DESC OFFSET %(start)s LIMIT %(limit)s
"""
_ASKED = """{name} AS MATERIALIZED (
    SELECT paper_id, published_on, upvotes, merit FROM digest_searchentry WHERE {where}
)"""
_NARROWED = """{name} AS MATERIALIZED (
    SELECT paper_id, published_on, upvotes, merit FROM {asked} WHERE {filters}
)"""
# Each looked up by its key, where the planner would rather walk through all of a year.
_AMONG = """
SELECT paper_id FROM unnest(%(ids)s::bigint[]) AS wanted (paper_id)
JOIN digest_searchentry USING (paper_id) WHERE {where}
"""
_TITLED = """UNION (
    SELECT paper_id FROM titled ORDER BY merit DESC, paper_id DESC LIMIT %(most)s
)"""
_RANK = f"ts_rank('{_WEIGHTS}', words, %(ranking)s::tsquery) * (1 + 0.2 * merit)"
_SCORES = {Order.BEST: "merit", Order.VOTES: "upvotes", Order.NEWEST: "published_on"}
# "IS TRUE" makes it a list that is looked up, instead of a join that starts with the topic.
_TOPIC = """(paper_id {be} (
    SELECT paper_id FROM digest_papertopic JOIN subscriptions_topic ON topic_id = subscriptions_topic.id
    WHERE slug = {slug}
)) IS TRUE"""


def write(entries: Iterable[Entry]) -> None:
    """Afterwards the index has these entries; what is there already is not written again."""
    rows = [
        (entry.paper_id, entry.published_on, entry.upvotes, entry.merit, vector(entry))
        for entry in entries
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT, [list(column) for column in zip(*rows, strict=True)])


def vector(entry: Entry) -> str:
    """The entry as PostgreSQL writes a tsvector. Lexemes are letters, digits and our own marks, so
    that nothing needs an escape."""
    places: dict[str, list[str]] = {}
    position = 1
    for weight, stems in (
        ("A", entry.title),
        *(("D", name) for name in entry.names),
        ("B", entry.about),
        ("C", entry.abstract),
    ):
        for stem in stems:
            if position < _MOST_POSITIONS:
                places.setdefault(stem, []).append(f"{position}{weight}")
                position += 1
        position += _GAP
    lexemes = [f"'{stem}':{','.join(found[:255])}" for stem, found in places.items()]
    lexemes += [f"'{tag}'" for tag in {*entry.tags, *map(_titled, entry.title)}]
    return " ".join(lexemes)


def _titled(stem: str) -> str:
    """The tag of a paper with this word in its title."""
    return f"ti:{stem}"


def find(query: Query, *, start: int, limit: int) -> tuple[list[int], int, int, bool]:
    """The ids, how many match, how many of these can be paged through, and whether counting
    stopped early."""
    is_ordered = any(len(term) > 1 for term in (*query.terms, *query.excluded))
    filters, params = _filters(query)
    tags = _tags(query.conditions)
    bag = [*_groups(query, _all_of), *_excluded(query), *tags]
    titled = [*_groups(query, _all_in_title), *_excluded(query), *tags]
    params |= {
        "bag": " & ".join(bag),
        "titled": " & ".join(titled),
        "ordered": " & ".join(_groups(query, _phrase) + _excluded(query, phrases=True)),
        "ranking": " | ".join(sorted({f"'{stem}'" for term in query.terms for stem in term})),
        "most": READ_FOR_PHRASES if is_ordered else RANKED,
        "start": start,
        "limit": limit,
    }
    asked = _asked("matched", "bag" if bag else "", filters)
    is_ranked = bool(query.groups) and query.order is Order.BEST
    if is_ranked:
        asked += _asked("titled", "titled", filters)
    sql = _FIND.format(
        asked=", ".join(asked),
        titled=_TITLED if is_ranked else "",
        first=_SCORES[query.order],
        score=_RANK if is_ranked else _SCORES[query.order],
        ordered="(words @@ %(ordered)s::tsquery) IS TRUE" if is_ordered else "true",
    )
    rows = _rows(sql, params)
    if not rows and is_ordered:
        # Very common words that hardly ever stand in this order: worth the time of reading on.
        rows = _rows(sql, params | {"most": READ_AT_LAST})
    if not rows:
        return [], 0, 0, False
    _, total, read, ranked = rows[0]
    if not is_ordered:
        return [row[0] for row in rows], total, ranked, False
    return [row[0] for row in rows], ranked, ranked, total > read


def _rows(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{_PLAN}; {_BY_KEY}")
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _asked(name: str, parameter: str, filters: Sequence[str]) -> list[str]:
    """The subqueries by which `name` has the papers with these words that pass the filters; a
    question of filters only is asked of no word."""
    words = f"words @@ %({parameter})s::tsquery"
    if not parameter or not filters:
        return [_ASKED.format(name=name, where=" AND ".join(filters) or words)]
    return [
        _ASKED.format(name=f"{name}_by_words", where=words),
        _NARROWED.format(name=name, asked=f"{name}_by_words", filters=" AND ".join(filters)),
    ]


def _filters(query: Query) -> tuple[list[str], dict[str, Any]]:
    """Conditions on other columns, and their parameters."""
    filters: list[str] = []
    params: dict[str, Any] = {"since": query.since, "before": query.before}
    if query.since:
        filters.append("published_on >= %(since)s")
    if query.before:
        filters.append("published_on < %(before)s")
    for number, condition in enumerate(query.conditions):
        if condition.kind == "topic":
            be = "NOT IN" if condition.is_excluded else "IN"
            filters.append(_TOPIC.format(be=be, slug=f"%(topic{number})s"))
            params[f"topic{number}"] = condition.values[0]
    return filters, params


def _groups(query: Query, form: Callable[[Term], str]) -> list[str]:
    return [f"({' | '.join(map(form, group))})" for group in query.groups]


def _all_of(term: Term) -> str:
    return "(" + " & ".join(f"'{stem}'" for stem in term) + ")"


def _all_in_title(term: Term) -> str:
    return _all_of(tuple(map(_titled, term)))


def _phrase(term: Term) -> str:
    return "(" + " <-> ".join(f"'{stem}'" for stem in term) + ")"


def _excluded(query: Query, *, phrases: bool = False) -> list[str]:
    return [f"!{_phrase(term)}" for term in query.excluded if (len(term) > 1) == phrases]


def _tags(conditions: Sequence[Condition]) -> list[str]:
    found = []
    for condition in conditions:
        if condition.kind != "topic":
            sign = "!" if condition.is_excluded else ""
            found.append(sign + _all_of(tuple(condition_tags(condition))))
    return found


def among(query: Query, ids: Sequence[int]) -> list[int]:
    """Those of the papers that meet the conditions of the query, whatever words they have."""
    filters, params = _filters(query)
    tags = _tags(query.conditions)
    if tags:
        filters.append("words @@ %(tags)s::tsquery")
    sql = _AMONG.format(where=" AND ".join(filters) or "true")
    return [row[0] for row in _rows(sql, params | {"ids": list(ids), "tags": " & ".join(tags)})]


_SHARING = """
WITH hits AS MATERIALIZED (
    SELECT wanted.query, paper_id, count(*) OVER (PARTITION BY wanted.query) AS papers
    FROM unnest(%s::text[]) AS wanted (query)
    CROSS JOIN LATERAL (
        SELECT paper_id FROM digest_searchentry WHERE words @@ wanted.query::tsquery
    ) having_it
), weighed AS (
    SELECT DISTINCT query, 1.0 / ln(2 + papers) AS weight FROM hits
)
SELECT paper_id, sum(weight) / (SELECT sum(weight) FROM weighed) AS score
FROM hits JOIN weighed USING (query)
GROUP BY paper_id ORDER BY score DESC, paper_id DESC LIMIT %s
"""


def sharing(stems: Sequence[str], *, most: int) -> dict[int, float]:
    """The papers with most of the stems in their titles, each by its share of all, from 0 to 1."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PLAN)
        cursor.execute(_SHARING, [[f"'{_titled(stem)}'" for stem in stems], most])
        return {paper_id: float(score) for paper_id, score in cursor.fetchall()}
