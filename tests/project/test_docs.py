"""The site of docs/: it builds without a warning, asks nobody else, and says what the code does."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands

from tests import reference
from tests.project.test_project import ROOT, names_in_settings

PAGES = sorted((ROOT / "docs").glob("*.md"))
# What AWS's own library reads, and what is no setting of ours.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """What a page loads by itself."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "object"):
            self.addresses += [found.get("src") or ""]
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev", "edit"):
            self.addresses += [found.get("href") or ""]


def loaded_by(page):
    parser = Loaded()
    parser.feed(page.read_text())
    return parser.addresses


def test_no_page_loads_anything_from_others(site):
    pages = sorted(site.glob("*.html"))
    assert len(pages) > len(PAGES)
    found = {address for page in pages for address in loaded_by(page)}
    assert len(found) > 3
    assert [address for address in found if urlsplit(address).netloc] == []


def test_every_page_is_in_the_menu(site):
    home = (site / "index.html").read_text()
    for page in PAGES:
        assert f'href="{page.stem}.html"' in home or page.stem == "index", page.name


def test_reference_is_as_the_code_is():
    assert reference.PAGE.read_text() == reference.page(), "type: make docs"


def test_reference_has_every_command_and_setting():
    settings, page = reference.PAGE.read_text().split("\n## Commands\n")
    ours = {name for name, app in get_commands().items() if app in reference.OURS}
    assert {*re.findall(r"^### ([a-z_]+)$", page, re.MULTILINE)} == ours
    names = {*re.findall(r"^\| `([A-Z_]+)` \|", settings, re.MULTILINE)}
    assert names == names_in_settings() | {"POSTGRES_PASSWORD"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_a_page_names_exist(page):
    named = {*re.findall(r"manage\.py ([a-z_]+)", page.read_text())}
    assert named - {*get_commands()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_that_a_page_sets_exist(page):
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    named = {*re.findall(r"^([A-Z][A-Z_]+)=", "\n".join(blocks), re.MULTILINE)}
    assert named - names_in_settings() - OTHERS == set()
