"""What a script and a reader's hands do on the archive's pages, in Chromium."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.flow
PAPER = "/papers/2608.16590/"


@pytest.fixture
def page(browser, installation):
    context = browser.new_context(
        base_url=installation.url, permissions=["clipboard-read", "clipboard-write"]
    )
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    yield opened
    context.close()


@pytest.fixture
def page_without_scripts(browser, installation):
    context = browser.new_context(base_url=installation.url, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_citation_is_copied_and_a_reader_is_told(page):
    page.goto(PAPER)
    cite = page.locator("details.cite").first
    cite.locator("summary").click()
    cite.get_by_role("button", name="Copy").click()
    expect(cite.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == cite.locator("pre").text_content()


def test_citation_is_read_and_downloaded_without_scripts(page_without_scripts):
    page = page_without_scripts
    page.goto(PAPER)
    cite = page.locator("details.cite").first
    cite.locator("summary").click()
    expect(cite.locator("pre")).to_contain_text("@misc{ding2026zetta,")
    expect(cite.get_by_text("Copy", exact=True)).to_be_hidden()
    with page.expect_download() as download:
        cite.get_by_role("link", name="Download BibTeX").click()
    assert download.value.suggested_filename == "2608.16590.bib"


def test_abstract_opens_in_place_by_keyboard_without_scripts(page_without_scripts):
    page = page_without_scripts
    page.goto("/papers/2026-08-20/")
    opener = page.locator("details.abstract summary").first
    rest = page.locator("details.abstract p").first
    expect(rest).to_be_hidden()
    opener.press("Enter")
    expect(rest).to_be_visible()
    expect(opener).to_have_text("Hide the abstract", use_inner_text=True)


def test_topic_is_chosen_and_left_on_a_phone(browser, installation):
    context = browser.new_context(base_url=installation.url, viewport={"width": 320, "height": 700})
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Filter by topic").click()
    page.locator("#filter").get_by_role("link", name="Agents and tool use").click()
    # On a weekend a second line says when the next edition comes.
    said = page.locator(".edition__sum").first
    expect(said).to_contain_text("on Agents and tool use")
    said.get_by_role("link", name="All 25 papers").click()
    expect(said).to_contain_text("25 papers with")
    context.close()
