"""One bounded GET against a server that misbehaves."""

import time

import pytest

from digest.errors import RetryLaterError, SourceError, SourceRefusedError
from digest.papers.sources.http import Http, Limits
from tests.upstream import FakeUpstream, Fault

QUICK = Limits(connect=1.0, read=0.3, whole=1.0, size=100_000, patience=5.0)


@pytest.fixture
def upstream():
    with FakeUpstream() as running:
        running.bodies["/"] = b"whole body"
        yield running


@pytest.fixture
def waits():
    return []


@pytest.fixture
def http(waits):
    return Http("Source", "DailyPapers/1.0 (mailto:ops@example.org)", QUICK, waits.append)


def failure(http, upstream, fault):
    upstream.faults["/"] = [fault] * 2
    with pytest.raises((SourceError, SourceRefusedError)) as caught:
        http.get(upstream.url + "/x")
    assert "\n" not in str(caught.value)
    return caught.value


def test_body_arrives_and_the_operator_is_named(http, upstream):
    assert http.get(upstream.url + "/x", {"p": 1}) == b"whole body"
    (call,) = upstream.calls
    assert (call.query, call.user_agent) == ({"p": "1"}, http.user_agent)


def test_429_is_waited_out_once(http, upstream, waits):
    upstream.faults["/"] = [Fault(status=429, retry_after="2")]
    assert http.get(upstream.url + "/x") == b"whole body"
    assert waits == [2.0]


def test_429_that_asks_for_too_much_is_raised_at_once(http, upstream, waits):
    error = failure(http, upstream, Fault(status=429, retry_after="3600"))
    assert isinstance(error, RetryLaterError)
    assert (error.seconds, waits) == (3600.0, [])


def test_429_without_a_time_asks_for_a_minute(http, upstream):
    error = failure(http, upstream, Fault(status=429))
    assert error.seconds == 60.0


def test_429_may_name_a_date(http, upstream):
    error = failure(http, upstream, Fault(status=503, retry_after="Wed, 01 Jan 2098 00:00:00 GMT"))
    assert error.seconds == 86_400


@pytest.mark.parametrize(
    "value", ["\xb2", "-5", "9" * 400, "Wed, 01 Jan 99999999999999999999 00:00:00 GMT", "soon"]
)
def test_nonsense_in_retry_after_is_a_time_all_the_same(http, upstream, value):
    error = failure(http, upstream, Fault(status=429, retry_after=value))
    assert 60 <= error.seconds <= 86_400


def test_503_without_a_time_is_an_ordinary_failure(http, upstream):
    error = failure(http, upstream, Fault(status=503))
    assert not isinstance(error, RetryLaterError)
    assert str(error) == "Source: HTTP 503"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=500), "Source: HTTP 500"),
        (Fault(stall=0.6), "Source: no answer in time"),
        (Fault(body=b"x" * 200_000), "Source: more than 100,000 bytes, given up"),
        (Fault(body=bytes(2_000_000), is_gzip=True), "Source: more than 100,000 bytes, given up"),
        (Fault(status=302, location="http://localhost:1/"),
         "Source: redirects to another host, which is not followed"),
        (Fault(status=302, location="/again"), ""),
        (Fault(status=200, body=b"", is_gzip=False, location=""), ""),
    ],
)  # fmt: skip
def test_faults_are_one_clear_line(http, upstream, fault, words):
    upstream.bodies.clear()
    if not words:
        upstream.bodies["/"] = b"whole body"
        upstream.faults["/"] = [fault]
        assert http.get(upstream.url + "/x") in (b"whole body", b"")
        return
    assert str(failure(http, upstream, fault)) == words


def test_circle_of_redirects_ends(http, upstream):
    upstream.faults["/"] = [Fault(status=302, location="/x")] * 9
    with pytest.raises(SourceError, match="redirects in circles"):
        http.get(upstream.url + "/x")


def test_404_is_refused_not_failed(http, upstream):
    error = failure(http, upstream, Fault(status=404))
    assert isinstance(error, SourceRefusedError)
    assert error.status == 404


def test_cut_body_comes_with_the_error(http, upstream):
    error = failure(http, upstream, Fault(cut_at=5))
    assert error.partial == b"whole"
    assert str(error) == "Source: the answer was cut off after 5 bytes"


def test_slow_drip_is_given_up(http, upstream):
    started = time.monotonic()
    upstream.faults["/"] = [Fault(stall=0.2)]
    slow = Http("Source", "x", Limits(read=0.3, whole=0.0, size=1000), http.sleep)
    with pytest.raises(SourceError, match="slower than 0 s"):
        slow.get(upstream.url + "/x")
    assert time.monotonic() - started < 5


def test_nobody_there_is_one_clear_line(http):
    with pytest.raises(SourceError, match=r"^Source: no connection$"):
        http.get("http://127.0.0.1:9/x")
