"""The index on SQLite: a table of FTS5, whose row ids are those of the papers."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection

from .entries import Entry, condition_tags
from .query import Order, Query, Term

_TEXT = "{title about abstract names}"
_ENTRY = """
INSERT INTO digest_searchentry (paper_id, published_on, upvotes, merit) VALUES (%s, %s, %s, %s)
ON CONFLICT (paper_id) DO UPDATE SET published_on = excluded.published_on, upvotes = excluded.upvotes,
    merit = excluded.merit
"""
_WORDS = """
INSERT INTO digest_searchwords (rowid, title, about, abstract, names, tags)
VALUES (%s, %s, %s, %s, %s, %s)
"""
# The join also hides the words of a paper that was deleted. No id is given twice.
_FROM_WORDS = "digest_searchwords JOIN digest_searchentry ON paper_id = digest_searchwords.rowid"
_RANK = "-bm25(digest_searchwords, 20.0, 6.0, 1.0, 2.0, 0.0) * (1 + 0.2 * merit)"
_SCORES = {Order.BEST: "merit", Order.VOTES: "upvotes", Order.NEWEST: "published_on"}
# Materialized: FTS5 ranks only where it looks, not in the middle of a sort or a count.
_FIND = """
WITH found AS MATERIALIZED (SELECT paper_id, {score} AS score, merit FROM {tables} WHERE {where})
SELECT paper_id, (SELECT count(*) FROM found) FROM found
ORDER BY score DESC, merit DESC, paper_id DESC LIMIT %s OFFSET %s
"""
_TITLED = f"SELECT paper_id FROM {_FROM_WORDS} WHERE digest_searchwords MATCH %s"  # noqa: S608  a constant
_HAVING = "paper_id IN (SELECT rowid FROM digest_searchwords WHERE digest_searchwords MATCH %s)"
_WITHOUT = f"NOT {_HAVING}"
_TOPIC = """paper_id {be} (
    SELECT paper_id FROM digest_papertopic JOIN subscriptions_topic ON topic_id = subscriptions_topic.id
    WHERE slug = %s
)"""


def write(entries: Iterable[Entry]) -> None:
    """Afterwards the index has these entries, in the place of what it had of these papers."""
    rows = list(entries)
    with connection.cursor() as cursor:
        cursor.executemany(
            "DELETE FROM digest_searchwords WHERE rowid = %s", [(row.paper_id,) for row in rows]
        )
        cursor.executemany(
            _ENTRY, [(row.paper_id, row.published_on, row.upvotes, row.merit) for row in rows]
        )
        cursor.executemany(_WORDS, list(map(_columns, rows)))


def clear_up() -> None:
    """Afterwards there are no words of papers that are gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM digest_searchwords WHERE rowid NOT IN "
            "(SELECT paper_id FROM digest_searchentry)"
        )


def _columns(entry: Entry) -> tuple[Any, ...]:
    # A lone dot parts nothing for FTS5, but a token that is no stem does.
    names = " :: ".join(" ".join(name) for name in entry.names)
    texts = (" ".join(stems) for stems in (entry.title, entry.about, entry.abstract))
    return (entry.paper_id, *texts, names, " ".join(entry.tags))


def find(query: Query, *, start: int, limit: int) -> tuple[list[int], int, int, bool]:
    """The ids, how many match, how many of these can be paged through, and whether counting
    stopped early."""
    conditions, params = _conditions(query)
    match = _match(query)
    if match:
        conditions.insert(0, "digest_searchwords MATCH %s")
        params.insert(0, match)
    sql = _FIND.format(
        tables=_FROM_WORDS if match else "digest_searchentry",
        where=" AND ".join(conditions),
        score=_RANK if query.groups and query.order is Order.BEST else _SCORES[query.order],
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, limit, start])
        rows = cursor.fetchall()
    total = rows[0][1] if rows else 0
    return [row[0] for row in rows], total, total, False


def _match(query: Query) -> str:
    """The question in the language of FTS5."""
    parts = [f"{_TEXT} : ({' OR '.join(map(_quoted, group))})" for group in query.groups]
    parts += [
        _tagged(condition_tags(condition))
        for condition in query.conditions
        if condition.kind != "topic" and not condition.is_excluded
    ]
    return " AND ".join(parts)


def _quoted(term: Term) -> str:
    return '"' + " ".join(term) + '"'


def _tagged(tags: Sequence[str]) -> str:
    return " AND ".join(f'tags : "{tag}"' for tag in tags)


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    """What else must be true, and the parameters of that."""
    found: list[tuple[str, Any]] = []
    if query.since:
        found.append(("published_on >= %s", query.since))
    if query.before:
        found.append(("published_on < %s", query.before))
    excluded = [f"{_TEXT} : {_quoted(term)}" for term in query.excluded]
    for condition in query.conditions:
        if condition.kind == "topic":
            be = "NOT IN" if condition.is_excluded else "IN"
            found.append((_TOPIC.format(be=be), condition.values[0]))
        elif condition.is_excluded:
            excluded.append(_tagged(condition_tags(condition)))
    found += [(_WITHOUT, match) for match in excluded]
    return [condition for condition, _ in found] or ["true"], [value for _, value in found]


def among(query: Query, ids: Sequence[int]) -> list[int]:
    """Those of the papers that meet the conditions of the query, whatever words they have."""
    conditions, params = _conditions(query)
    match = _match(replace(query, groups=()))
    if match:
        conditions.append(_HAVING)
        params.append(match)
    # As one parameter, of which there may be so many only.
    conditions.append("paper_id IN (SELECT value FROM json_each(%s))")
    sql = f"SELECT paper_id FROM digest_searchentry WHERE {' AND '.join(conditions)}"  # noqa: S608  constants
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, json.dumps(list(ids))])
        return [row[0] for row in cursor.fetchall()]


def sharing(stems: Sequence[str], *, most: int) -> dict[int, float]:
    """The papers with most of the stems in their titles, each by its share of all, from 0 to 1."""
    scores: dict[int, float] = {}
    possible = 0.0
    with connection.cursor() as cursor:
        for stem in stems:
            cursor.execute(_TITLED, [f'title : "{stem}"'])
            ids = [row[0] for row in cursor.fetchall()]
            weight = 1 / math.log(2 + len(ids)) if ids else 0.0
            possible += weight
            for paper_id in ids:
                scores[paper_id] = scores.get(paper_id, 0.0) + weight
    best = sorted(scores, key=lambda paper_id: (-scores[paper_id], -paper_id))[:most]
    return {paper_id: scores[paper_id] / possible for paper_id in best}
