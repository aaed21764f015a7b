"""Link scanners open every link of every mail, some with scripts: nothing may come of it."""

import re
import sqlite3

import pytest
import requests

from tests.flows.mailbox import link, mail_with, mails
from tests.flows.processes import wait_for

pytestmark = pytest.mark.flow
READER, NEW = "scanned@example.org", "scanned-new@example.org"
PENDING = "never-confirmed@example.org"
TABLES = "subscriptions_%"
ALSO = ("digest_opinion", "digest_delivery")


def dump(installation):
    """All that is held about readers."""
    path = installation.folder / "var" / "daily_papers.sqlite3"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ? ORDER BY name"
        tables = [name for (name,) in database.execute(named, [TABLES])] + list(ALSO)
        return {
            table: database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608
            for table in tables
        }


@pytest.fixture(scope="module")
def links(installation):
    """Every link to us in every kind of mail."""

    def post(path, **data):
        return requests.post(f"{installation.url}{path}", data, timeout=10)

    post("/subscribe/", email=PENDING)
    mail_with(installation, "To", PENDING)
    post("/subscribe/", email=READER)
    confirm = link(mail_with(installation, "To", READER), "confirm")
    requests.post(confirm, timeout=10).raise_for_status()
    post("/preferences/", email=READER)
    preferences = link(mail_with(installation, "Subject", "preferences"), "preferences")
    token = preferences.rstrip("/").rpartition("/")[2]
    post(f"/digests/send/{token}/").raise_for_status()
    mail_with(installation, "List-Id", "Daily Papers")
    ask = re.search(r'href="([^"]*/address/[^"]*)"|href="([^"]*address[^"]*)"',
                    requests.get(preferences, timeout=10).text)  # fmt: skip
    post(ask[1] or ask[2], email=NEW).raise_for_status()
    mail_with(installation, "To", NEW)
    _wait_until_quiet(installation)
    found = set()
    for mail in mails(installation):
        for kind in ("plain", "html"):
            part = mail.get_body((kind,))
            text = part.get_content() if part else ""
            found |= set(re.findall(rf"{re.escape(installation.url)}/[^\s\"<>)]*", text))
        found |= set(re.findall(r"<(http[^>]+)>", mail["List-Unsubscribe"] or ""))
    return sorted(found)


def _wait_until_quiet(installation):
    """Until the worker has settled what was asked for."""

    def is_quiet():
        messages = dump(installation)["subscriptions_transactionalmessage"]
        return all("pending" not in row and "claimed" not in row for row in messages)

    wait_for(is_quiet, seconds=60, what="the worker")


def test_links_are_of_every_kind(links):
    for part in (
        "confirm",
        "preferences",
        "manage",
        "unsubscribe",
        "digests",
        "address",
        "more",
        "less",
        "save",
    ):
        assert any(f"/{part}/" in address for address in links), part


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_programs_that_open_all_links_three_times_change_nothing(installation, links, method):
    before = dump(installation)
    for address in links * 3:
        requests.request(method, address, timeout=10, allow_redirects=True)
    assert dump(installation) == before


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_browsers_that_open_all_links_three_times_change_nothing(
    browser, installation, links, has_scripts
):
    before = dump(installation)
    for address in links:
        context = browser.new_context(java_script_enabled=has_scripts)
        page = context.new_page()
        for _ in range(3):
            page.goto(address, wait_until="load")
        context.close()
    assert dump(installation) == before


def test_the_button_behind_a_link_does_change_something(installation, links):
    before = dump(installation)
    leave = next(address for address in links if "/unsubscribe/" in address)
    requests.post(leave, {"List-Unsubscribe": "One-Click"}, timeout=10).raise_for_status()
    assert dump(installation) != before


def test_digest_in_a_browser_is_the_mail(installation, links):
    mail = mail_with(installation, "List-Id", "Daily Papers").get_body(("html",)).get_content()
    view = re.search(r'href="([^"]+/digests/[^"/]+/)"', mail)[1]
    shown = requests.get(view, timeout=10).text

    def parts(html):
        titles = re.findall(r"<h2[^>]*>.*?</h2>", html, re.DOTALL)
        reasons = re.findall(r'<span class="mark"[^>]*><a [^>]*>([^<]+)</a></span>', html)
        assert len(reasons) == len(titles)
        links = re.findall(r'href="([^"]+)"', html)
        return [re.sub(r"\s+", " ", text) for text in (*titles, *reasons, *links)]

    assert parts(shown) == parts(mail)
    assert len(parts(mail)) > 20
