"""The site looked at from outside, over real HTTP and real TLS."""

import ssl
import subprocess
from http.server import BaseHTTPRequestHandler

import pytest
from django.core.cache import cache
from django.utils import timezone

from digest.delivery.watching import signs
from digest.management.doctor import site
from digest.management.doctor.findings import Asked
from digest.records import Verdict
from subscriptions.models import Subscriber
from tests.builders import make_subscriber
from tests.flows.processes import free_port
from tests.servers import LocalServer

OK, WARN, FAIL, SKIPPED = Verdict


def look(check):
    return [(found.state, found.what) for found in check(Asked())]


@pytest.fixture
def ours(settings, live_server):
    settings.SITE_URL = live_server.url
    settings.DEBUG = True


@pytest.mark.django_db
def test_site_that_answers_is_good(ours):
    cache.set(signs.WORKER_SEEN, timezone.now())
    ((state, what),) = look(site.check_site)
    assert (state, what.endswith(" answers")) == (OK, True)


@pytest.mark.django_db
def test_what_the_site_misses_is_named(ours):
    cache.delete(signs.WORKER_SEEN)
    ((state, what),) = look(site.check_site)
    assert (state, what.endswith("misses: worker")) == (FAIL, True)


@pytest.mark.django_db
def test_one_click_reaches_our_page_and_changes_nothing(ours):
    make_subscriber()
    before = list(Subscriber.objects.values())
    assert look(site.check_one_click) == [(OK, "the link is reached, and takes a POST as it is")]
    assert list(Subscriber.objects.values()) == before


@pytest.mark.parametrize("check", [site.check_site, site.check_one_click])
def test_site_that_is_away_is_one_line(settings, check):
    settings.SITE_URL = f"http://127.0.0.1:{free_port()}"
    ((state, what),) = look(check)
    assert (state, "can't be reached" in what) == (FAIL, True)


def answering(status, headers=(), body=b"ok"):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    return Handler


@pytest.mark.parametrize(
    ("status", "words"),
    [(301, "redirected"), (403, "HTTP 403"), (200, "HTTP 200"), (404, "HTTP 404")],
)
def test_one_click_that_meets_something_else_is_a_failure(settings, status, words):
    with LocalServer(answering(status)) as server:
        settings.SITE_URL = server.url
        ((state, what),) = look(site.check_one_click)
    assert (state, words in what) == (FAIL, True)


def test_another_site_at_our_address_is_a_failure(settings):
    with LocalServer(answering(200, body=b"Welcome")) as server:
        settings.SITE_URL = server.url
        ((state, what),) = look(site.check_site)
    assert (state, "not as we do" in what) == (FAIL, True)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"Oops"), (404, b"{}"), (302, b""), (503, b"<p>Busy</p>"), (503, b"[1]"), (503, b"{}")],
)
def test_site_is_good_only_when_it_says_that_it_is_ready(settings, status, body):
    class Half(answering(status, body=body)):
        def do_GET(self):  # noqa: N802
            if self.path == "/healthz":
                answering(200).do_GET(self)
            else:
                super().do_GET()

    with LocalServer(Half) as server:
        settings.SITE_URL = server.url
        ((state, what),) = look(site.check_site)
    assert (state, f"/readyz answers HTTP {status}" in what) == (FAIL, True)


# --- https -----------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path):
    """A certificate for this machine that ends after so many days, and its key."""

    def make(days):
        key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key),
             "-out", str(cert), "-days", str(days), "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return cert, context

    return make


def over_tls(handler, context):
    server = LocalServer(handler)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    return server


HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")


@pytest.fixture
def believed(certificate, monkeypatch):
    """As `certificate`, which this process then believes."""

    def make(days):
        cert, context = certificate(days)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        return context

    return make


@pytest.mark.parametrize(
    ("days", "headers", "wanted"),
    [
        (90, [HSTS], [OK]), (5, [HSTS], [WARN, OK]), (90, [], [WARN]),
        (90, [(HSTS[0], "max-age=0")], [WARN]),
    ],
)  # fmt: skip
def test_certificate_and_hsts_are_looked_at(settings, believed, days, headers, wanted):
    with over_tls(answering(200, headers), believed(days)) as server:
        settings.SITE_URL = server.url.replace("http://", "https://")
        assert [state for state, _ in look(site.check_https)] == wanted


def test_certificate_that_nobody_believes_is_a_failure(settings, certificate):
    _, context = certificate(90)
    with over_tls(answering(200), context) as server:
        settings.SITE_URL = server.url.replace("http://", "https://")
        assert "certificate" in look(site.check_site)[0][1]
        assert look(site.check_https)[0][0] is FAIL


def test_http_is_enough_for_trying_it_and_not_for_production(settings):
    settings.SITE_URL, settings.DEBUG = "http://127.0.0.1:8000", True
    assert look(site.check_https)[0][0] is SKIPPED
    settings.DEBUG = False
    assert look(site.check_https)[0][0] is FAIL
