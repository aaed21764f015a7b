"""What production shows to nobody: traces, the outbox, and secrets in what is for machines."""

import json
import platform
import socket

import django
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.views import csrf

from tests.digest.site.broken_urls import SECRET

pytestmark = pytest.mark.django_db
TRACES = ("Traceback", "RuntimeError", "DEBUG", "urlconf", "Django", SECRET, "django.")


@pytest.fixture
def breaking(settings):
    settings.ROOT_URLCONF = "tests.digest.site.broken_urls"
    settings.DEBUG = False
    return Client(raise_request_exception=False)


def shown(answer):
    page = answer.content.decode()
    assert [word for word in TRACES if word in page] == []
    return page


@pytest.mark.parametrize("address", ["/broken/", "/admin/broken/"])
def test_page_that_breaks_says_so_and_no_more(breaking, address):
    answer = breaking.get(address)
    assert answer.status_code == 500
    assert "Something broke on our side" in shown(answer)


def test_page_that_is_not_there_lists_no_addresses(breaking):
    answer = breaking.get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in shown(answer)


def test_refused_page_does_not_say_why(breaking):
    answer = breaking.get("/refused/")
    assert answer.status_code == 403
    assert "This is not allowed" in shown(answer)


@pytest.mark.parametrize("headers", [{"HTTP_HOST": "evil.example"}, {"HTTP_HOST": "a b"}])
def test_host_that_is_not_ours_gets_a_page_of_our_own(breaking, headers):
    answer = breaking.get("/", **headers)
    assert answer.status_code == 400
    assert "This was not understood" in shown(answer)
    assert "evil.example" not in answer.content.decode()


def test_odd_request_gets_it_too(breaking):
    answer = breaking.get("/odd/")
    assert answer.status_code == 400
    assert "This was not understood" in shown(answer)


def test_form_without_its_token_says_what_to_do_and_not_what_debug_would(rf):
    page = csrf.csrf_failure(rf.post("/"), "CSRF cookie not set.").content.decode()
    assert "This form is too old" in page
    assert "DEBUG" not in page
    assert "CSRF" not in page


@pytest.mark.parametrize("verb", ["get", "head", "post", "put", "delete", "options"])
@pytest.mark.parametrize("who", ["stranger", "operator"])
def test_outbox_is_not_there_in_production_whatever_is_asked_and_by_whom(settings, verb, who):
    settings.EMAIL_PROVIDERS = ["outbox"]
    client = Client(enforce_csrf_checks=True)
    if who == "operator":
        client.force_login(User.objects.create_superuser("root"))
    for address in ("/outbox/", "/outbox/1.2.3/", "/outbox/1.2.3/html/", "/outbox/1.2.3/source/"):
        assert getattr(client, verb)(address).status_code == 404


def test_metrics_are_not_open_because_of_debug(client, settings):
    settings.DEBUG = True
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 401


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"],
)
def test_metrics_do_not_come_through_a_proxy_on_this_machine(client, settings, header):
    local = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000"}
    assert client.get("/metrics", **local).status_code == 200
    for value in ("127.0.0.1", ""):
        assert client.get("/metrics", headers={header: value}, **local).status_code == 401
    settings.TRUSTED_PROXIES = 1
    assert client.get("/metrics", headers={header: "127.0.0.1"}, **local).status_code == 401


def test_what_is_for_machines_holds_no_secret_host_version_or_address(client, settings):
    settings.METRICS_TOKEN = "a-long-word-for-metrics"
    settings.EMAIL_PROVIDERS = ["smtp", "outbox"]
    settings.SMTP_URL = "smtp://mailer:a-password-of-smtp@mail.internal.example:587"
    User.objects.create_user("olga@example.org", "olga@example.org", is_staff=True)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {settings.METRICS_TOKEN}"}
    pages = "".join(
        client.get(address, **bearer).content.decode()
        for address in ("/metrics", "/healthz", "/readyz", "/status/")
    )
    database = settings.DATABASES["default"]
    for word in (
        settings.METRICS_TOKEN, settings.SECRET_KEY, "a-password-of-smtp", "mail.internal.example",
        "olga", "@example.org", socket.gethostname(), django.__version__, str(settings.VAR_DIR),
        str(database["NAME"]), "127.0.0.1", "python_info", platform.python_version(),
    ):  # fmt: skip
        assert word not in pages, word


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_says_one_word_a_part(client, address):
    text = client.get(address).content.decode()
    assert text == "ok" or set(json.loads(text).values()) <= {"ok", "away"}


def test_pages_of_errors_have_their_styles_where_errors_are_shown(client, settings):
    policy = "Content-Security-Policy"
    assert "default-src 'none'" in client.get("/unsubscribe/abc/")[policy]
    settings.DEBUG = True
    assert policy not in client.get("/unsubscribe/abc/").headers
    assert policy in client.get("/healthz").headers
