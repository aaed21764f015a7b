"""A web process as in production, behind a proxy that ends https: what its cookies are, and what it shows to
nobody."""

import re
import sys
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import requests

from tests.flows.processes import Installation, wait_for

pytestmark = pytest.mark.flow
BIN = Path(sys.executable).parent
PASSWORD = "a-long-password-of-the-operator"
HOST = "papers.example.org"
# What the proxy adds.
PROXIED = {"Host": HOST, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    made = Installation(
        tmp_path_factory.mktemp("production"), DEBUG=0, TRUSTED_PROXIES=1, EMBEDDED_REDIS="none",
        SECRET_KEY="only for this test, and long enough to please Django's own checks",
        DEFAULT_FROM_EMAIL=f"digest@{HOST}", POSTAL_ADDRESS="12 Sample Street, Springfield",
        EMAIL_PROVIDERS="outbox", DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )  # fmt: skip
    made.environment["SITE_URL"] = f"https://{HOST}"
    made.manage("migrate", "-v0")
    made.manage("collectstatic", "-v0", "--noinput")
    made.manage("createsuperuser", "--noinput", "--username=olga", "--email=olga@example.org")
    made.start(
        "web", [str(BIN / "gunicorn"), "config.wsgi", "-b", f"127.0.0.1:{made.port}", "-w", "2"]
    )
    try:
        wait_for(made.is_up, what="the web process")
        yield made
    finally:
        made.stop()


class Visitor:
    """A browser behind the proxy: it keeps cookies as it was told, and has what was said of them."""

    def __init__(self, web):
        self.url, self.cookies, self.said = web.url, {}, {}

    def ask(self, verb, address, **options):
        named = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = PROXIED | {"Cookie": named, "Referer": f"https://{HOST}/"}
        answer = requests.request(
            verb, self.url + address, headers=headers, timeout=20, allow_redirects=False, **options
        )
        for line in answer.raw.headers.getlist("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name], self.said[name] = morsel.value, line
        return answer

    def sign_in(self, password=PASSWORD):
        page = self.ask("GET", "/admin/login/").text
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        fields = {"username": "olga", "password": password, "csrfmiddlewaretoken": token}
        return self.ask("POST", "/admin/login/", data=fields)


def flags(line):
    return {part.strip().partition("=")[0].lower() for part in line.split(";")[1:]}


def test_cookies_are_for_this_host_over_https_and_not_for_scripts(web):
    visitor = Visitor(web)
    answer = visitor.sign_in()
    assert answer.status_code == 302, answer.text
    assert set(visitor.said) == {"__Host-sessionid", "__Host-csrftoken"}
    for line in visitor.said.values():
        assert flags(line) >= {"secure", "httponly", "samesite", "path"}
        assert "domain" not in flags(line)
        assert "Path=/;" in f"{line};"
        assert "SameSite=Lax" in line
    # With the browser it ends.
    assert flags(visitor.said["__Host-sessionid"]).isdisjoint({"expires", "max-age"})


def test_second_factor_is_required(web):
    visitor = Visitor(web)
    visitor.sign_in()
    answer = visitor.ask("GET", "/admin/")
    assert answer.headers["Location"] == "/admin/second-factor/set-up/?next=/admin/"
    page = visitor.ask("GET", answer.headers["Location"])
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]


def test_lock_holds_in_all_processes_and_the_log_has_no_name(web):
    statuses = [Visitor(web).sign_in(f"wrong-{number}").status_code for number in range(8)]
    assert statuses == [200] * 4 + [429] * 4
    assert Visitor(web).sign_in().status_code == 429
    log = web.log("web")
    assert "Locking out" in log
    for word in ("olga", "wrong-0", "192.0.2.7"):
        assert word not in log


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script_name", "PATH_INFO"])
def test_no_header_of_a_client_moves_the_site(web, name):
    """A proxy on this machine, which gunicorn believes, passes them on."""
    for there, status in (("/x/", 404), ("/", 200)):
        with_it = requests.get(web.url + there, headers=PROXIED | {name: "/x"}, timeout=20)
        without = requests.get(web.url + there, headers=PROXIED, timeout=20)
        assert with_it.status_code == without.status_code == status
        assert "/x/admin" not in with_it.text
        assert 'href="/x/' not in with_it.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Forwarded-Ssl", "off"), ("X-Forwarded-Protocol", "http"), ("X-Forwarded-Ssl", "on")],
)
def test_https_is_what_the_proxy_says_it_is(web, name, value):
    for proto, status in (("https", 200), ("http", 301)):
        headers = PROXIED | {"X-Forwarded-Proto": proto, name: value}
        answer = requests.get(f"{web.url}/", headers=headers, timeout=20, allow_redirects=False)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "address", ["/subscribe/", "/admin/login/", "/webhooks/mailgun/tracking/", "/api/v1/subscribe"]
)
def test_body_in_pieces_is_refused_and_not_taken_for_empty(web, address):
    pieces = iter([b"email=ada", b"@example.org"])
    answer = Visitor(web).ask("POST", address, data=pieces)
    assert answer.status_code == 411
    is_problem = answer.headers["Content-Type"] == "application/problem+json"
    assert is_problem == address.startswith("/api/")


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_outbox_is_not_there(web, verb):
    assert Visitor(web).ask(verb, "/outbox/").status_code == 404


@pytest.mark.parametrize(
    ("address", "host", "status"), [("/no/such/", HOST, 404), ("/", "evil.example", 400)]
)
def test_errors_show_a_page_of_our_own(web, address, host, status):
    headers = PROXIED | {"Host": host}
    answer = requests.get(web.url + address, headers=headers, timeout=20)
    assert answer.status_code == status
    assert "| Daily Papers</title>" in answer.text
    for word in ("Traceback", "DEBUG", "Django", "evil.example", "ALLOWED_HOSTS"):
        assert word not in answer.text


def test_metrics_answer_this_machine_and_not_the_proxy_on_it(web):
    assert requests.get(f"{web.url}/metrics", timeout=20).status_code == 200
    assert Visitor(web).ask("GET", "/metrics").status_code == 401
