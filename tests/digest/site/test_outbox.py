"""The local outbox shows each mail as HTML, text and source, and only in embedded mode."""

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from lxml import html

from digest.delivery.esp import local_outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def outbox(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.DEBUG = True
    settings.EMAIL_PROVIDERS = ["outbox"]
    message = EmailMultiAlternatives(
        "A subject <b>", "The text part", "digest@papers.example.org", ["ada@example.org"]
    )
    message.attach_alternative("<p>The <b>HTML</b> part</p><script>alert(1)</script>", "text/html")
    get_connection("digest.delivery.esp.local_outbox.EmailBackend").send_messages([message])
    return next(iter(local_outbox.maildir().iterkeys()))


def test_list_names_each_mail(client, outbox):
    body = client.get("/outbox/").content.decode()
    assert "A subject &lt;b&gt;" in body
    assert "ada@example.org" in body


def test_mail_is_shown_in_three_ways(client, outbox):
    assert f'src="/outbox/{outbox}/"' in client.get(f"/outbox/{outbox}/html/").content.decode()
    assert "The text part" in client.get(f"/outbox/{outbox}/text/").content.decode()
    source = html.fromstring(client.get(f"/outbox/{outbox}/source/").content).cssselect("pre")[0]
    assert source.text.strip() == local_outbox.maildir().get_bytes(outbox).decode().strip()


def test_html_part_can_run_nothing(client, outbox):
    response = client.get(f"/outbox/{outbox}/")
    assert "The <b>HTML</b> part" in response.content.decode()
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
    assert response["Content-Security-Policy"].endswith("frame-ancestors 'self'")
    assert response["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("key", ["none", "..", "..%2f..%2fsecret_key", "%00"])
@pytest.mark.parametrize("view", ["", "html/", "source/", "other/"])
def test_what_is_no_mail_is_404(client, outbox, key, view):
    assert client.get(f"/outbox/{key}/{view}").status_code == 404


@pytest.mark.parametrize("change", [{"DEBUG": False}, {"EMAIL_PROVIDERS": ["smtp"]}])
def test_outbox_is_closed_outside_embedded_mode(client, outbox, settings, change):
    for name, value in change.items():
        setattr(settings, name, value)
    for address in ("/outbox/", f"/outbox/{outbox}/", f"/outbox/{outbox}/source/"):
        assert client.get(address).status_code == 404


def test_empty_outbox_says_how_mail_comes(client, settings, tmp_path):
    settings.VAR_DIR, settings.DEBUG = tmp_path, True
    assert "No mail yet" in client.get("/outbox/").content.decode()
