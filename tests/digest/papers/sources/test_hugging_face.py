"""Hugging Face's list of a day, through its faults."""

import json
from datetime import date, timedelta

import pytest

from digest.errors import RetryLaterError, SourceError, SourceRefusedError
from digest.papers.sources.http import Http, Limits
from digest.papers.sources.hugging_face import HuggingFace, parse
from digest.records import BadEntry, PaperRecord
from tests.upstream import FakeUpstream, Fault, day_list, hugging_face_entry

DAY = date(2026, 8, 20)
QUICK = Limits(connect=1.0, read=0.3, whole=2.0, size=400_000, patience=0.1)


@pytest.fixture
def upstream():
    with FakeUpstream() as running:
        yield running


@pytest.fixture
def source(upstream):
    return HuggingFace(
        Http("Hugging Face", "agent", QUICK, lambda seconds: None), url=upstream.url + "/"
    )


def test_days_above_the_default_limit_are_whole(source, upstream):
    upstream.lists[DAY] = day_list(DAY, 230)
    found = list(source.fetch(DAY))
    assert len(found) == 230
    assert [call.query["p"] for call in upstream.calls] == ["0", "1", "2"]
    assert {call.query["limit"] for call in upstream.calls} == {"100"}


def test_a_full_last_page_ends_with_an_empty_one(source, upstream):
    upstream.lists[DAY] = day_list(DAY, 100)
    assert len(list(source.fetch(DAY))) == 100
    assert len(upstream.calls) == 2


def test_server_that_ignores_the_page_is_asked_twice_only(source, upstream):
    upstream.bodies["/api/daily_papers"] = json.dumps(day_list(DAY, 100)).encode()
    assert len(list(source.fetch(DAY))) == 100
    assert len(upstream.calls) == 2


def test_list_day_is_the_day_asked_for(source):
    (first, *_) = source.fetch(DAY)
    assert first.listed_on == DAY
    assert first.published_at.date() == DAY - timedelta(days=2)


def test_weekend_is_an_empty_list(source):
    assert list(source.fetch(date(2026, 8, 22))) == []


def test_future_is_refused(source):
    with pytest.raises(SourceRefusedError, match="is 2098-01-01 in the future"):
        list(source.fetch(date(2098, 1, 1)))


@pytest.mark.parametrize("status", [429, 503])
def test_request_for_patience_holds_for_the_web_page_too(source, upstream, status):
    upstream.faults["/api/daily_papers"] = [Fault(status=status, retry_after="60")]
    with pytest.raises(RetryLaterError) as caught:
        list(source.fetch(DAY))
    assert caught.value.seconds == 60.0
    assert upstream.calls_to("/papers") == []


def test_trending_papers_stand_on_no_list(source):
    assert [record.listed_on for record in source.fetch_trending()] == [None] * 3


BROKEN = {
    "500": Fault(status=500),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "503": Fault(status=503),
    "time-out": Fault(stall=0.6),
    "cut": Fault(cut_at=700),
    "web page": Fault(body=b"<!DOCTYPE html><html><body>Sorry</body></html>"),
    "error object": Fault(body=b'{"error":"Internal"}'),
    "object": Fault(body=b"{}"),
    "number": Fault(body=b"7"),
    "broken JSON": Fault(body=b'[{"paper":'),
    "deep": Fault(body=b"[" * 50_000),
    "huge": Fault(body=b"[" + b" " * 500_000 + b"]"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_web_page_steps_in_when_the_api_fails(source, upstream, kind):
    upstream.faults["/api/daily_papers"] = [BROKEN[kind]] * 2
    assert len(list(source.fetch(DAY))) == 12
    assert len(upstream.calls_to("/papers")) == 1


def test_web_page_completes_what_the_api_began(source, upstream):
    upstream.lists[DAY] = day_list(DAY, 130)
    pages = iter(source.fetch(DAY))
    first = [next(pages) for _ in range(100)]
    upstream.faults["/api/daily_papers"] = [Fault(status=500)]
    rest = list(pages)
    assert len({record.arxiv_id for record in first + rest}) == len(first + rest) == 130


@pytest.mark.parametrize("kind", BROKEN)
def test_when_both_fail_it_is_one_clear_line(source, upstream, kind):
    upstream.faults["/api/daily_papers"] = [BROKEN[kind]] * 2
    upstream.faults["/papers"] = [BROKEN[kind]] * 2
    with pytest.raises(SourceError, match="; the web page too: Hugging Face: ") as caught:
        list(source.fetch(DAY))
    assert "\n" not in str(caught.value)


def entry(**changes):
    made = hugging_face_entry(DAY, 1)
    made["paper"] |= changes
    return made


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "str where a paper belongs"),
        ({"paper": []}, "list where a paper belongs"),
        (entry(id=None), "no arXiv id"),
        (entry(id="../../etc"), "no arXiv id"),
        (entry(id="2608.00001\n"), ""),
        (entry(title=7), "int where text belongs"),
        (entry(id="a" * 40 + "/1234567"), "no arXiv id"),
        (entry(title="\ud800"), "no title"),
        (entry(title="x" * 3000), "a title of 3,000 characters"),
        (entry(authors="Ada"), "no list of authors"),
        (entry(authors=[{"name": "A"}] * 10_001), "10,001 authors"),
        (entry(publishedAt="yesterday"), "a date that is none"),
        (entry(publishedAt=17), "no date"),
        (entry(publishedAt="0001-01-01T00:00:00+14:00"), "a date that is none"),
        (entry(summary="x" * 60_000), "an abstract of 60,000 characters"),
    ],
)
def test_bad_entry_is_counted_and_the_rest_goes_in(bad, reason):
    good = hugging_face_entry(DAY, 2)
    found = list(parse([bad, good], DAY, set()))
    assert isinstance(found[1], PaperRecord)
    assert reason == (found[0].reason if isinstance(found[0], BadEntry) else "")


@pytest.mark.parametrize(
    "changes",
    [
        {"upvotes": "many"}, {"upvotes": -1}, {"upvotes": 2**40}, {"upvotes": True},
        {"upvotes": None}, {"githubRepo": "javascript:alert(1)"}, {"githubRepo": ["x"]},
        {"projectPage": " https://example.org/ "}, {"projectPage": "https://["},
        {"githubRepo": "https://example.org/\0"}, {"githubRepo": "https://example.org/\x1b[1m"},
        {"githubRepo": "https://example.org/\ud800"},
        {"ai_keywords": "x"}, {"ai_keywords": [1, None]}, {"organization": 3},
        {"authors": [1, None, {"name": None}]}, {"ai_summary": {}}, {"githubStars": 1.5},
    ],
)  # fmt: skip
def test_wrong_types_in_what_is_optional_lose_only_that(changes):
    (record,) = parse([entry(**changes)], DAY, set())
    assert isinstance(record, PaperRecord)
    assert record.code_url in ("", "https://github.com/example/agents")
    assert record.upvotes in (None, 99)


def test_oldest_schema_has_only_what_is_always_there():
    made = hugging_face_entry(DAY, 1)
    for name in ("ai_summary", "ai_keywords", "githubRepo", "githubStars"):
        del made["paper"][name]
    (record,) = parse([made], DAY, set())
    assert (record.summary, record.keywords, record.code_url, record.code_stars) == (
        "",
        (),
        "",
        None,
    )


def test_half_characters_and_control_characters_are_dropped():
    (record,) = parse([entry(title="A\ud800 \0title", ai_keywords=["\udfffword\x07"])], DAY, set())
    assert (record.title, record.keywords) == ("A title", ("word",))


def test_one_id_twice_in_a_list_comes_once():
    assert len(list(parse(day_list(DAY, 3) * 2, DAY, set()))) == 3
