"""How many papers of the last 30 days a keyword matches."""

import hashlib
import time
from collections.abc import Collection
from functools import lru_cache

from django.core.cache import cache
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from digest.models import Paper
from digest.papers.matching import Matchable, MatchIndex
from subscriptions import queries

from .recent import Recent

PAGE_SECONDS = 0.4
"""What a page may spend on counting: what is not counted by then has no number this time."""
_KEPT_SECONDS = 86_400


def counts(keywords: Collection[str], recent: Recent | None) -> dict[str, str]:
    """Each keyword with its count in words, as far as there is time; what was counted before, by
    whomever, is kept."""
    if recent is None or not keywords:
        return {}
    keys = {_key(keyword, recent): keyword for keyword in keywords}
    found = {keys[key]: number for key, number in cache.get_many(keys).items()}
    until = time.monotonic() + PAGE_SECONDS
    for keyword in keywords:
        if keyword not in found and (number := _count(keyword, recent, until)) is not None:
            found[keyword] = number
    return {keyword: in_words(number) for keyword, number in found.items()}


def count(keyword: str, recent: Recent | None) -> int:
    """However long it takes; ChoiceError where the keyword can't be read."""
    queries.parse(keyword)
    if recent is None:
        return 0
    number = cache.get(_key(keyword, recent))
    if number is None:
        number = _count(keyword, recent, float("inf"))
    return int(number or 0)


def in_words(number: int) -> str:
    """`matches 12 papers of the last 30 days`."""
    if not number:
        return _("matches no paper of the last 30 days")
    line = ngettext(
        "matches %d paper of the last 30 days", "matches %d papers of the last 30 days", number
    )
    return line % number


def _count(keyword: str, recent: Recent, until: float) -> int | None:
    number = 0
    for edition in recent.editions:
        if time.monotonic() > until:
            return None
        number += _index(edition).matching(keyword).bit_count()
    cache.set(_key(keyword, recent), number, _KEPT_SECONDS)
    return number


@lru_cache(maxsize=40)
def _index(edition: int) -> MatchIndex:
    """Of a frozen edition, kept by the process while it is among the recent."""
    papers = Paper.objects.filter(places__edition=edition)
    rows = papers.values_list("title", "abstract", "keywords").iterator()
    return MatchIndex(Matchable((title, abstract, *words)) for title, abstract, words in rows)


def _key(keyword: str, recent: Recent) -> str:
    name = hashlib.blake2b(keyword.encode(), digest_size=16).hexdigest()
    return f"preferences.count.{recent.version}.{name}"
