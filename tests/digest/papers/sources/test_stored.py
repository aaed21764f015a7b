"""Kept responses are read whichever kind they are, and as far as they are whole."""

from datetime import date

import pytest

from digest.errors import SourceError, SourceRefusedError
from digest.papers.sources import stored
from digest.records import BadEntry
from tests.upstream import atom, atom_entry, day_list, hugging_face_page

DAY = date(2026, 8, 20)


def read(body, day=None):
    """The records, and the error that ended them."""
    found = []
    try:
        found.extend(stored.parse(body, day))
    except (SourceError, SourceRefusedError) as error:
        return found, str(error)
    return found, ""


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
