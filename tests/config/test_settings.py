"""Settings from the environment: wrong ones stop the start with one line that names them all."""

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
    ],
)  # fmt: skip
def test_wrong_value_is_one_line_that_names_it(tmp_path, name, value):
    status, line = check(tmp_path, **{name: value})
    assert status == 1
    assert line.startswith(f"Settings: {name}")
    assert len(line.splitlines()) == 1


def test_secret_is_read_from_a_file(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("a secret that came as a file, long enough for everything\n")
    script = "from config import settings; print(settings.SECRET_KEY)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env=clean_environment(VAR_DIR=tmp_path / "var", SECRET_KEY_FILE=secret),
    )  # fmt: skip
    assert done.stdout.strip() == secret.read_text().strip()


def test_made_up_secret_is_kept(tmp_path):
    check(tmp_path)
    first = (tmp_path / "var" / "secret_key").read_text()
    check(tmp_path)
    assert (tmp_path / "var" / "secret_key").read_text() == first
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o077 == 0
