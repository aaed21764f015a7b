"""A row of numbers per paper: written with the paper, and by a task where it is missing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from digest.models import Paper, PaperVector, VectorSpace

from . import analysis, embeddings, fitting, space
from .analysis import ABOUT, ABSTRACT, TITLE
from .space import LsaSpace

CHUNK = 500
ALL = 1_000_000_000
AT_ONCE = 64
"""Texts that a function of embeddings gets."""
MOST_FITTED = 30_000
"""A space is fitted to so many papers, the newest: more take minutes and change little."""
GROWN = 4 / 3
"""So many times the papers that it was fitted to make it worth fitting again."""
FIT_AGAIN_AFTER = timedelta(days=1)
_FIELDS = ("pk", "title", "keywords", "summary", "abstract")

_spaces: dict[str, LsaSpace] = {}
"""The space that this process placed papers in last."""


def current() -> LsaSpace:
    """The latent space in use: the newest that was fitted, or the one that comes with the project."""
    name = VectorSpace.objects.order_by("-pk").values_list("name", flat=True).first() or ""
    if name not in _spaces:
        data = VectorSpace.objects.filter(name=name).values_list("data", flat=True).first()
        found = space.read(bytes(data) if data else space.START.read_bytes())
        _spaces.clear()
        _spaces[name] = found
    return _spaces[name]


def current_name() -> str:
    """The name of the space that papers should be in."""
    return embeddings.name() or current().name


def write(paper_ids: Iterable[int]) -> None:
    """Afterwards the rows of these papers say what the papers say now.

    In the transaction of whoever changed them; so a function of embeddings, which may ask another
    machine, is left to `write_missing`.
    """
    # Nothing is read where nothing changed.
    if not (ids := sorted(set(paper_ids))):
        return
    found = None if embeddings.name() else current()
    for chunk in _chunks(ids):
        papers = Paper.objects.filter(pk__in=chunk).order_by("pk")
        # By name, so that a migration can call this whatever columns come after it.
        _store([_row(paper, found) for paper in papers.values(*_FIELDS)])


def write_missing(*, most: int = 20_000) -> int:
    """Afterwards up to so many papers more have a row, or lie in the space in use; how many."""
    missing = Paper.objects.filter(vector=None).order_by("-pk").values_list("pk", flat=True)
    done = 0
    for ids in _chunks(list(missing[:most])):
        with transaction.atomic():
            # Held, or an ingest that commits in between would be overwritten with older words.
            list(Paper.objects.select_for_update().filter(pk__in=ids).order_by("pk").only("pk"))
            write(ids)
        done += len(ids)
    return done + _place_others(most - done)


def fit() -> LsaSpace:
    """Afterwards a space that was fitted to the newest papers is in use; `write_missing` moves the
    papers into it.

    Raises VectorsError where there are too few.
    """
    found = fitted()
    VectorSpace.objects.filter(name=found.name).delete()
    VectorSpace.objects.create(
        name=found.name, data=space.written(found), papers=PaperVector.objects.count()
    )
    # The one before may be in use in another process until that looks again.
    kept = VectorSpace.objects.order_by("-pk").values_list("pk", flat=True)[:2]
    VectorSpace.objects.exclude(pk__in=list(kept)).delete()
    return found


def fitted() -> LsaSpace:
    """The space of the newest papers, which nothing uses; VectorsError where there are too few."""
    newest = PaperVector.objects.order_by("-paper_id").values_list("terms", flat=True)
    return fitting.fit([bytes(terms) for terms in newest[:MOST_FITTED].iterator()])


def unplace() -> None:
    """Afterwards `write_missing` places every paper again."""
    PaperVector.objects.exclude(space="").update(space="", changed_at=timezone.now())


def fit_if_grown() -> bool:
    """Whether a space was fitted: daily at most, once the archive has a third more papers."""
    papers = PaperVector.objects.count()
    last = VectorSpace.objects.order_by("-pk").only("papers", "created_at").first()
    if embeddings.name() or papers < max(fitting.FEWEST * 5, GROWN * (last.papers if last else 0)):
        return False
    if last and timezone.now() - last.created_at < FIT_AGAIN_AFTER:
        return False
    fit()
    return True


def _row(paper: dict[str, Any], found: LsaSpace | None) -> PaperVector:
    about = ". ".join([*_strings(paper["keywords"]), paper["summary"]])
    terms = analysis.terms((TITLE, paper["title"]), (ABOUT, about), (ABSTRACT, paper["abstract"]))
    row = PaperVector(paper_id=paper["pk"], terms=analysis.packed(terms))
    if found is not None:
        _place(row, found)
    return row


def _place(row: PaperVector, found: LsaSpace) -> None:
    terms = analysis.unpacked(bytes(row.terms))
    row.space, row.dense = found.name, space.packed(found.vector(terms))


def _store(rows: Sequence[PaperVector]) -> None:
    now = timezone.now()
    for row in rows:
        row.changed_at = now
    PaperVector.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["paper"],
        update_fields=["terms", "space", "dense", "changed_at"],
    )


def _place_others(most: int) -> int:
    """Moves up to so many rows into the space in use; returns how many."""
    name = current_name()
    others = PaperVector.objects.exclude(space=name).order_by("-paper_id")
    ids = list(others.values_list("pk", flat=True)[: max(most, 0)])
    is_own = bool(embeddings.name())
    done = 0
    for chunk in _chunks(ids, AT_ONCE if is_own else CHUNK):
        moved = _embed(chunk, name) if is_own else _move(chunk)
        if moved is None:
            break
        done += moved
    return done


def _move(ids: Sequence[int]) -> int:
    with transaction.atomic():
        rows = list(PaperVector.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
        found = current()
        for row in rows:
            _place(row, found)
        _store(rows)
    return len(rows)


def _embed(ids: Sequence[int], name: str) -> int | None:
    """The function is called outside of any transaction; None when it failed."""
    rows = {row.pk: row for row in PaperVector.objects.filter(pk__in=ids)}
    papers = list(Paper.objects.filter(pk__in=rows).values(*_FIELDS))
    vectors = embeddings.embed([_text(paper) for paper in papers])
    if vectors is None:
        return None
    with transaction.atomic():
        held = PaperVector.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        stamps = dict(held.values_list("pk", "changed_at"))
        found = dict(zip((paper["pk"] for paper in papers), vectors, strict=True))
        # What changed meanwhile is embedded the next time.
        same = [pk for pk in found if stamps.get(pk) == rows[pk].changed_at]
        for pk in same:
            rows[pk].space, rows[pk].dense = name, space.packed(found[pk])
        _store([rows[pk] for pk in same])
    return len(same)


def _text(paper: dict[str, Any]) -> str:
    return ". ".join(filter(None, [paper["title"], paper["summary"], paper["abstract"]]))


def _chunks(ids: Sequence[int], size: int = CHUNK) -> Iterator[Sequence[int]]:
    return (ids[first : first + size] for first in range(0, len(ids), size))


def _strings(value: Any) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []
