"""Sources that mean harm over HTTP: ways inside, packed bombs, answers that have no end or none in time."""

import gzip
import re
import shutil
import ssl
import subprocess
import time
import zlib
from contextlib import contextmanager
from datetime import date

import pytest

from digest.errors import DigestError, SourceError
from digest.papers.sources.http import Http, Limits
from tests.servers import head, raw
from tests.services import missing
from tests.upstream import FakeUpstream, Fault

DAY = date(2026, 8, 20)
MEBIBYTE = 1024 * 1024
QUICK = Limits(connect=1.0, read=1.0, whole=1.0, size=MEBIBYTE, patience=0.0)


@pytest.fixture
def http():
    return Http("Source", "DailyPapers/1.0", QUICK)


@pytest.fixture
def upstream():
    with FakeUpstream() as running:
        yield running


def bomb(size, *, times=1):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(bytes(MEBIBYTE)) for _ in range(size)) + packer.flush()
    for _ in range(times - 1):
        body = gzip.compress(body)
    return body


# --- What is asked, and where to -----------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://[::1]:{port}/",
        "http://127.0.0.1:6379/",
        "http://127.0.0.1/",
        "https://127.0.0.1:{port}/",
        "//169.254.169.254/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "ftp://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}@169.254.169.254/",
        "http://127.0.0.2:{port}\\@127.0.0.1:{port}/x",
        "//127.0.0.2:{port}\\@127.0.0.1:{port}/x",
        "http://127.0.0.1:99999999/",
        "http://[",
        "javascript:alert(1)",
    ],
)
def test_redirect_leads_nowhere_but_to_the_origin(http, upstream, location):
    port = upstream.server.server_port
    upstream.bodies["/"] = b"secret"
    upstream.faults["/"] = [Fault(status=302, location=location.format(port=port))]
    refused = r"^Source: (redirects to |the answer can't be understood)"
    with pytest.raises(SourceError, match=refused) as caught:
        http.get(upstream.url + "/x")
    assert "\n" not in str(caught.value)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("location", ["/elsewhere", "?x=1", "{url}/elsewhere"])
def test_redirect_within_the_origin_is_followed(http, upstream, location):
    upstream.bodies["/"] = b"body"
    location = location.format(url=upstream.url)
    upstream.faults["/"] = [Fault(status=302, location=location)]
    assert http.get(upstream.url + "/x") == b"body"


def test_http_may_lead_to_https_and_https_never_to_http(http):
    class Answer:
        headers = {"Location": "https://papers.example.org/x"}

    assert http._redirected("http://papers.example.org/x", Answer) == Answer.headers["Location"]
    Answer.headers = {"Location": "http://papers.example.org/x"}
    with pytest.raises(SourceError, match="another port or scheme"):
        http._redirected("https://papers.example.org/x", Answer)


def test_cookies_are_not_kept(http):
    with raw(head(b"Set-Cookie: a=b", b"Content-Length: 0")) as url:
        http.get(url)
    assert not http.session.cookies


# --- How much of it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packing", "words"),
    [
        ("gzip", "more than 1,048,576 bytes, given up"),
        ("gzip, gzip", "packed in a way that was not asked for"),
        ("deflate", "packed in a way that was not asked for"),
        ("br", "packed in a way that was not asked for"),
        ("zstd", "packed in a way that was not asked for"),
    ],
)
def test_packed_bomb_is_given_up(http, packing, words):
    start = head(b"Content-Encoding: " + packing.encode())
    with raw(start, bomb(50)) as url, pytest.raises(SourceError, match=words):
        http.get(url)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (head(), b"x" * 1000),
        (head(b"Transfer-Encoding: chunked"), b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        # A name in gzip's own head, of which nothing ever comes out.
        (head(b"Content-Encoding: gzip") + b"\x1f\x8b\x08\x08" + bytes(6), b"name" * 250),
        # Members that hold nothing.
        (head(b"Content-Encoding: gzip"), gzip.compress(b"") * 50),
    ],
)
def test_answer_without_an_end_is_given_up(http, start, endless):
    started = time.monotonic()
    with raw(start, endless=endless) as url, pytest.raises(SourceError, match="given up"):
        http.get(url)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 302 Found\r\nLocation: /",
        head(b"Transfer-Encoding: chunked") + b"1;",
        head(b"Transfer-Encoding: chunked") + b"0\r\nX: ",
        head(),
    ],
)
def test_answer_that_drips_is_given_up_wherever_it_is(http, start):
    started = time.monotonic()
    with raw(start, endless=b"x", pause=0.3) as url, pytest.raises(SourceError) as caught:
        http.get(url)
    assert str(caught.value) == "Source: slower than 1 s, given up"
    assert time.monotonic() - started < 5


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """For a server on this machine, with a certificate that this process believes."""
    if shutil.which("openssl") is None:
        missing("no openssl")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-batch",
         "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def test_answer_that_drips_through_tls_is_given_up(http, tls):
    started = time.monotonic()
    server = raw(b"HTTP/1.1 200 OK\r\nX: ", endless=b"x", pause=0.3, tls=tls)
    with server as url, pytest.raises(SourceError, match="slower than 1 s, given up"):
        http.get(url.replace("http:", "https:"))
    assert time.monotonic() - started < 5


def test_connection_is_not_kept_for_a_time_that_has_no_end(http):
    drip = b"HTTP/1.1 200 OK\r\nX: "
    with raw(head(b"Content-Length: 2"), b"ok", again=drip) as url:
        assert [http.get(url), http.get(url)] == [b"ok", b"ok"]


def test_length_that_lies_is_one_clear_line(http):
    start, cut = head(b"Content-Length: 100"), "cut off after 5 bytes"
    with raw(start, b"short") as url, pytest.raises(SourceError, match=cut) as caught:
        http.get(url)
    assert caught.value.partial == b"short"
    with raw(head(b"Content-Length: 5"), b"longer than that") as url:
        assert http.get(url) == b"longe"


def test_packed_answer_is_read_in_all_its_members_and_not_half(http):
    packed = gzip.compress(b"one") + gzip.compress(b"two")
    with raw(head(b"Content-Encoding: gzip"), packed) as url:
        assert http.get(url) == b"onetwo"
    half = gzip.compress(b"x" * 999)[:-9]
    for body, words in ((half, "cut off"), (b"no gzip", "can't be unpacked")):
        start = head(b"Content-Encoding: gzip")
        with raw(start, body) as url, pytest.raises(SourceError, match=words):
            http.get(url)


@pytest.mark.parametrize(
    "status",
    [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, b"nonsense\r\n", b"HTTP/1.1 xx\r\n", b"",
     b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
     b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n"],
)  # fmt: skip
def test_answer_that_is_no_http_is_one_clear_line(http, status):
    said = r"Source: [^\n]+"
    with raw(status) as url, suppress_one_line(said):
        assert http.get(url) == b""


@contextmanager
def suppress_one_line(pattern):
    """Nothing is raised, or an error of ours whose text is of this form."""
    try:
        yield
    except DigestError as error:
        if not re.fullmatch(pattern, str(error)):
            raise
