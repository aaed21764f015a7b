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
CODE = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("config", "digest", "subscriptions", "tests", "docs")
    for path in (ROOT / package).rglob("*.py")
)
ROOMS = sorted({f"{folder}/" for path in CODE for folder in Path(path).parents} - {"./"})
# What stands for another name, and what is made or no folder of code.
STANDS_FOR_OTHERS = {"digest/papers/sources/NAME.py", "tests/digest/ROOM/", "manage.py"}
NO_CODE = {"site/", "var/", "docs/", "deploy/", "digest/static/daily_papers/vendor/"}
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


def sections_of(page):
    """Each part of a page, with the folder that its heading is about, or none."""
    for part in re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE):
        folder = re.match(r"## .*`(\w[\w/]*/)`", part)
        yield (
            folder[1] if folder else "",
            re.sub(r"^ *```.*?^ *```", "", part, flags=re.DOTALL | re.MULTILINE),
        )


def places(name, folder):
    """Where a name of the documentation is found: near the heading, else in the code, else in tests."""
    found = [path for path in (*CODE, *ROOMS) if f"/{path}".endswith(f"/{name}")]
    ours = [path for path in found if not path.startswith("tests/")]
    near = [path for path in ours if folder and path.startswith(folder)]
    exact = [path for path in found if path == name]
    return next((paths for paths in (exact, near, ours, found) if paths), [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_modules_and_rooms_that_a_page_names_are_there_and_no_others_are_meant(page):
    for folder, text in sections_of(page):
        named = {*re.findall(r"`(\w[\w./]*\.py|[a-z]\w*/(?:\w+/)*)`", text)}
        for name in named - STANDS_FOR_OTHERS - NO_CODE:
            found = places(name, folder)
            assert len(found) == 1, (name, found)


def defines(module, name):
    text = (ROOT / module).read_text()
    return re.search(rf"^(?:def|class) {name}\b|^{name}\b", text, re.MULTILINE)


def test_functions_fields_and_models_that_the_architecture_names_are_there():
    text = "".join(text for _, text in sections_of(ROOT / "docs" / "architecture.md"))
    code = {Path(path).stem: "" for path in CODE}
    for path in CODE:
        code[Path(path).stem] += (ROOT / path).read_text() * (not path.startswith("tests/"))
    every = "\n".join(code.values())
    functions = [*re.findall(r"`([a-z_]+)\.(?!(?:py|js|toml)`)(\w+)`", text)]
    for module, name in functions:
        where = rf"^(?:(?:def|class) {name}\b|{name}\b.*=)"
        assert re.search(where, code[module], re.MULTILINE), (module, name)
    fields = [*re.findall(r"`([A-Z]\w+)\.([a-z_]+)`", text)]
    for model, field in fields:
        where = rf"^class {model}\b.*(?:\n(?!class ).*)*?\n    (?:def )?{field}\b"
        assert re.search(where, every, re.MULTILINE), (model, field)
    models = re.findall(r"`([A-Z][a-z]+[A-Z]?\w+)`", text)
    assert [
        name for name in models if not re.search(rf"^class {name}\b", every, re.MULTILINE)
    ] == []
    assert len(functions) > 3
    assert len(fields) > 3
    assert len(models) > 3


def test_tests_that_the_threat_model_names_are_there():
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "threat-model.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (root / name).is_file()] == []
