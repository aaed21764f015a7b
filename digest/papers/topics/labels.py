"""Labelled papers: what the topic model learns from."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import digest
from digest.errors import PermanentError
from digest.models import Paper, TopicCorrection
from digest.papers.text import readable
from digest.records import PaperRecord

from .training import Example

FILE = Path(digest.__path__[0]) / "data" / "topic_labels.json"
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Label:
    """The topics that somebody who read a paper gave it, by slug."""

    topics: frozenset[str]
    maybe: frozenset[str]
    """Arguable: neither right nor wrong."""


def read(file: Path) -> dict[str, Label]:
    """The labels of a file by arXiv id: a JSON list of objects with `id`, `topics` and `maybe`.
    PermanentError, with a line for the operator, for anything else."""
    try:
        return {
            str(entry["id"]): Label(_slugs(entry["topics"]), _slugs(entry.get("maybe", [])))
            for entry in json.loads(file.read_bytes())
        }
    except OSError as error:
        raise PermanentError(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PermanentError(
            f"{file} is no list of labels: each has an id, topics and maybe."
        ) from error


def _slugs(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError
    return frozenset(map(str, value))


def examples_from_files(
    labels: Mapping[str, Label], records: Iterable[PaperRecord]
) -> list[Example]:
    """The labelled papers among the records, each once, the first of it."""
    found: dict[str, Example] = {}
    for record in records:
        label = labels.get(record.arxiv_id)
        if label is not None and record.arxiv_id not in found:
            found[record.arxiv_id] = Example(
                readable(record.title),
                readable(record.abstract),
                tuple(map(readable, record.keywords)),
                record.categories,
                label.topics,
                label.maybe,
            )
    return [found[arxiv_id] for arxiv_id in sorted(found)]


def examples_from_archive(labels: Mapping[str, Label], slugs: Collection[str]) -> list[Example]:
    """The labelled papers that the archive has, with what operators corrected; and the papers that
    were only corrected, of which nothing else is known."""
    corrected = _corrections()
    ids = sorted({*labels, *corrected})
    return [
        example
        for start in range(0, len(ids), _PAGE)
        for example in _examples(ids[start : start + _PAGE], labels, corrected, frozenset(slugs))
    ]


def _corrections() -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = {}
    rows = TopicCorrection.objects.values_list("paper__arxiv_id", "topic__slug", "is_about")
    for arxiv_id, slug, is_about in rows:
        found.setdefault(arxiv_id, {})[slug] = is_about
    return found


def _examples(
    ids: list[str],
    labels: Mapping[str, Label],
    corrected: Mapping[str, Mapping[str, bool]],
    slugs: frozenset[str],
) -> Iterator[Example]:
    for paper in Paper.objects.filter(arxiv_id__in=ids).order_by("arxiv_id"):
        said = corrected.get(paper.arxiv_id, {})
        label = labels.get(paper.arxiv_id) or Label(frozenset(), slugs)
        right = frozenset(slug for slug, is_about in said.items() if is_about)
        yield Example(
            paper.title,
            paper.abstract,
            tuple(paper.keywords),
            tuple(paper.categories),
            label.topics - said.keys() | right,
            label.maybe - said.keys(),
        )
