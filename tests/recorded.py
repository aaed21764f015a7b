"""The real papers that came with the task (../shared), and the topics they were labelled with.

@recorded.needed
def test_...():
    recorded.papers()["2408.00714"].title
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from digest.errors import DigestError
from digest.papers.sources import stored
from digest.records import PaperRecord

SHARED = Path(__file__).resolve().parents[2] / "shared"
FOLDERS = ("hf_daily_papers", "arxiv_oai", "arxiv_atom", "arxiv_rss")

needed = pytest.mark.skipif(
    not SHARED.exists(), reason="the recorded papers (../shared) are not here"
)


@lru_cache(maxsize=1)
def papers() -> dict[str, PaperRecord]:
    """Every readable paper of the recorded responses, by arXiv id; those of Hugging Face first."""
    found: dict[str, PaperRecord] = {}
    for folder in FOLDERS:
        for file in sorted((SHARED / "upstream" / folder).iterdir()):
            for record in _readable(file):
                found.setdefault(record.arxiv_id, record)
    return found


def _readable(file: Path) -> list[PaperRecord]:
    records = []
    try:
        for record in stored.parse(file.read_bytes()):
            if isinstance(record, PaperRecord):
                records.append(record)  # noqa: PERF401  what came before an error is kept
    except DigestError:
        pass
    return records


@lru_cache(maxsize=1)
def labelled() -> list[dict[str, Any]]:
    """Each labelled paper: its `id`, `topics`, and `maybe`, which are neither right nor wrong."""
    labels: list[dict[str, Any]] = json.loads((SHARED / "topics/labelled.json").read_text("utf-8"))
    return labels
