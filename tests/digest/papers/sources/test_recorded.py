"""Every recorded response parses to the count that was written down for it."""

import json
import re
from pathlib import Path

import pytest

from digest.errors import SourceError, SourceRefusedError
from digest.papers.sources import base, stored
from digest.records import PaperRecord

UPSTREAM = Path(__file__).resolve().parents[5] / "shared" / "upstream"

if not UPSTREAM.is_dir():
    pytest.skip("the recorded responses (../shared/upstream) are not here", allow_module_level=True)

ERRORS = {
    "arxiv_atom/2026_id_abc_s0_m100.xml": "incorrect id format for abc",
    "arxiv_oai/2015_ErrorResponseBadArgument.xml": "OAI error badArgument",
    "arxiv_oai/2015_ErrorResponseBadResumptionToken.xml": "OAI error badResumptionToken",
    "arxiv_oai/2015_ErrorResponseNoRecordsMatch.xml": "OAI error noRecordsMatch",
    "arxiv_rss/2025-08-20_atom_cs.AI_truncated.xml": "broken in line",
    "hf_errors/page_not_found.json": "Sorry, we can't find the page",
}


def expected() -> list[tuple[str, int]]:
    table = (UPSTREAM / "SOURCES.md").read_text(encoding="utf-8")
    return [
        (name, int(n))
        for name, n in re.findall(r"^\| `([^`]+)` \| \d+ \| (\d+) \|", table, re.MULTILINE)
    ]


def read(body):
    """The records, and the error that ended them."""
    found = []
    try:
        found.extend(stored.parse(body))
    except (SourceError, SourceRefusedError) as error:
        return found, str(error)
    return found, ""


def test_every_file_on_the_list_is_there():
    files = {str(p.relative_to(UPSTREAM)) for p in UPSTREAM.rglob("*.*") if p.name != "SOURCES.md"}
    assert {name for name, _ in expected()} == files


@pytest.mark.parametrize(("name", "count"), expected())
def test_recorded_response_parses_to_its_count(name, count):
    found, error = read((UPSTREAM / name).read_bytes())
    assert all(isinstance(record, PaperRecord) for record in found)
    assert len({record.arxiv_id for record in found}) == len(found) == count
    assert ERRORS.get(name, "") in error
    assert bool(error) == (name in ERRORS)
    assert "\n" not in error


@pytest.mark.parametrize(("name", "count"), [e for e in expected() if e[1]])
def test_recorded_papers_are_whole(name, count):
    for record in read((UPSTREAM / name).read_bytes())[0]:
        assert record.title
        assert "\n" not in record.title + record.abstract
        assert record.authors
        assert record.published_at.tzinfo is not None


@pytest.mark.parametrize("name", [name for name, _ in expected()])
def test_recorded_response_is_far_below_what_is_refused(name):
    body = (UPSTREAM / name).read_bytes()
    assert len(re.findall(rb"<[^/]|=|[{[,]", body)) < base.MOST_NODES / 5


def test_authors_keep_their_order_however_many():
    found, _ = read((UPSTREAM / "hf_daily_papers/2024-08-01.json").read_bytes())
    raw = json.loads((UPSTREAM / "hf_daily_papers/2024-08-01.json").read_bytes())
    assert len(found[0].authors) == 533
    assert list(found[0].authors) == [a["name"] for a in raw[0]["paper"]["authors"]]
