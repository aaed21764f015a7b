"""The project itself: what is written down is true."""

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from config.anymail_names import ANYMAIL_NAMES

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "config" / "settings.py").read_text()


def names_in_settings():
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', SETTINGS)) - {"INFO"}
    return read | set(ANYMAIL_NAMES)


def test_example_file_has_every_setting():
    names = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert names == names_in_settings() | {"POSTGRES_PASSWORD"}


def test_readme_table_has_every_setting():
    table = (ROOT / "README.md").read_text().split("## Configuration")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert names == names_in_settings() | {"POSTGRES_PASSWORD"}


def test_example_file_is_read_without_complaint(tmp_path):
    text = (ROOT / ".env.example").read_text()
    assert all(line.startswith("#") or not line for line in text.splitlines())


@pytest.mark.parametrize(("said", "port"), [([], "none"), (["PORT=8766"], "8766")])
def test_make_run_leaves_the_port_to_the_env_file_unless_one_is_typed(tmp_path, said, port):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@ at ${PORT:-none}"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "-o", ".venv/.requirements", f"BIN={tmp_path}", "run", *said],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"manage.py run at {port}\n"


def wanted(file):
    lines = (ROOT / file).read_text().split()
    return {re.split(r"[\[<>=]", line)[0] for line in lines if not line.startswith("-")} - {
        "requirements.txt"
    }


@pytest.mark.parametrize(
    ("file", "heading"),
    [("requirements.in", "## In production"), ("requirements-dev.in", "## For development")],
)
def test_every_dependency_has_its_reason(file, heading):
    section = (ROOT / "docs" / "dependencies.md").read_text().split(heading)[1].split("\n## ")[0]
    assert set(re.findall(r"^\| ([a-z][a-z-]+) \| \S", section, re.MULTILINE)) - {
        "package"
    } == wanted(file)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_dependency_is_pinned(name):
    pins = re.findall(
        r"^([a-z0-9.-]+)(?:\[[^]]*\])?==", (ROOT / f"{name}.txt").read_text(), re.MULTILINE
    )
    assert wanted(f"{name}.in") <= set(pins)


def test_npm_packages_are_pinned_by_content_and_to_no_registry():
    lock = json.loads((ROOT / "tests" / "pages" / "package-lock.json").read_text())
    _, *packages = lock["packages"].values()
    assert all("integrity" in each and "resolved" not in each for each in packages)


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_imports_keep_to_the_contracts():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "message",
    sorted(
        p.name for p in (ROOT / "templates/email").iterdir() if p.name != "parts" and p.is_dir()
    ),
)
def test_each_message_has_subject_text_and_html(message):
    files = {path.name for path in (ROOT / "templates" / "email" / message).iterdir()}
    assert {"subject.txt", "body.txt", "body.html"} <= files


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_commands_in_the_readme_exist():
    table = (ROOT / "README.md").read_text().split("## Everyday commands")[1].split("\n## ")[0]
    named = re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    folders = ROOT.glob("*/management/commands/*.py")
    assert set(named) <= {path.stem for path in folders}
    assert len(named) >= 9


def test_no_module_grows_past_its_room():
    for package in ("config", "digest", "subscriptions"):
        for path in (ROOT / package).rglob("*.py"):
            if "migrations" not in path.parts:
                lines = path.read_text().count("\n")
                assert lines <= 400, (path, lines)


def test_list_of_parts_names_all_that_is_pinned(tmp_path):
    path = tmp_path / "sbom.json"
    command = ["cyclonedx-py", "requirements", "--of", "JSON", "-o", path, "requirements.txt"]
    program = Path(sys.executable).with_name(command[0])
    subprocess.run([program, *command[1:]], cwd=ROOT, check=True, capture_output=True)
    parts = json.loads(path.read_text())["components"]
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert sorted((part["name"], part["version"]) for part in parts) == sorted(pinned)
