"""Answers that mean harm: small ones that cost much to read, texts that are absurd, and links."""

import gzip
import json
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from digest.errors import SourceError
from digest.papers.sources import arxiv_feed, arxiv_oai, base, hugging_face
from digest.records import BadEntry, PaperRecord
from tests.servers import head, raw
from tests.upstream import atom, hugging_face_entry, hugging_face_page

DAY = date(2026, 8, 20)
MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).resolve().parents[4]


# --- What it costs -------------------------------------------------------------------------------


_MEASURE = """
import resource, sys, time
from digest.errors import DigestError
from digest.papers.sources import stored
from digest.papers.sources.http import Http
def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = most()
body = Http("Source", "agent").get(sys.argv[1])
started = time.process_time()
try:
    print(len(list(stored.parse(body))), "entries")
except DigestError as error:
    print(error)
print(time.process_time() - started)
print(most() - before)
"""
FEED = b'<feed xmlns="http://www.w3.org/2005/Atom">'
HARVEST = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
RSS = b"""<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item><title>A title</title>
<guid>oai:arXiv.org:2608.00001v1</guid><pubDate>Thu, 20 Aug 2026 00:00:00 -0400</pubDate>"""
ENTRY = b'[{"paper":{"id":"2608.00001","authors":[],"publishedAt":"2026-08-20","title":"'
PROPS = b'<html><div data-target="DailyPapers" data-props="'
ATTRIBUTES = b"<a %s/>" % b" ".join(b'a%d=""' % number for number in range(60))
IN_UTF_7 = ATTRIBUTES.replace(b"=", b"+AD0-")
WIDE = "\U0001f600".encode()


@pytest.mark.parametrize(
    ("start", "piece", "end"),
    [
        (b"[", b"{},", b"{}]"),
        (b'[{"paper":{"authors":[', b"[],", b"[]]}}]"),
        (b"[", b'"a",', b'"a"]'),
        (b"[", b"1.5,", b"1.5]"),
        (ENTRY, b"ab ", b'"}}]'),
        (ENTRY + WIDE, b"ab\\n", b'"}}]'),
        (FEED, b"<a/>", b"</feed>"),
        (FEED, b"<?a?>", b"</feed>"),
        (FEED, ATTRIBUTES, b"</feed>"),
        (b'<?xml version="1.0" encoding="UTF-7"?>' + FEED, IN_UTF_7, b"</feed>"),
        (RSS + b"<dc:creator>", b"ab,", b"</dc:creator></item></channel></rss>"),
        (HARVEST, b"<a/>", b"</OAI-PMH>"),
        (HARVEST + b"<record>", ATTRIBUTES, b"</record></OAI-PMH>"),
        (b"<html>", b"<a/>", b"</html>"),
        (b"<html>", b'<div data-target="DailyPapers" ', b"</html>"),
        (PROPS, b"&quot;a", b'"></div>'),
        (PROPS + WIDE, b"&ab;", b'"></div>'),
    ],
)
def test_bomb_is_bounded_in_memory_and_time(start, piece, end):
    """15 MB of such pieces took up to 1,000 MiB to parse, or hours; 100 MB of zeros are as packed."""
    body = gzip.compress(start + piece * (15 * MEBIBYTE // len(piece)) + end, 1)
    with raw(head(b"Content-Encoding: gzip"), body) as url:
        command = [sys.executable, "-c", _MEASURE, url]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
    said, seconds, size = done.stdout.splitlines()
    assert float(size) < 150, said
    assert float(seconds) < 5, said


def test_page_of_one_tag_with_many_attributes_is_read_at_once():
    """A parser of HTML takes ten seconds, and four times as long for twice as many."""
    attributes = b" ".join(b"a%d" % number for number in range(100_000))
    started = time.process_time()
    with pytest.raises(SourceError, match="holds no list of papers"):
        hugging_face.entries_of_page(b"<html><a %s></a></html>" % attributes, DAY)
    assert time.process_time() - started < 1


def test_page_is_not_taken_at_the_word_of_a_text_in_it():
    """A quote is a quote in a text, which does not make it an attribute."""
    forged = '<p>div data-target="DailyPapers" data-props="{}"</p>'
    page = hugging_face_page(DAY, [hugging_face_entry(DAY, 1)]).decode()
    body = page.replace("<main>", f"<main>{forged}").encode()
    assert len(hugging_face.entries_of_page(body, DAY)) == 1


def test_default_values_of_attributes_are_not_read():
    """A document type of 16 kB, and elements of four bytes that are as large as it says."""
    values = " ".join(f'a{number} CDATA ""' for number in range(1000))
    body = f"<!DOCTYPE feed [<!ATTLIST a {values}>]><feed>{'<a/>' * 4000}</feed>".encode()
    for read in (arxiv_feed.read, lambda body: list(arxiv_oai.parse(body))):
        with pytest.raises(SourceError, match="document type"):
            read(body)


# --- What it says --------------------------------------------------------------------------------


def entry_with(**fields):
    made = hugging_face_entry(DAY, 1)
    made["paper"] |= fields
    return made


def parsed(entry):
    (found,) = hugging_face.parse(hugging_face.entries_of(json.dumps([entry]).encode()), DAY, set())
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "t" * 10 * MEBIBYTE},
        {"summary": "s" * 10 * MEBIBYTE},
        {"authors": [{"name": "a"}] * 20_000},
        {"title": "\u202e\u200b\u2066\x00"},
        {"title": ["a"]},
        {"title": {"a": 1}},
        {"publishedAt": "0000-01-01T00:00:00Z"},
        {"publishedAt": "0001-01-01T00:00:00Z"},
        {"publishedAt": "9999-12-31T23:59:59-12:00"},
        {"publishedAt": "9999-12-31"},
        {"publishedAt": 10**30},
        {"id": "../../etc/passwd"},
        {"id": "2608.00001\u0661"},
    ],
)
def test_absurd_entry_costs_itself_only(fields):
    good = hugging_face_entry(DAY, 2)
    body = json.dumps([entry_with(**fields), good]).encode()
    found = list(hugging_face.parse(hugging_face.entries_of(body), DAY, set()))
    assert [type(each) for each in found] == [BadEntry, PaperRecord]
    assert len(found[0].reason) < 100


@pytest.mark.parametrize(
    "number", ["1e400", "-5", "NaN", "Infinity", "1.5", "true", '"9"', "9" * 99]
)
def test_number_that_makes_no_sense_is_not_known(number):
    text = json.dumps([entry_with(upvotes="HERE")]).replace('"HERE"', number)
    (found,) = hugging_face.parse(hugging_face.entries_of(text.encode()), DAY, set())
    assert found.upvotes is None


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b"[{},{},",
        b"\xff\xfe",
        b"",
        b"null",
        b'{"error": {"a": 1}}',
    ],
)
def test_json_that_can_not_be_read_is_one_clear_line(body):
    with pytest.raises(SourceError, match=r"^Hugging Face: [^\n]*$"):
        hugging_face.entries_of(body)


def test_last_of_two_equal_keys_counts():
    text = json.dumps([entry_with()]).replace('"title": ', '"title": "<b>", "title": ')
    (found,) = hugging_face.parse(hugging_face.entries_of(text.encode()), DAY, set())
    assert found.title.startswith("Paper 1")


LAUGHS = b"""<!DOCTYPE feed [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>"""
OUTSIDE = b'<!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "types", [LAUGHS, OUTSIDE, b'<!DOCTYPE feed SYSTEM "http://127.0.0.1:9/">']
)
@pytest.mark.parametrize("before", [b"", b" " * 5000, b"<!--" + b"x" * 5000 + b"-->"])
@pytest.mark.parametrize("in_utf_16", [False, True])
def test_document_type_is_refused_wherever_it_stands(types, before, in_utf_16):
    body = before + types + b'<feed xmlns="http://www.w3.org/2005/Atom"><entry/></feed>'
    # Feeds are in UTF-8, and are read as nothing else.
    with pytest.raises(SourceError, match="broken in line 1" if in_utf_16 else "document type"):
        arxiv_feed.read(body.decode().encode("utf-16") if in_utf_16 else body)


def test_nothing_is_included_and_no_entity_is_known():
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'
    entry = f"<entry><id>http://arxiv.org/abs/2608.00001</id><title>{include}</title></entry>"
    (bad,) = arxiv_feed.parse(arxiv_feed.read(atom([entry])), DAY)
    assert bad == BadEntry("2608.00001", "no title")
    assert "broken" in arxiv_feed.read(atom(["<entry>&a;</entry>"])).error


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.org/x",
        "/admin/",
        "https:///x",
        "https://user:password@example.org/",
        "https://example.org@evil.example/",
        "https://example.org\\@evil.example/",
        "https://example.org/\u202egnp.exe",
        "https://exam\u200bple.org/",
        "https://example.org/a b",
        "https://example.org/\x00",
        "https://example.org/\r\nBcc: x",
        'https://example.org/"onmouseover="x',
        "https://example.org/<script>",
        "https://example.org/{{params.unsubscribe}}",
        "https://example.org/" + "x" * 500,
        "https://example.org:99999/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.0x1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/",
        "http://router/",
        "http://localhost/",
        "http://printer.local/",
        "http://a.localhost/",
        "http://metadata.google.internal/",
        "http://printer.ｌｏｃａｌ/",
        "http://printer.LOCAL/",
        "http://printer。local/",
        "http://printer.xn--local-/",
        "http://metadata.google.ｉnternal/",
        "http://router.home.arpa/",
        "http://１２７.0.0.1/",
        "http://１２７。０。０。１/",
        17,
    ],
)
def test_link_that_nobody_should_follow_is_none(link):
    found = parsed(entry_with(projectPage=link, githubRepo=link))
    assert (found.project_url, found.code_url) == ("", "")


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/example/agents",
        "http://example.org",
        "https://example.org:8443/~ada/x?y=1&z=%20#top",
        "https://bücher.example/",
        "https://xn--bcher-kva.example/",
        "https://papers.xn--p1ai/",
        "https://our_lab.example.org/",
        "https://en.wikipedia.org/wiki/A_(b)",
    ],
)
def test_plain_link_is_kept(link):
    assert base.link(link) == link


def test_dates_are_those_that_a_paper_can_have():
    assert base.moment("1991-08-14T00:00:00Z") == datetime(1991, 8, 14, tzinfo=UTC)
    with pytest.raises(base.EntryError, match="a date in the year 1990"):
        base.moment("1990-01-01T00:00:00Z")
