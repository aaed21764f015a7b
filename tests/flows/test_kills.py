"""Fetching, building, planning and sending survive a kill before each of their statements."""

import json
import subprocess
import sys

import pytest

from tests.flows.processes import ROOT, clean_environment

pytestmark = pytest.mark.flow


def swept(folder, **settings):
    environment = clean_environment(
        VAR_DIR=folder / "var", DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="CRITICAL",
        DEFAULT_FROM_EMAIL="Daily Papers <digest@papers.example.org>", **settings,
    )  # fmt: skip
    for command in (["manage.py", "migrate", "-v0"], ["-m", "tests.flows.kill_sweep"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def check(found):
    assert {stage: result["wrong"] for stage, result in found.items()} == {
        name: [] for name in found
    }
    assert list(found) == ["fetch", "build", "plan", "send", "confirm mails"]
    assert all(result["kills"] >= 5 for result in found.values())


def test_kill_between_any_two_steps_on_sqlite(tmp_path):
    check(swept(tmp_path))


def test_kill_between_any_two_steps_on_postgresql(tmp_path, postgres_database):
    check(swept(tmp_path, DATABASE_URL=postgres_database, DEBUG="1"))
