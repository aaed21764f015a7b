"""No page asks anybody but us for anything: every view of the desk, of the site and of the API is opened in
Chromium, which tells of each request."""

import re
from html import unescape
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import Resolver404, get_resolver, resolve

from tests.flows.test_desk import PASSWORD
from tests.pages import found

pytestmark = pytest.mark.flow
NO_PAGES = {"admin:logout", "admin:jsi18n"}
_LINK = re.compile(r'href="([^"#]+)')


@pytest.fixture(scope="module")
def visited(installation, browser):
    """By view, the addresses elsewhere that Chromium was made to ask by its page."""
    installation.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    installation.manage(
        "createsuperuser", "--noinput", "--username=operator", "--email=o@x.invalid"
    )
    pages = [page.address for page in found.pages(installation) if not page.is_answer]
    context = browser.new_context(base_url=installation.url)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto("/admin/")
    tab.get_by_label("Username").fill("operator")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    seen: dict[str, list[str]] = {}
    waiting = ["/admin/", "/api/v1/docs", "/outbox/", "/no-such-page/", "/admin/login/", *pages]
    while waiting:
        address = waiting.pop(0)
        name = _name_of(address)
        if name in seen or name in NO_PAGES:
            continue
        asked.clear()
        tab.goto(address, wait_until="load")
        tab.wait_for_timeout(200)
        seen[name] = [
            url for url in asked if not url.startswith((installation.url, "data:", "blob:"))
        ]
        links = [unescape(each) for each in _LINK.findall(tab.content())]
        waiting += [each for each in links if each.startswith("/admin/")]
    context.close()
    return seen


def _name_of(address):
    try:
        return resolve(address.partition("?")[0]).view_name
    except Resolver404:
        return "not found"


def test_pages_of_all_parts_were_opened(visited):
    assert {"admin:index", "site:home", "subscriptions:subscribe", "not found"} <= set(visited)
    desk = {name for name in visited if name.startswith("admin:")}
    lists = {n for n in get_resolver().namespace_dict["admin"][1].reverse_dict
             if isinstance(n, str) and n.endswith("_changelist")}  # fmt: skip
    assert len(desk) > len(lists)
    assert any("docs" in name or "openapi" in name for name in visited)


def test_no_page_asks_anybody_else(visited):
    assert {name: urls for name, urls in visited.items() if urls} == {}


def test_no_static_file_loads_from_elsewhere():
    """Nor a map of its source, which developers' tools would fetch."""
    wrong = []
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            if Path(path).suffix in {".css", ".js"}:
                text = Path(storage.path(path)).read_text(errors="replace")
                wrong += [
                    f"{path}: {hit}"
                    for hit in re.findall(
                        r"url\(\s*['\"]?(?:https?:)?//[^)]+|@import\s+(?:url\()?['\"](?:https?:)?//[^'\"]+"
                        r"|sourceMappingURL=https?://\S+|importScripts\(['\"]https?[^)]+", text,
                    )
                ]  # fmt: skip
    assert settings.STATIC_URL == "/static/"
    assert wrong == []
