"""Wrong combinations of settings are named, with the mend."""

from datetime import date

import pytest
from django.core.checks import run_checks

from digest.delivery.esp import providers
from digest.delivery.feedback import signing

PRODUCTION = {
    "DEBUG": False,
    "SITE_URL": "https://papers.example.org",
    "DATABASE_URL": "postgres://localhost/papers",
    "REDIS_URL": "redis://localhost",
    "EMAIL_PROVIDERS": ["mailgun"],
    "WEBHOOK_SECRET": ["user:word"],
    "OPERATOR_EMAIL": "operator@example.org",
    "TRUSTED_PROXIES": 1,
    "SECOND_FACTOR": "required",
    "ANYMAIL": {"MAILGUN_API_KEY": "key", "MAILGUN_WEBHOOK_SIGNING_KEY": "key"},
}


@pytest.fixture(autouse=True)
def production(settings):
    providers.connection.cache_clear()
    for name, value in PRODUCTION.items():
        setattr(settings, name, value)
    yield
    providers.connection.cache_clear()


def found():
    return {message.id for message in run_checks() if message.id.startswith("digest.")}


def test_good_production_settings_pass():
    assert found() == set()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEFAULT_FROM_EMAIL", "nobody", "digest.E001"),
        ("DEFAULT_FROM_EMAIL", "Papers <me@Gmail.com>", "digest.E002"),
        ("SITE_URL", "papers.example.org", "digest.E003"),
        ("SITE_URL", "ftp://papers.example.org", "digest.E003"),
        ("SITE_URL", "http://papers.example.org", "digest.W001"),
        ("PAPER_SOURCES", ["elsewhere"], "digest.E004"),
        ("PAPER_SOURCES", [], "digest.E004"),
        ("EMAIL_PROVIDERS", ["carrier_pigeon"], "digest.E005"),
        ("EMAIL_PROVIDERS", ["smtp"], "digest.E005"),
        ("EMAIL_PROVIDERS", ["postmark"], "digest.E005"),
        ("EMAIL_PROVIDERS", [], "digest.E006"),
        ("EMAIL_PROVIDERS", ["outbox"], "digest.W003"),
        ("WEBHOOK_SECRET", [], "digest.E007"),
        ("WEBHOOK_SECRET", ["word"], "digest.E008"),
        ("SEND_RATE", -1, "digest.E009"),
        ("UNCERTAIN_AFTER", 30, "digest.E010"),
        ("LATE_AFTER", 900, "digest.E011"),
        ("SEND_RATES", {"carrier_pigeon": 20.0}, "digest.E012"),
        ("WARM_UP", {"carrier_pigeon": (date(2026, 11, 1), 500, 1.5)}, "digest.E012"),
        ("SEND_RATES", {"smtp": 20.0}, "digest.W005"),
        ("OPERATOR_EMAIL", "", "digest.W021"),
        ("TRUSTED_PROXIES", 0, "digest.W023"),
        ("SECOND_FACTOR", "optional", "digest.W024"),
        ("WARM_UP", {"smtp": (date(2026, 11, 1), 500, 1.5)}, "digest.W005"),
        ("REDIS_URL", "", "digest.W004"),
    ],
)
def test_wrong_setting_is_named(settings, name, value, message):
    setattr(settings, name, value)
    assert message in found()


def test_provider_that_replaces_our_headers_is_named(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "sparkpost"]
    settings.ANYMAIL = settings.ANYMAIL | {"SPARKPOST_API_KEY": "key"}
    assert found() == {"digest.W002"}


def test_every_finding_says_how_to_mend_it(settings):
    settings.SITE_URL, settings.SEND_RATE, settings.PAPER_SOURCES = "x", -1, ["y"]
    assert all(message.hint for message in run_checks() if message.id.startswith("digest."))


@pytest.mark.parametrize(
    "path", ["no.such.module.embed", "json.no_such_function", "math.pi", "embed"]
)
def test_embeddings_that_cannot_be_imported_are_an_error(settings, path):
    settings.EMBEDDINGS = path
    assert "digest.E014" in found()


def test_embeddings_may_be_any_function(settings):
    settings.EMBEDDINGS = "json.dumps"
    assert "digest.E014" not in found()


def test_mail_server_for_alarms_needs_somebody_to_mail(settings):
    settings.ALARM_WEBHOOK_URL = "https://hooks.example.net/"
    settings.ALARM_SMTP_URL = "smtp://mail.example.net"
    settings.OPERATOR_EMAIL = ""
    assert found() == {"digest.W020"}


@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")
@pytest.mark.parametrize("name", ["mailgun", "mailersend", "postal", "resend", "sendgrid"])
def test_provider_that_signs_its_calls_wants_its_key(settings, name):
    settings.EMAIL_PROVIDERS = [name]
    settings.ANYMAIL = {}
    assert "digest.W022" in found()
    settings.ANYMAIL = {signing.KEYS[name]: "key"}
    assert "digest.W022" not in found()
