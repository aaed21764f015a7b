"""arXiv's announcements and API, through their faults."""

import re
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import pairwise

import pytest

from digest.errors import SourceError, SourceRefusedError
from digest.papers.sources.arxiv import Arxiv
from digest.papers.sources.http import Http, Limits
from tests.upstream import FakeUpstream, Fault, atom, atom_entry, paper_id, rss

DAY = date(2026, 8, 20)
SUBMITTED = DAY - timedelta(days=1)
"""When the papers of the day were handed in: arXiv announces what came in until the day before."""
QUICK = Limits(connect=1.0, read=0.3, whole=2.0, size=400_000, patience=0.1)


@pytest.fixture
def upstream():
    with FakeUpstream() as running:
        yield running


@pytest.fixture
def turns():
    return []


@pytest.fixture
def source(upstream, turns):
    @contextmanager
    def turn():
        turns.append("taken")
        yield
        turns.append("given back")

    return Arxiv(
        Http("arXiv", "agent", QUICK, lambda seconds: None), api_url=upstream.url,
        rss_url=upstream.url, categories=["cs.AI", "cs.CL"], turn=turn,
    )  # fmt: skip


def entries(count):
    return [atom_entry(SUBMITTED, number) for number in range(1, count + 1)]


def test_announcements_of_the_day_are_one_request(source, upstream, turns):
    upstream.announced_on = DAY
    found = list(source.fetch(DAY))
    assert [record.arxiv_id for record in found] == [paper_id(DAY, n) for n in (1, 2, 3)]
    assert [call.path for call in upstream.calls] == ["/rss/cs.AI+cs.CL"]
    assert turns == ["taken", "given back"]


def test_announcement_is_read_without_its_preamble_and_affiliations(source, upstream):
    upstream.announced_on = DAY
    first = next(iter(source.fetch(DAY)))
    assert first.abstract == "We measure what was only guessed before."
    assert first.authors == ("Ada Lovelace", "Alan Turing")
    assert (first.listed_on, first.version) == (DAY, 1)


@pytest.mark.parametrize("announce", ["replace", "replace-cross"])
def test_new_versions_are_not_new_papers(source, upstream, announce):
    upstream.bodies["/rss/"] = rss(DAY, announce=announce)
    assert list(source.fetch(DAY)) == []


def test_other_days_come_from_the_api_page_by_page(source, upstream, turns):
    upstream.submitted[SUBMITTED] = entries(450)
    found = list(source.fetch(DAY))
    assert len({record.arxiv_id for record in found}) == len(found) == 450
    queries = [call.query for call in upstream.calls_to("/api/query")]
    assert [query["start"] for query in queries] == ["0", "200", "400"]
    assert "cat:cs.AI OR cat:cs.CL" in queries[0]["search_query"]
    assert len(turns) == 2 * len(upstream.calls)


def test_empty_first_page_is_asked_for_again(source, upstream):
    upstream.submitted[SUBMITTED] = entries(5)
    upstream.faults["/api/query"] = [Fault(body=atom([], total=5))] * 2
    assert len(list(source.fetch(DAY))) == 5


def test_page_that_stays_empty_is_an_error(source, upstream):
    upstream.faults["/api/query"] = [Fault(body=atom([], total=5))] * 3
    with pytest.raises(SourceError, match="an empty page although it counts 5 papers"):
        list(source.fetch(DAY))


def test_day_without_papers_is_no_error(source):
    assert list(source.fetch(DAY)) == []


def test_server_that_ignores_start_ends(source, upstream):
    upstream.bodies["/api/query"] = atom(entries(10), total=1000)
    assert len(list(source.fetch(DAY))) == 10


BROKEN = {
    "500": Fault(status=500),
    "429": Fault(status=429, retry_after="60"),
    "time-out": Fault(stall=0.6),
    "cut in the head": Fault(body=b"<feed xmlns='http://www.w3"),
    "denied": Fault(body=b"<!DOCTYPE html><html><body>Access denied</body></html>"),
    "JSON": Fault(body=b"[]"),
    "huge": Fault(body=b"<feed>" + b" " * 500_000 + b"</feed>"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_api_steps_in_when_the_announcements_fail(source, upstream, kind):
    upstream.faults["/rss/"] = [BROKEN[kind]] * 2
    upstream.submitted[SUBMITTED] = entries(5)
    assert len(list(source.fetch(DAY))) == 5


@pytest.mark.parametrize("kind", BROKEN)
def test_failed_announcements_and_an_api_without_papers_are_no_clean_fetch(source, upstream, kind):
    upstream.faults["/rss/"] = [BROKEN[kind]] * 2
    with pytest.raises(SourceError, match=r"^arXiv: .*; the API has no papers of the day either$"):
        list(source.fetch(DAY))


def test_announcements_without_a_single_paper_are_checked_with_the_api(source, upstream):
    upstream.bodies["/rss/"] = rss(DAY, numbers=range(0))
    upstream.submitted[SUBMITTED] = entries(5)
    assert len(list(source.fetch(DAY))) == 5


@pytest.mark.parametrize(
    ("announced", "submitted"),
    [(21, 20), (24, 21), (25, 22), (25, 23), (25, 24), (26, 25)],
)
def test_api_has_what_was_submitted_for_the_day(source, upstream, announced, submitted):
    upstream.submitted[date(2026, 8, submitted)] = [atom_entry(date(2026, 8, submitted), 1)]
    assert len(list(source.fetch(date(2026, 8, announced)))) == 1


def test_no_paper_falls_between_two_days(source, upstream):
    for age in range(14):
        list(source.fetch(DAY + timedelta(days=age)))
    spans = [
        re.findall(r"\d{12}", call.query["search_query"])
        for call in upstream.calls_to("/api/query")
    ]
    assert len(spans) == 10
    assert all(before[1] >= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("day", [22, 23])
def test_weekend_has_no_announcements_to_ask_for(source, upstream, day):
    assert list(source.fetch(date(2026, 8, day))) == []
    assert upstream.calls == []


@pytest.mark.parametrize("kind", BROKEN)
def test_fault_of_the_api_is_one_clear_line(source, upstream, kind):
    upstream.faults["/api/query"] = [BROKEN[kind]] * 2
    with pytest.raises(SourceError, match=r"^arXiv: ") as caught:
        list(source.fetch(DAY))
    assert "\n" not in str(caught.value)


def test_denied_page_is_recognised(source, upstream):
    upstream.faults["/api/query"] = [BROKEN["denied"]]
    with pytest.raises(SourceError, match="a web page instead of a feed; is access denied"):
        list(source.fetch(DAY))


def test_cut_page_is_read_as_far_as_it_goes(source, upstream):
    upstream.submitted[SUBMITTED] = entries(20)
    upstream.faults["/api/query"] = [Fault(cut_at=6000)]
    found, pages = [], source.fetch(DAY)
    with pytest.raises(SourceError, match="the answer was cut off after 6,000 bytes"):  # noqa: PT012
        for record in pages:
            found.append(record)  # noqa: PERF402  what came before the error is kept
    assert 5 < len(found) < 20


def test_error_entry_is_what_arxiv_says(source, upstream):
    upstream.bodies["/api/query"] = atom(
        ["<entry><id>http://arxiv.org/api/errors#bad_query</id><summary>bad query</summary></entry>"]
    )  # fmt: skip
    with pytest.raises(SourceRefusedError, match="does not understand the query: bad query"):
        list(source.fetch(DAY))


def test_without_categories_nothing_is_asked(source, upstream):
    source.categories = ()
    assert list(source.fetch(DAY)) == []
    assert upstream.calls == []


@pytest.mark.parametrize(
    "stamp", ["Mon, 31 Dec 9999 23:59:59 -1400", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"]
)
def test_date_out_of_range_costs_one_entry_only(source, upstream, stamp):
    bad = re.sub(
        rb"(guid><category>.*?<pubDate>)[^<]+", rb"\g<1>" + stamp.encode(), rss(DAY), count=1
    )
    upstream.bodies["/rss/"] = bad
    assert [type(found).__name__ for found in source.fetch(DAY)] == [
        "BadEntry", "PaperRecord", "PaperRecord",
    ]  # fmt: skip


@pytest.mark.parametrize("noise", ["(", ",", " ", "abs/", "a,(b"])
def test_endless_names_take_no_endless_time(source, upstream, noise):
    body = rss(DAY).replace(b"Ada Lovelace, Alan", b"Ada Lovelace, " + noise.encode() * 100_000)
    upstream.bodies["/rss/"] = body
    source.http.limits = Limits(size=9_000_000)
    assert len(list(source.fetch(DAY))) == 3
