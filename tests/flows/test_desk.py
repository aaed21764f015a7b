"""The operator's desk in Chromium, on a fresh `manage.py run`."""

import pytest
from playwright.sync_api import expect

from tests.pages import browsing

pytestmark = pytest.mark.flow
PASSWORD = "a-long-password-of-the-operator"


@pytest.fixture(scope="module")
def operator(installation):
    """An owner who can sign in."""
    installation.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    installation.manage(
        "createsuperuser", "--noinput", "--username=operator", "--email=operator@example.org"
    )
    return "operator"


@pytest.fixture
def page(browser, installation, operator):
    context = browser.new_context(base_url=installation.url, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    problems = browsing.watch(opened, installation.url)
    opened.goto("/admin/")
    opened.get_by_label("Username").fill(operator)
    opened.get_by_label("Password").fill(PASSWORD)
    opened.get_by_role("button", name="Log in").click()
    yield opened
    context.close()
    assert problems == []


def test_dashboard_follows_a_send_without_being_loaded_again(page, installation, tmp_path):
    expect(page.get_by_role("heading", name="No edition has been sent yet")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    readers = tmp_path / "readers.csv"
    readers.write_text("email\nada@example.org\ngrace@example.org\n")
    installation.manage("import_subscribers", str(readers), "--confirmed", "--consent=a list")
    installation.manage("send_digests", "--now=2030-01-01T12:00:00Z", "--yes", "--wait")
    expect(page.get_by_text("Sent to 2 readers.")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Adds up.")).to_be_visible()
    assert page.evaluate("window.isTheSamePage")


def test_dashboard_fits_a_phone_and_axe_finds_nothing(page):
    expect(page.locator("#desk").get_by_role("heading", name="Readers")).to_be_visible()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.reload()
            assert browsing.accessibility(page) == []
