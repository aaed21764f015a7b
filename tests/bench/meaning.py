"""Does search find a known paper, are papers "like this" on the same topic, and how fast is that?

The papers of ../shared/upstream are real (some 1,400 have an abstract); up to `ARCHIVE` there are made-up
ones, whose abstracts are sentences of the real ones mixed anew, so that each has the words of many real
ones. How fast it is, is measured in an archive of `papers` by `tests.bench.archive`, in a process of its own.
"""

import json
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.bench.installation import installation

HEADINGS = ("what", "figure", "")
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
PARAPHRASES = ROOT / "tests" / "data" / "paraphrases.json"
ARCHIVE = 6_000
DEPTH = 50
ASKED = 300
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")


def run(*, subscribers: int, papers: int = 100_000) -> Iterator[tuple[str, ...]]:
    """Rows of the table; `subscribers` is of no matter."""
    # What asks is a process of its own: one that filled the archive has memory to spare.
    for works in ([("quality",)], [("fill", str(papers)), ("ask", str(papers))]):
        with installation(API_RATE="1000000/m") as made:
            made.manage("collectstatic", "--noinput", "-v0")
            for work in works:
                for line in made.python("tests.bench.meaning", *work).splitlines():
                    yield tuple(line.split("\t"))


# --- Known papers ----------------------------------------------------------------------------


def real_papers() -> list[Any]:
    """Records of all papers whose abstracts are there."""
    from digest.papers.sources import arxiv_oai, hugging_face  # noqa: PLC0415  after the settings
    from digest.records import PaperRecord  # noqa: PLC0415

    found: dict[str, PaperRecord] = {}
    for path in sorted((SHARED / "upstream/hf_daily_papers").glob("20*.json")):
        for entry in hugging_face.parse(json.loads(path.read_text()), None, set()):
            if isinstance(entry, PaperRecord) and entry.abstract:
                found.setdefault(entry.arxiv_id, entry)
    for path in sorted((SHARED / "upstream/arxiv_oai").glob("*listrecords*.xml")):
        for entry in arxiv_oai.parse(path.read_bytes()):
            if isinstance(entry, PaperRecord) and entry.abstract:
                found.setdefault(entry.arxiv_id, entry)
    return list(found.values())


def made_up(real: Sequence[Any], number: int, dice: random.Random) -> Iterator[Any]:
    """So many papers of mixed sentences, each under halves of two titles."""
    from digest.papers import text  # noqa: PLC0415
    from digest.records import PaperRecord  # noqa: PLC0415

    # A formula that reaches over two sentences is none in either.
    abstracts = (text.readable(paper.abstract) for paper in real)
    sentences = [part for abstract in abstracts for part in _SENTENCE.split(abstract)]
    for place in range(number):
        first, second = (paper.title.split() for paper in dice.sample(real, 2))
        yield PaperRecord(
            arxiv_id=f"9001.{place:05}",
            title=" ".join(first[: len(first) // 2] + second[len(second) // 2 :]),
            abstract=" ".join(dice.sample(sentences, dice.randint(4, 8))),
            authors=("Grace Hopper",),
            published_at=datetime.combine(date(2025, 1, 1), datetime.min.time(), UTC),
        )


def _questions(real: Sequence[Any]) -> dict[str, list[tuple[str, str]]]:
    """Of each kind the question and the id of the paper that it asks for."""
    dice = random.Random(3)
    titles = [(paper.title, paper.arxiv_id) for paper in real]
    written = json.loads(PARAPHRASES.read_text())
    return {
        "title": dice.sample(titles, ASKED),
        "title, words shuffled": [
            (" ".join(dice.sample(title.split(), len(title.split()))), key)
            for title, key in dice.sample(titles, ASKED)
        ],
        "three words of the title": [
            (" ".join(dice.sample(longest, min(3, len(longest)))), key)
            for title, key in dice.sample(titles, ASKED)
            if (longest := sorted(re.findall(r"[A-Za-z]{4,}", title), key=len)[-5:])
        ],
        "ai_summary": [(paper.summary, paper.arxiv_id) for paper in real if paper.summary],
        "own sentence": [(sentence, key) for key, sentence in written.items()],
    }


def quality() -> Iterator[tuple[str, ...]]:
    """Stores the papers without summary and keywords, and asks for them."""
    from dataclasses import replace  # noqa: PLC0415

    from digest.papers import ingest, vectors  # noqa: PLC0415

    real = real_papers()
    bare = [replace(paper, summary="", keywords=()) for paper in real]
    ingest.store(bare, source="hugging_face")
    ingest.store(made_up(real, ARCHIVE - len(real), random.Random(5)), source="arxiv")
    started = time.perf_counter()
    vectors.fit()
    spent = time.perf_counter() - started
    vectors.write_missing()
    vectors.refresh()
    yield (f"papers, {len(real):,} of them real", f"{ARCHIVE:,}", f"fitted in {spent:.1f} s")
    yield from _known_items(_questions(real))
    yield from _without_titles(bare, _questions(real))
    ingest.store(real, source="hugging_face")
    vectors.refresh()
    yield from _neighbours()


def _known_items(questions: dict[str, list[tuple[str, str]]]) -> Iterator[tuple[str, ...]]:
    for kind, asked in questions.items():
        for name, find in _ways().items():
            yield (f"{kind}: {name}", *_figures(_ranks(asked, find)))


def _without_titles(
    bare: Sequence[Any], questions: dict[str, list[tuple[str, str]]]
) -> Iterator[tuple[str, ...]]:
    """The summaries against abstracts alone: the papers' titles say nothing."""
    from digest.models import Paper  # noqa: PLC0415
    from digest.papers import search, vectors  # noqa: PLC0415

    ids = list(
        Paper.objects.filter(arxiv_id__in=[paper.arxiv_id for paper in bare]).values_list(
            "pk", flat=True
        )
    )
    Paper.objects.filter(pk__in=ids).update(title="Untitled")
    search.index(ids)
    vectors.write(ids)
    vectors.refresh()
    kinds = {f"{kind}, no titles": questions[kind] for kind in ("ai_summary", "own sentence")}
    yield from _known_items(kinds)


def _ways() -> dict[str, Callable[[str], list[int]]]:
    from digest.papers import meaning, search, vectors  # noqa: PLC0415

    def near(text: str, share: float) -> list[int]:
        found = vectors.near_text(text[: search.MOST_LETTERS], most=DEPTH, meaning_counts=share)
        return [paper.paper_id for paper in found]

    return {
        "full text, as it was": lambda text: list(search.find(search.parse(text), limit=DEPTH)),
        "words alone (BM25)": lambda text: near(text, 0.0),
        "LSA alone": lambda text: near(text, 1.0),
        "hybrid, as it is": lambda text: list(meaning.find(search.parse(text), limit=DEPTH).ids),
    }


def _ranks(asked: Iterable[tuple[str, str]], find: Callable[[str], list[int]]) -> list[int]:
    """The place of each paper that was asked for, 0 where it was not among the first `DEPTH`."""
    from digest.models import Paper  # noqa: PLC0415

    keys = dict(Paper.objects.values_list("arxiv_id", "pk"))
    ranks = []
    for text, arxiv_id in asked:
        found = find(text)
        ranks.append(found.index(keys[arxiv_id]) + 1 if keys[arxiv_id] in found else 0)
    return ranks


def _figures(ranks: Sequence[int]) -> tuple[str, str]:
    mrr = statistics.mean(1 / rank if rank else 0 for rank in ranks)
    first, ten = (statistics.mean(0 < rank <= most for rank in ranks) for most in (1, 10))
    return f"MRR {mrr:.3f}", f"first {first:.2f}, of ten {ten:.2f} ({len(ranks)})"


# --- Neighbours ------------------------------------------------------------------------------


def _neighbours() -> Iterator[tuple[str, ...]]:
    """How many of ten neighbours share a topic: by our own tags, and by labels of readers, where only
    labelled papers are looked at (there are 220, so that the tenth is not near)."""
    from digest.models import Paper, PaperTopic  # noqa: PLC0415
    from digest.papers import similar  # noqa: PLC0415

    labels = json.loads((SHARED / "topics/labelled.json").read_text())
    keys = dict(Paper.objects.values_list("arxiv_id", "pk"))
    sure = {keys[entry["id"]]: set(entry["topics"]) for entry in labels if entry["id"] in keys}
    fair = {
        keys[entry["id"]]: {*entry["topics"], *entry["maybe"]}
        for entry in labels
        if entry["id"] in keys
    }
    tags: dict[int, set[str]] = {}
    for pk, slug in PaperTopic.objects.values_list("paper_id", "topic__slug"):
        tags.setdefault(pk, set()).add(slug)
    Paper.objects.filter(arxiv_id__startswith="9001.").delete()
    papers = [paper for paper in Paper.objects.filter(pk__in=sure) if sure[paper.pk]]
    for name, scores in (("as it was", similar.by_titles), ("now", similar.by_vectors)):
        shares: dict[str, list[float]] = {"our tags": [], "labels": [], "labels and maybes": []}
        for paper in papers:
            near = similar.ranked(paper, scores(paper, most=300))
            shares["our tags"] += _share(tags, paper.pk, near)
            shares["labels"] += _share(sure, paper.pk, [pk for pk in near if pk in sure])
            shares["labels and maybes"] += _share(fair, paper.pk, [pk for pk in near if pk in fair])
        for label, found in shares.items():
            tenths = f"{10 * statistics.mean(found):.1f} of 10"
            yield (f"neighbours {name}: same topic by {label}", tenths, f"{len(found):,} pairs")


def _share(
    topics: dict[int, set[str]], pk: int, near: Sequence[int], most: int = 10
) -> list[float]:
    """1 for each of the first neighbours that shares a topic, 0 for each that does not, or is missing."""
    if not topics.get(pk):
        return []
    first = zip_longest(near[:most], range(most))
    return [float(bool(other and topics[pk] & topics.get(other, set()))) for other, _ in first]


# --- Speed -----------------------------------------------------------------------------------


def fill(papers: int) -> Iterator[tuple[str, ...]]:
    """Afterwards there is an archive of this size on PostgreSQL, and every paper is placed."""
    from digest.papers import vectors  # noqa: PLC0415  after the settings
    from tests.bench import archive  # noqa: PLC0415

    archive.seed(papers)
    yield from _timed("rows of all papers written", lambda: vectors.write_missing(most=vectors.ALL))
    yield from _timed("space fitted (a process of the worker)", vectors.fit)
    yield from _timed("papers moved into it", lambda: vectors.write_missing(most=vectors.ALL))


def ask(papers: int) -> Iterator[tuple[str, ...]]:
    """How long everything takes in that archive, and how much memory."""
    from django.test import Client  # noqa: PLC0415  after the settings

    from digest.models import Paper  # noqa: PLC0415
    from digest.papers import meaning, search, similar, vectors  # noqa: PLC0415

    client = Client(HTTP_HOST="papers.example.org", HTTP_X_FORWARDED_PROTO="https")
    # With what any page loads.
    client.get("/")
    before = _resident()
    yield from _timed("index read, beside the pages", vectors.refresh)
    yield ("memory of the index", f"{_resident() - before:.0f} MiB", f"{before:.0f} before")
    dice = random.Random(2)
    chosen = list(Paper.objects.filter(pk__in=dice.sample(range(1, papers + 1), ASKED)))
    words = [" ".join(dice.sample(paper.abstract.split(), 12)) for paper in chosen]
    yield _times("near a sentence", words, lambda text: vectors.near_text(text, most=150))
    yield _times("search for a sentence", words, lambda text: meaning.find(search.parse(text)))
    yield _times(
        "search, narrowed to years",
        words,
        lambda text: meaning.find(search.parse(f"{text} after:2024")),
    )
    titles = [paper.title for paper in chosen]
    yield _times("search for a title", titles, lambda text: meaning.find(search.parse(text)))
    yield _times("page of a search", words, lambda text: client.get("/search/", {"q": text}))
    yield _times(
        "API, a search", words, lambda text: client.get("/api/v1/search", {"q": text, "limit": 20})
    )
    yield _times("papers like one", chosen, similar.papers_like)
    yield _times("page of a paper", chosen, lambda paper: client.get(f"/papers/{paper.arxiv_id}/"))


def _timed(name: str, work: Callable[[], Any]) -> Iterator[tuple[str, ...]]:
    started = time.perf_counter()
    work()
    yield (name, f"{time.perf_counter() - started:.1f} s", "")


def _times(name: str, asked: Sequence[Any], work: Callable[[Any], Any]) -> tuple[str, ...]:
    taken = []
    for number, question in enumerate(asked):
        started = time.perf_counter()
        answer = work(question)
        if number >= 5:
            taken.append((time.perf_counter() - started) * 1000)
        if getattr(answer, "status_code", 200) != 200:
            raise RuntimeError(f"{name}: {answer.status_code}")
    taken.sort()
    return (
        name,
        f"p50 {taken[len(taken) // 2]:.1f} ms",
        f"p95 {taken[int(len(taken) * 0.95)]:.1f} ms",
    )


def _resident() -> float:
    """MiB of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    work = {"fill": fill, "ask": ask}.get(sys.argv[1])
    for row in work(int(sys.argv[2])) if work else quality():
        print("\t".join(row), flush=True)
