"""Reading in Chromium: the archive, search, a paper, feeds; with scripts and without."""

import re
from urllib.parse import urljoin

import feedparser
import pytest
import requests
from playwright.sync_api import expect

from tests.flows.mailbox import link, mail_with
from tests.pages import browsing

pytestmark = pytest.mark.flow
PAPER = "/papers/2608.16590/"
READER = "feeds@example.org"


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request, browser, installation):
    context = browser.new_context(base_url=installation.url, java_script_enabled=request.param)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    problems = browsing.watch(opened, installation.url)
    yield opened
    context.close()
    assert problems == []


def heading(page):
    return page.get_by_role("heading", level=1)


def test_archive_is_walked_by_day_week_month_and_topic(page):
    page.goto("/papers/2026-08-20/")
    expect(heading(page)).to_have_text("August 20, 2026")
    editions = page.get_by_role("navigation", name="Editions")
    editions.get_by_role("link", name="Aug 21").click()
    expect(heading(page)).to_have_text("August 21, 2026")
    editions.get_by_role("link", name="Aug 20").click()
    expect(heading(page)).to_have_text("August 20, 2026")
    page.goto("/papers/2026-08-22/")
    expect(page.get_by_text("No papers on weekends")).to_be_visible()
    page.get_by_role("link", name="Read Thursday’s edition").click()
    expect(heading(page)).to_have_text("August 20, 2026")
    page.get_by_role("link", name="August 2026", exact=True).first.click()
    expect(heading(page)).to_have_text("August 2026")
    page.goto("/papers/2026-W34/")
    expect(heading(page)).to_have_text("Week 34, 2026")
    page.get_by_role("link", name="Trending").first.click()
    expect(heading(page)).to_have_text("Trending")


def test_words_find_papers_and_are_marked(page):
    page.goto("/")
    page.get_by_role("link", name="Search", exact=True).click()
    field = page.get_by_label("What are you looking for?")
    field.fill("embodied agent")
    field.press("Enter")
    expect(page.locator("article").first).to_be_visible()
    expect(page.locator("mark").first).to_have_text(re.compile("embod|agent", re.IGNORECASE))
    page.get_by_role("link", name="Follow this as a keyword").click()
    expect(page.get_by_text("“embodied agent” is there, ready to be added")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ('"embodied"', True),
        ("topic:robotics", True),
        ("after:2026 before:2027 robot", True),
        ("before:2020 robot", False),
        ("zzzqqq", False),
    ],
)
def test_search_understands(page, query, is_found):
    page.goto("/search/")
    page.get_by_label("What are you looking for?").fill(query)
    page.get_by_role("search").get_by_role("button").first.click()
    expect(page.locator("article")).to_have_count(0) if not is_found else expect(
        page.locator("article").first
    ).to_be_visible()
    if not is_found:
        expect(page.get_by_text("Nothing found")).to_be_visible()


def test_paper_has_what_a_reader_wants_of_it(page):
    page.goto("/papers/2026-08-20/")
    title = page.locator("article h2 a").first
    name = title.inner_text()
    title.click()
    expect(heading(page)).to_have_text(name)
    for where in ("PDF", "arXiv page", "HTML"):
        expect(page.get_by_role("link", name=where, exact=True).first).to_be_visible()
    expect(page.get_by_role("heading", name="Papers like it")).to_be_visible()
    author = page.locator(".work__authors a").first
    who = author.inner_text()
    author.click()
    expect(page.get_by_label("What are you looking for?")).to_have_value(f'author:"{who}"')
    expect(page.locator("article").first).to_be_visible()


def test_feeds_that_pages_name_can_be_read(page, installation):
    page.goto("/topics/robotics/")
    feeds = page.locator("link[rel=alternate]").evaluate_all("all => all.map(l => l.href)")
    page.goto("/")
    feeds += page.locator("link[rel=alternate]").evaluate_all("all => all.map(l => l.href)")
    atoms = [feed for feed in feeds if feed.endswith(".atom")]
    assert len(atoms) >= 3
    for feed in atoms:
        read = feedparser.parse(requests.get(feed, timeout=10).content)
        assert not read.bozo, read.bozo_exception
        assert read.entries or "weekly" in feed


def test_own_feed_has_the_papers_of_the_mail(installation):
    requests.post(f"{installation.url}/subscribe/", {"email": READER}, timeout=10)
    requests.post(link(mail_with(installation, "Subject", "Confirm"), "confirm"), timeout=10)
    requests.post(f"{installation.url}/preferences/", {"email": READER}, timeout=10)
    preferences = link(mail_with(installation, "Subject", "preferences"), "preferences")
    token = preferences.rstrip("/").rpartition("/")[2]
    requests.post(f"{installation.url}/digests/send/{token}/", timeout=10).raise_for_status()
    digest = mail_with(installation, "List-Id", "Daily Papers").get_body(("html",)).get_content()
    own = re.search(r'href="(/feeds/mine/[^"]+)"', requests.get(preferences, timeout=10).text)[1]
    read = feedparser.parse(requests.get(urljoin(installation.url, own), timeout=10).content)
    assert not read.bozo
    mailed = re.findall(r'<h2[^>]*><a href="([^"]+)"', digest)
    assert [entry.link for entry in read.entries][: len(mailed)] == mailed


def test_german_browser_reads_german(browser, installation):
    context = browser.new_context(base_url=installation.url, locale="de-DE")
    page = context.new_page()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("button", name="Abonnieren")).to_be_visible()
    expect(page.locator("html")).not_to_contain_text("Subscribe")
    context.close()
