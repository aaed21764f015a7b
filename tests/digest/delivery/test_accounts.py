"""What the providers say of our account, to the harmless call that each has."""

import json
from http.server import BaseHTTPRequestHandler

import pytest
from aiosmtpd.smtp import AuthResult

from digest.delivery.esp import accounts, providers
from digest.records import Verdict
from tests.esp import FakeEsp
from tests.esp.accounts import SENDING_KEY
from tests.flows.processes import free_port
from tests.flows.test_ses import moto  # noqa: F401  a fixture
from tests.servers import LocalServer
from tests.smtp import sink

OK, WARN, FAIL, SKIPPED = Verdict
SPOKEN = ("mailgun", "postmark", "brevo", "amazon_ses")


@pytest.fixture
def esp(settings):
    with FakeEsp() as running:
        settings.ANYMAIL = running.anymail()
        settings.DEFAULT_FROM_EMAIL = "Daily Papers <digest@papers.example.org>"
        yield running


@pytest.mark.parametrize("name", SPOKEN)
def test_good_account_is_good_and_nothing_is_sent(esp, name):
    found = accounts.ask(name)
    assert (found.state, found.mend) == (OK, "")
    assert found.what.startswith(f"{name}: the ")
    assert not esp.calls


WRONG = {
    "mailgun": {"MAILGUN_API_KEY": "other"},
    "postmark": {"POSTMARK_SERVER_TOKEN": "other"},
    "brevo": {"BREVO_API_KEY": "other"},
}


@pytest.mark.parametrize("name", WRONG)
def test_refused_key_is_a_failure_that_does_not_show_it(esp, settings, name):
    settings.ANYMAIL = settings.ANYMAIL | WRONG[name]
    found = accounts.ask(name)
    assert (found.state, found.what) == (FAIL, f"{name}: refuses the key (HTTP 401)")
    assert "other" not in found.what + found.mend


def test_aws_refusing_the_key_is_a_failure(esp, settings):
    params = settings.ANYMAIL["AMAZON_SES_CLIENT_PARAMS"] | {"aws_access_key_id": "other"}
    settings.ANYMAIL = settings.ANYMAIL | {"AMAZON_SES_CLIENT_PARAMS": params}
    found = accounts.ask("amazon_ses")
    assert found.what == "amazon_ses: refuses the key (UnrecognizedClientException)"


SAID = [
    ("mailgun", {"mailgun": {"domain": {"name": "papers.example.org", "state": "disabled"}}}, FAIL, "disabled"),
    ("mailgun", {"mailgun": {"domain": {"name": "papers.example.org", "state": "active", "type": "sandbox"}}}, FAIL, "sandbox"),
    ("mailgun", {"mailgun": {"domain": {"name": "papers.example.org", "state": "unverified"},
                             "sending_dns_records": [{"record_type": "TXT", "valid": "unknown"}]}}, FAIL, "TXT not found"),
    ("mailgun", {"mailgun": {"domain": {"name": "elsewhere.example.org"}}}, FAIL, "no domain papers.example.org"),
    ("postmark", {"postmark": {"DeliveryType": "Sandbox"}}, FAIL, "sandbox"),
    ("brevo", {"brevo": {"relay": {"enabled": False}}}, FAIL, "not enabled"),
    ("brevo", {"brevo": {"plan": [{"creditsType": "sendLimit", "credits": 0}]}}, WARN, "no mails are left"),
    ("amazon_ses", {"account": {"ProductionAccessEnabled": False}}, FAIL, "sandbox"),
    ("amazon_ses", {"account": {"SendingEnabled": False}}, FAIL, "paused"),
    ("amazon_ses", {"account": {"EnforcementStatus": "PROBATION"}}, WARN, "under review"),
    ("amazon_ses", {"identity": {"VerifiedForSendingStatus": False}}, FAIL, "not verified"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "state", "words"), SAID)
def test_account_that_would_not_send_is_said_to(esp, name, said, state, words):
    esp.accounts = said
    found = accounts.ask(name)
    assert (found.state, words in found.what) == (state, True), found
    assert found.mend


def test_names_of_keys_come_from_those_who_tell(esp):
    assert accounts.selectors("mailgun") == ("pdk7",)
    assert accounts.selectors("amazon_ses") == ("tok1", "tok2")
    assert accounts.selectors("postmark") == ()


@pytest.mark.flow
def test_ses_of_other_hands_knows_the_domain(settings, moto, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings.ANYMAIL = {}
    settings.DEFAULT_FROM_EMAIL = "digest@papers.example.org"
    # A domain there waits for its DNS for ever.
    assert "papers.example.org is not verified" in accounts.ask("amazon_ses").what
    settings.DEFAULT_FROM_EMAIL = "digest@elsewhere.example.org"
    assert "elsewhere.example.org is no identity" in accounts.ask("amazon_ses").what


class Desk(LocalServer):
    """One answer for whatever is asked, to who brings the right header."""

    def __init__(self, said, header, value):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                is_known = self.headers.get(header) == value
                body = json.dumps(said if is_known else {"name": "invalid_api_key"}).encode()
                self.send_response(200 if is_known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_):
                pass

        super().__init__(Handler)


BASIC = "Basic a2V5OnNlY3JldA=="
DOMAIN = "papers.example.org"
OTHERS = [
    ("sendgrid", "Authorization", "Bearer key", "GET /v3/scopes", {"scopes": ["mail.send"]}, {"scopes": []}),
    ("resend", "Authorization", "Bearer key", "GET /domains",
     {"data": [{"name": DOMAIN, "status": "verified"}]}, {"data": [{"name": DOMAIN, "status": "pending"}]}),
    ("mailjet", "Authorization", BASIC, "GET /v3/REST/sender?Limit=1000",
     {"Data": [{"Email": f"*@{DOMAIN}", "Status": "Active"}]}, {"Data": [{"Email": "x@y.org", "Status": "Active"}]}),
    ("sparkpost", "Authorization", "key", "GET /api/v1/account",
     {"results": {"status": "active"}}, {"results": {"status": "suspended"}}),
    ("mailersend", "Authorization", "Bearer key", "GET /v1/domains?limit=100",
     {"data": [{"name": DOMAIN, "is_verified": True}]}, {"data": [{"name": "y.org", "is_verified": True}]}),
    ("unisender_go", "X-API-KEY", "key", "POST /api/system/info.json", {"status": "success"}, {"status": "error"}),
    ("postal", "X-Server-API-Key", "key", "POST /api/v1/messages/message",
     {"status": "error", "data": {"code": "MessageNotFound"}},
     {"status": "error", "data": {"code": "InvalidServerAPIKey"}}),
]  # fmt: skip
PATHS = {
    "sendgrid": "v3/",
    "mailjet": "v3.1/",
    "sparkpost": "api/v1/",
    "mailersend": "v1/",
    "unisender_go": "api/",
}


def of(name, url, settings):
    path = PATHS.get(name, "")
    big = name.upper()
    settings.DEFAULT_FROM_EMAIL = f"digest@{DOMAIN}"
    settings.ANYMAIL = {
        f"{big}_API_KEY": "key", f"{big}_API_TOKEN": "key", f"{big}_SECRET_KEY": "secret",
        f"{big}_API_URL": f"{url}/{path}",
    }  # fmt: skip
    providers.connection.cache_clear()
    return accounts.ask(name)


@pytest.mark.filterwarnings("ignore:django-anymail has dropped")
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other[0])
def test_other_providers_are_asked_their_own_way(settings, other):
    name, header, value, call, good, bad = other
    with Desk(good, header, value) as desk:
        assert of(name, desk.url, settings).state is OK
    assert desk.asked == [call]
    with Desk(bad, header, value) as desk:
        assert of(name, desk.url, settings).state is FAIL
    with Desk(good, header, "another key") as desk:
        assert "refuses the key" in of(name, desk.url, settings).what


def test_sending_key_of_mailgun_is_known_by_what_it_may_do(esp):
    esp.accounts = {"mailgun": SENDING_KEY}
    found = accounts.ask("mailgun")
    assert (found.state, "may send" in found.what) == (WARN, True)
    assert not esp.inbox


@pytest.mark.filterwarnings("ignore:django-anymail has dropped")
@pytest.mark.parametrize("said", [[], "yes", {"data": ["x"]}, {"data": [{"name": []}, 1]}])
def test_odd_json_is_a_failure_in_one_line(settings, said):
    with Desk(said, "Authorization", "Bearer key") as desk:
        found = of("resend", desk.url, settings)
    assert (found.state, "other JSON" in found.what) == (FAIL, True)


def test_key_that_may_only_send_is_good(settings):
    with Desk({"name": "restricted_api_key"}, "Authorization", "Bearer key") as desk:
        assert of("resend", desk.url, settings).state is OK


@pytest.mark.parametrize("name", ["mailgun", "postmark", "amazon_ses"])
def test_provider_that_is_away_is_one_line(settings, name):
    url = f"http://127.0.0.1:{free_port()}"
    settings.ANYMAIL = {
        "MAILGUN_API_KEY": "key", "MAILGUN_API_URL": url, "POSTMARK_SERVER_TOKEN": "key",
        "POSTMARK_API_URL": url,
        "AMAZON_SES_CLIENT_PARAMS": {
            "endpoint_url": url, "region_name": "x", "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
        },
    }  # fmt: skip
    found = accounts.ask(name)
    assert (found.state, "can't be reached" in found.what) == (FAIL, True)
    assert "\n" not in found.what


def test_provider_without_settings_names_them(settings):
    settings.ANYMAIL = {}
    assert "POSTMARK_SERVER_TOKEN" in accounts.ask("postmark").what


def test_provider_without_a_harmless_call_is_not_checked():
    assert accounts.ask("mailtrap").state is SKIPPED


def test_smtp_server_that_answers_is_good_and_gets_no_mail(settings):
    with sink(settings) as server:
        found = accounts.ask("smtp")
        assert (found.state, found.what) == (OK, "smtp: answers")
        assert not server.mails


def test_smtp_login_that_is_refused_is_a_failure(settings):
    no = AuthResult(success=False, handled=False)
    with sink(settings, auth_require_tls=False, authenticator=lambda *_: no):
        settings.SMTP_URL = settings.SMTP_URL.replace("://", "://me:word@")
        found = accounts.ask("smtp")
    assert found.what == "smtp: refuses the login (535)"
    assert "word" not in found.what + found.mend.replace("password", "")


def test_smtp_server_that_is_away_is_a_failure(settings):
    settings.SMTP_URL = f"smtp://127.0.0.1:{free_port()}"
    assert "can't be reached" in accounts.ask("smtp").what


def test_outbox_is_the_local_folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    assert accounts.ask("outbox").state is OK
    settings.VAR_DIR = tmp_path / "nothing"
    assert accounts.ask("outbox").state is FAIL
