"""Stores what sources yield: one paper per arXiv id, and the list it stood on."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from digest.errors import DigestError
from digest.models import Listing, Paper
from digest.records import BadEntry, FetchCounts, PaperRecord

from . import authors, search, text, topics, trending, vectors

logger = logging.getLogger(__name__)

CHUNK = 100
# What a source may leave out never empties what another one knew.
_KEPT_WHEN_EMPTY = (
    "summary", "code_url", "project_url", "discussion_url", "organization", "authors",
    "categories", "keywords", "upvotes", "comments", "code_stars",
)  # fmt: skip
_WORDS = ("title", "abstract", "keywords", "categories")
_COMPARED = {"title", "abstract", "keywords", "summary"}
_FIELDS = ("title", "abstract", "version", "published_at", "updated_at", *_KEPT_WHEN_EMPTY)


def store(
    records: Iterable[PaperRecord | BadEntry],
    *,
    source: str,
    counts: FetchCounts | None = None,
) -> FetchCounts:
    """Afterwards every readable record is in the archive; storing it again changes nothing.

    Chunk by chunk, each a transaction: when the source breaks off, what came before stays, and
    the error is raised. `counts` is filled as it goes. Two fetches may run side by side.
    """
    counts = FetchCounts() if counts is None else counts
    for chunk, error in _chunks(map(_with_title, records)):
        good = {entry.arxiv_id: entry for entry in chunk if isinstance(entry, PaperRecord)}
        for entry in chunk:
            if isinstance(entry, BadEntry):
                counts.bad += 1
                logger.warning(
                    "entry skipped",
                    extra={"source": source, "entry": entry.entry_id, "reason": entry.reason},
                )
        _store_chunk(good, source, counts)
        if error is not None:
            raise error
    return counts


def rank_trending(arxiv_ids: Sequence[str]) -> None:
    """Afterwards exactly these papers are trending, in this order, as far as they are stored."""
    places = {arxiv_id: rank for rank, arxiv_id in enumerate(arxiv_ids, start=1)}
    with transaction.atomic():
        Paper.objects.filter(trending_rank__isnull=False).exclude(arxiv_id__in=places).update(
            trending_rank=None
        )
        papers = list(
            Paper.objects.select_for_update().filter(arxiv_id__in=places).order_by("arxiv_id")
        )
        for paper in papers:
            paper.trending_rank = places[paper.arxiv_id]
        Paper.objects.bulk_update(papers, ["trending_rank"])


def _with_title(record: PaperRecord | BadEntry) -> PaperRecord | BadEntry:
    """The record, if anything of its title can be read: what is left of some is empty, and what they
    were must not be shown in its place."""
    if isinstance(record, PaperRecord) and not text.readable(record.title):
        return BadEntry(record.arxiv_id, "no title that can be read")
    return record


def _chunks(
    records: Iterable[PaperRecord | BadEntry],
) -> Iterator[tuple[list[PaperRecord | BadEntry], DigestError | None]]:
    """Chunks of records; the last one with the error, if any, that ended them."""
    iterator = iter(records)
    while True:
        chunk: list[PaperRecord | BadEntry] = []
        try:
            for record in islice(iterator, CHUNK):
                chunk.append(record)  # noqa: PERF402  what came before an error must be kept
        except DigestError as error:
            yield chunk, error
            return
        if not chunk:
            return
        yield chunk, None


def _store_chunk(records: dict[str, PaperRecord], source: str, counts: FetchCounts) -> None:
    fields = {arxiv_id: _fields(record) for arxiv_id, record in records.items()}
    with transaction.atomic():
        known = set(Paper.objects.filter(arxiv_id__in=fields).values_list("arxiv_id", flat=True))
        # In one order everywhere, so that two fetches at once don't wait for each other in a ring.
        ours = [Paper(**fields[key]) for key in sorted(fields.keys() - known)]
        Paper.objects.bulk_create(ours, ignore_conflicts=True)
        papers = {
            paper.arxiv_id: paper
            for paper in Paper.objects.select_for_update()
            .filter(arxiv_id__in=fields)
            .order_by("arxiv_id")
        }
        # What another fetch stored at this very moment is known, too.
        known |= {
            paper.arxiv_id
            for paper in ours
            if papers[paper.arxiv_id].created_at != paper.created_at
        }
        before = {key: papers[key].authors for key in known}
        changed = {key: names for key in known if (names := _merge(papers[key], fields[key]))}
        now = timezone.now()
        for key in changed:
            papers[key].updated_at = now
        Paper.objects.bulk_update([papers[key] for key in sorted(changed)], _FIELDS)
        Listing.objects.bulk_create(
            [
                Listing(paper=papers[key], source=source, listed_on=record.listed_on)
                for key, record in records.items()
                if record.listed_on is not None
            ],
            ignore_conflicts=True,
        )
        new = papers.keys() - known
        # A topic's rows say when its papers came out, too.
        reworded = {key for key, names in changed.items() if names & {*_WORDS, "published_at"}}
        # In the same transaction: a paper that is known is not looked at again.
        topics.tag([papers[key].pk for key in sorted(new | reworded)])
        renamed = {key for key, names in changed.items() if "authors" in names}
        authors.count(
            [name for key in new | renamed for name in papers[key].authors],
            no_more=[name for key in renamed for name in before[key]],
        )
        voted = new | {key for key, names in changed.items() if "upvotes" in names}
        trending.keep([papers[key] for key in voted], now)
        # Votes count there as well.
        search.index(papers[key].pk for key in new | changed.keys())
        said = {key for key, names in changed.items() if names & _COMPARED}
        vectors.write(papers[key].pk for key in new | said)
    counts.new += len(new)
    counts.updated += len(changed)
    counts.skipped += len(known) - len(changed)


def _fields(record: PaperRecord) -> dict[str, Any]:
    return {
        "arxiv_id": record.arxiv_id,
        "version": record.version,
        "title": text.readable(record.title),
        "abstract": text.readable(record.abstract),
        "summary": text.readable(record.summary),
        "authors": [text.readable(name) for name in record.authors],
        "published_at": record.published_at,
        "upvotes": record.upvotes or 0,
        "comments": record.comments or 0,
        "categories": list(record.categories),
        "keywords": [text.readable(word) for word in record.keywords],
        "code_url": record.code_url,
        "code_stars": record.code_stars,
        "project_url": record.project_url,
        "discussion_url": record.discussion_url,
        # A command such as \today grows when it is read.
        "organization": text.readable(record.organization)[:200],
    }


def _merge(paper: Paper, fields: dict[str, Any]) -> set[str]:
    """Brings the paper up to date; returns the names of the fields that changed.

    Title and abstract follow the newest version; a source that names no version is taken at its
    word. The day of publication only ever moves back: announcements come after submission.
    """
    wanted = {name: fields[name] for name in _KEPT_WHEN_EMPTY if fields[name]}
    version, known = fields["version"], paper.version or 0
    if version is None or version >= known:
        wanted |= {name: fields[name] for name in ("title", "abstract") if fields[name]}
        wanted["version"] = version or paper.version
    wanted["published_at"] = min(paper.published_at, fields["published_at"])
    changed = {name for name, value in wanted.items() if getattr(paper, name) != value}
    for name in changed:
        setattr(paper, name, wanted[name])
    return changed
