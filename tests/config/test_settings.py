"""Settings from the environment: wrong ones stop the start with one line that names them all."""

import json
import subprocess
import sys

import pytest

from tests.flows.processes import ROOT, clean_environment


def check(tmp_path, **settings):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, capture_output=True, text=True,
        env=clean_environment(VAR_DIR=tmp_path / "var", **settings), timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def value(tmp_path, name, **settings):
    script = f"import json; from config import settings; print(json.dumps(settings.{name}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env=clean_environment(VAR_DIR=tmp_path / "var", **settings),
    )  # fmt: skip
    return json.loads(done.stdout)


def test_fresh_checkout_needs_no_variables(tmp_path):
    assert check(tmp_path) == (0, "")


def test_everything_missing_in_production_is_named_at_once(tmp_path):
    status, line = check(tmp_path, DEBUG=0)
    assert status == 1
    assert line == (
        "Settings: SECRET_KEY is required when DEBUG=0; "
        "DEFAULT_FROM_EMAIL is required when DEBUG=0; POSTAL_ADDRESS is required when DEBUG=0"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"), ("PORT", "eight thousand"), ("UNCERTAIN_AFTER", "soon"),
        ("EDITION_CUTOFF", "25:00"), ("SEND_RATE", "fast"), ("TRUSTED_PROXIES", "all"),
        ("SECRET_KEY_FILE", "/nowhere/key"), ("DATABASE_URL", "nonsense"),
        ("LOG_LEVEL", "LOUD"), ("SIGNUP_RATE_CLIENT", "often"), ("SIGNUP_RATE_ADDRESS", "3"),
        ("SMTP_URL", "mail.example.org"), ("REDIS_URL", "localhost"),
        ("SIGNUP_RATE_ADDRESS", "3/0h"), ("SIGNUP_RATE_CLIENT", "20/99999999999d"), ("API_RATE", "fast"),
        ("KEEP_UNCONFIRMED_DAYS", "2"), ("KEEP_UNCONFIRMED_DAYS", "a week"),
        ("KEEP_MESSAGES_DAYS", "6"), ("KEEP_LEFT_DAYS", "-1"), ("KEEP_LEFT_DAYS", "1000000"),
        ("KEEP_EVENTS_DAYS", "-180"), ("SMTP_URL", "smtp://host:99999"), ("PORT", "70000"),
        ("DATABASE_URL", "mysql://localhost/x"), ("LIST_ID", "nobrackets"),
        ("LIST_ID", "Two\nlines <daily.example.org>"), ("REPLY_TO", "garbage"),
        ("UNSUBSCRIBE_EMAIL", "garbage"), ("HUGGING_FACE_URL", "foo"),
        ("SEND_RATE", "-1"), ("SEND_RATE", "nan"), ("SEND_RATES", "100"), ("SEND_RATES", "smtp:fast"),
        ("SEND_RATES", "smtp:0"), ("SEND_RATES", "smtp:1,smtp:2"), ("WARM_UP", "smtp"),
        ("WARM_UP", "smtp:2026-13-01:500:1.5"), ("WARM_UP", "smtp:2026-11-01:many:1.5"),
        ("WARM_UP", "smtp:2026-11-01:500:0.5"), ("WARM_UP", "smtp:2026-11-01:500:1.5:x"),
        ("LATE_AFTER", "0"), ("LATE_AFTER", "soon"), ("OPERATOR_EMAIL", "me"),
        ("LOG_FORMAT", "xml"), ("SENTRY_DSN", "https://sentry.example.org/1"), ("SENTRY_DSN", "key"),
        ("DEFAULT_FROM_EMAIL", "Papers <a@example.org>\r\nBcc: b@example.org"),
        ("REPLY_TO", "a@example.org\nBcc: b@example.org"), ("UNSUBSCRIBE_EMAIL", "a@example.org\r\nX: y"),
        ("LIST_ID", "Daily <daily.example.org>\r\nX: y"), ("POSTMARK_MESSAGE_STREAM", "digests\nx"),
        ("SITE_URL", "https://papers.example.org/\r\nX: y"), ("OPERATOR_EMAIL", "a@example.org\x1b"),
        ("SITE_URL", "http://[::1"), ("ARXIV_CATEGORIES", "../x y"), ("TRUSTED_PROXIES", "-1"),
        ("SECOND_FACTOR", "maybe"),
    ],
)  # fmt: skip
def test_wrong_value_is_one_line_that_names_it(tmp_path, name, value):
    status, line = check(tmp_path, **{name: value})
    assert status == 1
    assert line.startswith(f"Settings: {name}")
    assert len(line.splitlines()) == 1


def test_folder_that_is_made_is_for_nobody_else(tmp_path):
    assert check(tmp_path) == (0, "")
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    status, line = check(tmp_path / "file" / "x")
    assert (status, len(line.splitlines())) == (1, 1)
    assert line.startswith("Settings: VAR_DIR")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fetch_papers", "--date", "2026-02-31"],
        ["preview_digest", "--format", "pdf"],
        ["import_subscribers"],
        ["settle_deliveries"],
    ],
)
def test_wrong_arguments_get_one_line(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True,
        env=clean_environment(VAR_DIR=tmp_path / "var"), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_host_of_ipv6_is_allowed_with_its_brackets(tmp_path):
    hosts = value(tmp_path, "ALLOWED_HOSTS", SITE_URL="http://[2001:db8::5]:8000")
    assert hosts[0] == "[2001:db8::5]"


def test_secret_is_read_from_a_file(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("a secret that came as a file, long enough for everything\n")
    assert value(tmp_path, "SECRET_KEY", SECRET_KEY_FILE=secret) == secret.read_text().strip()


@pytest.mark.parametrize(
    ("name", "text", "entries"),
    [
        # An empty key would make every link forgeable, and an empty secret every event.
        ("SECRET_KEY_FALLBACKS", "old, older ,, ", ["old", "older"]),
        ("SECRET_KEY_FALLBACKS", ",", []),
        ("WEBHOOK_SECRET", "papers:new, papers:old, ,", ["papers:new", "papers:old"]),
        ("EMAIL_PROVIDERS", " mailgun, smtp,", ["mailgun", "smtp"]),
        ("EMAIL_PROVIDERS", ", ", ["outbox"]),
        ("PAPER_SOURCES", "arxiv, ,hugging_face", ["arxiv", "hugging_face"]),
        ("ARXIV_CATEGORIES", "cs.AI, cs.CL,", ["cs.AI", "cs.CL"]),
    ],
)
def test_entries_of_a_list_are_stripped_and_never_empty(tmp_path, name, text, entries):
    assert value(tmp_path, name, **{name: text}) == entries


def test_rates_and_warm_ups_are_read_by_provider(tmp_path):
    rates = value(tmp_path, "SEND_RATES", SEND_RATES="mailgun:100, smtp:0.5")
    script = "WARM_UP['mailgun'][1:]"
    plan = value(tmp_path, script, WARM_UP="mailgun:2026-11-01:500:1.5, smtp:2026-11-02:9:2")
    assert (rates, plan) == ({"mailgun": 100, "smtp": 0.5}, [500, 1.5])


def test_older_keys_are_read_from_a_file(tmp_path):
    secret = tmp_path / "keys"
    secret.write_text("old, older\noldest\n")
    keys = value(tmp_path, "SECRET_KEY_FALLBACKS", SECRET_KEY_FALLBACKS_FILE=secret)
    assert keys == ["old", "older", "oldest"]


def test_key_of_blanks_is_no_key(tmp_path):
    status, line = check(tmp_path, DEBUG=0, SECRET_KEY="  ")
    assert (status, "SECRET_KEY is required" in line) == (1, True)


def test_made_up_secret_is_kept(tmp_path):
    check(tmp_path)
    first = (tmp_path / "var" / "secret_key").read_text()
    check(tmp_path)
    assert (tmp_path / "var" / "secret_key").read_text() == first
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o077 == 0
