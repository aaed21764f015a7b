"""Every recorded response parses to the count that was written down for it."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from digest.errors import SourceError, SourceRefusedError
from digest.papers.sources import stored
from digest.records import BadEntry, PaperRecord
from tests.upstream import atom, atom_entry, day_list, hugging_face_page

UPSTREAM = Path(__file__).resolve().parents[5] / "shared" / "upstream"
DAY = date(2026, 8, 20)

ERRORS = {
    "arxiv_atom/2026_id_abc_s0_m100.xml": "incorrect id format for abc",
    "arxiv_oai/2015_ErrorResponseBadArgument.xml": "OAI error badArgument",
    "arxiv_oai/2015_ErrorResponseBadResumptionToken.xml": "OAI error badResumptionToken",
    "arxiv_oai/2015_ErrorResponseNoRecordsMatch.xml": "OAI error noRecordsMatch",
    "arxiv_rss/2025-08-20_atom_cs.AI_truncated.xml": "broken in line",
    "hf_errors/page_not_found.json": "Sorry, we can't find the page",
}


def expected() -> list[tuple[str, int]]:
    if not UPSTREAM.is_dir():
        return []
    table = (UPSTREAM / "SOURCES.md").read_text(encoding="utf-8")
    return [
        (name, int(n))
        for name, n in re.findall(r"^\| `([^`]+)` \| \d+ \| (\d+) \|", table, re.MULTILINE)
    ]


def read(body, day=None):
    """The records, and the error that ended them."""
    found = []
    try:
        found.extend(stored.parse(body, day))
    except (SourceError, SourceRefusedError) as error:
        return found, str(error)
    return found, ""


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="../shared/upstream is not beside the project")
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


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="../shared/upstream is not beside the project")
def test_authors_keep_their_order_however_many():
    found, _ = read((UPSTREAM / "hf_daily_papers/2024-08-01.json").read_bytes())
    raw = json.loads((UPSTREAM / "hf_daily_papers/2024-08-01.json").read_bytes())
    assert len(found[0].authors) == 533
    assert list(found[0].authors) == [a["name"] for a in raw[0]["paper"]["authors"]]


def test_page_of_the_web_is_read():
    found, error = read(hugging_face_page(DAY, day_list(DAY)), DAY)
    assert (len(found), error) == (12, "")
    assert found[0].listed_on == DAY


def test_page_of_another_day_is_refused():
    found, error = read(hugging_face_page(date(2026, 8, 19), day_list(DAY)), DAY)
    assert (found, error) == ([], "Hugging Face: the web page shows 2026-08-19, not 2026-08-20")


def test_cut_feed_keeps_the_entries_before_the_cut():
    body = atom([atom_entry(DAY, n) for n in range(1, 6)])
    found, error = read(body[:-50])
    assert len(found) == 4
    assert "4 entries before that were taken" in error


OAI = b"""<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>
<record><header><identifier>oai:arXiv.org:1302.2146</identifier></header><metadata>
<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>1302.2146</id>
<version version="v1"><date>Fri, 8 Feb 2013 21:00:01 GMT</date></version>
<version version="v2"><date>Tue, 2 Apr 2013 01:50:08 GMT</date></version>
<title>A  title</title><authors>Ada Lovelace, Alan Turing (MIT, Boston) and Grace Hopper</authors>
<categories>hep-ph hep-ex</categories><abstract>  Two
lines.</abstract></arXivRaw></metadata></record>
<record><header status="deleted"><identifier>oai:arXiv.org:1302.2147</identifier></header></record>
</ListRecords></OAI-PMH>"""


def test_raw_harvest_names_first_submission_and_newest_version():
    paper, deleted = read(OAI)[0]
    assert (paper.arxiv_id, paper.version, paper.title) == ("1302.2146", 2, "A title")
    assert paper.authors == ("Ada Lovelace", "Alan Turing", "Grace Hopper")
    assert paper.published_at.isoformat() == "2013-02-08T21:00:01+00:00"
    assert paper.categories == ("hep-ph", "hep-ex")
    assert deleted == BadEntry("1302.2147", "no metadata in the format arXiv or arXivRaw")


def test_cut_harvest_keeps_the_records_before_the_cut():
    found, error = read(OAI[:-60])
    assert len(found) == 1
    assert "1 records before that were taken" in error


BOMB = b"""<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<feed xmlns="http://www.w3.org/2005/Atom"><title>&b;</title></feed>"""
FILE = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><record><header><identifier>&x;</identifier>
</header></record></OAI-PMH>"""


def test_entities_are_not_expanded():
    assert "declares a document type" in read(BOMB)[1]


def test_files_of_the_machine_are_not_read():
    found, error = read(FILE)
    assert "root:" not in repr(found) + error


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"\x00\x01\x02", b"[", b"{}", b"null", b"<html>", b"<feed", b"12", b'"text"',
     b"\xff\xfe<\x00", b"[" * 100_000, b"<a>" * 100_000],
)  # fmt: skip
def test_nonsense_is_one_clear_line(body):
    found, error = read(body)
    assert found == []
    assert error
    assert "\n" not in error
