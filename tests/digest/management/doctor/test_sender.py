"""Webhooks tried over real HTTP: by their own signatures, and without a trace in the data."""

import json
from base64 import b64encode
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from django.utils import timezone

from digest.management.doctor import probes, sender
from digest.management.doctor.findings import Asked
from digest.models import DayCount, Event
from digest.records import Verdict
from tests.flows.processes import free_port
from tests.servers import LocalServer

OK, WARN, FAIL, SKIPPED = Verdict
SECRET = "papers:a-long-word"
KEYS = {
    "MAILGUN_API_KEY": "key",
    "RESEND_SIGNING_SECRET": "whsec_" + b64encode(b"a secret of svix").decode(),
    "MAILERSEND_SIGNING_SECRET": "signing",
    "UNISENDER_GO_API_KEY": "go-key",
}
SIGNED_BY_US = [
    "mailgun", "brevo", "postmark", "amazon_ses", "mailjet", "mailtrap", "sparkpost", "resend",
    "mailersend", "unisender_go", "sendgrid",
]  # fmt: skip

pytestmark = [
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailInsecureWebhookWarning"),
    pytest.mark.filterwarnings("ignore:django-anymail has dropped"),
]


@pytest.fixture
def site(settings, live_server):
    settings.SITE_URL = live_server.url
    configure(settings, [SECRET])


def configure(settings, secrets):
    settings.WEBHOOK_SECRET = secrets
    settings.ANYMAIL = KEYS | {"WEBHOOK_SECRET": secrets}


def tried(settings, name):
    settings.EMAIL_PROVIDERS = [name]
    (found,) = sender.check_webhooks(Asked())
    return found.state, found.what


@pytest.mark.django_db
@pytest.mark.parametrize("name", SIGNED_BY_US)
def test_webhook_takes_our_probe_refuses_a_forged_one_and_keeps_neither(site, settings, name):
    taken = f"{name}: takes a signed event and refuses a forged one"
    assert tried(settings, name) == (OK, taken)
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["mailgun", "resend", "mailersend", "unisender_go"])
def test_signature_alone_protects_a_webhook(site, settings, name):
    configure(settings, [])
    assert tried(settings, name)[0] is OK
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["brevo", "postmark", "amazon_ses"])
def test_webhook_that_nothing_protects_takes_nothing_which_is_a_failure(site, settings, name):
    configure(settings, [])
    said = f"{name}: nothing would prove that it calls, so no event is taken"
    assert tried(settings, name) == (FAIL, said)
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_web_process_with_another_secret_is_a_failure(site, settings):
    settings.WEBHOOK_SECRET = ["papers:another-word"]
    state, what = tried(settings, "brevo")
    assert (state, what) == (FAIL, "brevo: refuses a signed event (HTTP 400)")
    assert "word" not in what


@pytest.mark.django_db
def test_second_secret_is_tried_by_its_first(site, settings):
    settings.WEBHOOK_SECRET = [SECRET, "papers:older"]
    assert tried(settings, "brevo")[0] is OK


@pytest.mark.django_db
def test_webhook_of_a_provider_that_the_site_has_no_settings_for(site, settings):
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}
    assert "there is no such page" in tried(settings, "mailgun")[1]


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to another address."""

    def do_POST(self):
        self.send_response(301)
        self.send_header("Location", "https://papers.example.org/")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_redirected_webhook_is_a_failure(settings):
    configure(settings, [SECRET])
    with LocalServer(Elsewhere) as server:
        settings.SITE_URL = server.url
        state, what = tried(settings, "brevo")
    assert (state, "redirected" in what) == (FAIL, True)


def test_site_that_is_away_is_one_line(settings):
    settings.SITE_URL = f"http://127.0.0.1:{free_port()}"
    configure(settings, [SECRET])
    state, what = tried(settings, "brevo")
    assert (state, "can't be reached" in what) == (FAIL, True)


def test_outbox_has_no_webhook(settings):
    assert tried(settings, "outbox")[0] is SKIPPED


@pytest.mark.django_db
def test_real_event_is_kept_as_before(site, settings):
    event = {"event": "delivered", "email": "reader@example.org", "ts_epoch": 1_780_000_000_000}
    url = f"{settings.SITE_URL}/webhooks/brevo/tracking/"
    answer = requests.post(url, json.dumps(event), auth=("papers", "a-long-word"), timeout=5)
    assert (answer.status_code, Event.objects.count()) == (200, 1)


def test_forged_probe_has_neither_login_nor_signature(settings):
    configure(settings, [SECRET])
    for name in SIGNED_BY_US:
        probe = probes.make(name, now=1_780_000_000)
        other = probes.forged(probe)
        assert (other.user, other.password) == ("", "")
        assert probe.headers.keys() == other.headers.keys()


# --- what came in lately ---------------------------------------------------------------------


def heard(settings):
    settings.EMAIL_PROVIDERS = ["brevo"]
    (found,) = sender.check_events(Asked())
    return found.state, found.what


def event(age):
    made = Event.objects.create(provider="brevo", event_id="1", type="delivered")
    Event.objects.update(received_at=timezone.now() - age)
    return made


@pytest.mark.django_db
def test_events_that_came_lately_are_good(settings):
    event(timedelta(hours=1))
    assert heard(settings)[0] is OK


@pytest.mark.django_db
def test_mail_that_went_out_without_an_event_is_a_warning(settings):
    event(timedelta(days=9))
    assert heard(settings)[0] is SKIPPED
    DayCount.objects.create(provider="brevo", day=timezone.now().date(), messages=1200)
    state, what = heard(settings)
    assert (state, "1,200 messages in two days and no event" in what) == (WARN, True)
