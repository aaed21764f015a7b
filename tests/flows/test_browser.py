"""A reader's whole way in Chromium, on a fresh `manage.py run` that no source can be reached from."""

import re
import threading
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from playwright.sync_api import expect

from tests.flows.processes import wait_for
from tests.pages import browsing

pytestmark = pytest.mark.flow


@pytest.fixture
def has_scripts():
    return True


@pytest.fixture
def page(browser, installation, has_scripts):
    context = browser.new_context(base_url=installation.url, java_script_enabled=has_scripts)
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    problems = browsing.watch(opened, installation.url)
    yield opened
    context.close()
    assert problems == []


def open_mail(page, subject, address=""):
    """The mail in the local outbox, once it is there; its body is a frame of the page."""
    named = re.compile(f"{subject}.*{address}")

    def arrived():
        page.goto("/outbox/")
        return page.get_by_role("link", name=named).count()

    wait_for(arrived, seconds=90, what=f"a mail: {subject}")
    page.get_by_role("link", name=named).first.click()
    return page.frame_locator("iframe")


def link_in(mail, name):
    return mail.get_by_role("link", name=re.compile(name)).first.get_attribute("href")


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no scripts"])
def test_reader_subscribes_reads_tunes_leaves_and_returns(page, has_scripts):
    address = f"ada-{has_scripts}@example.org"
    page.goto("/")
    expect(page.get_by_text("Get trending papers in your email inbox!")).to_be_visible()
    expect(page.get_by_text("This is the sample edition")).to_be_visible()
    page.get_by_label("Email address").fill(address)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Almost there")

    confirm = link_in(open_mail(page, "Confirm", address), "Confirm")
    page.context.clear_cookies()  # as on another device: the link alone confirms nothing
    page.goto(confirm)
    page.get_by_role("button", name="Confirm my address").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")

    page.get_by_label("Robotics and embodied AI").check()
    page.get_by_role("button", name="Save my topics").click()
    expect(page.get_by_role("status")).to_contain_text("Saved. Your next digest comes on")
    page.get_by_role("link", name="All preferences").click()
    expect(page.get_by_label("Robotics and embodied AI")).to_be_checked()
    page.get_by_label("Every day", exact=True).check()
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Time of day").select_option("9")
    page.get_by_role("button", name="Save preferences").click()
    expect(page.locator(".notice")).to_contain_text("Saved")
    expect(page.get_by_label("Robotics and embodied AI")).to_be_checked()
    expect(page.locator(".next")).to_contain_text("09:00")
    expect(page.locator(".next")).to_contain_text("Berlin")
    preferences = page.url

    page.goto(preferences)
    page.get_by_role("button", name="Send me today’s digest now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("On its way")

    digest = open_mail(page, "Zetta", address)
    expect(digest.get_by_role("heading", level=1)).to_have_text("Thursday, August 20")
    expect(digest.get_by_text("You follow Robotics and embodied AI").first).to_be_visible()
    in_browser, leave = link_in(digest, "View in browser"), link_in(digest, "Unsubscribe")
    page.get_by_role("link", name="Text").click()
    expect(page.locator("pre")).to_contain_text("Zetta ζ: An Efficient Closed-Loop Embodied")
    page.get_by_role("link", name="Source").click()
    expect(page.locator("pre")).to_contain_text("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    page.goto(in_browser)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thursday, August 20")

    page.goto(leave)
    page.get_by_role("button", name="Unsubscribe", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    page.goto(preferences)
    expect(page.get_by_text("You are unsubscribed: no digests go to this address")).to_be_visible()
    page.goto(leave)
    page.get_by_role("button", name="Undo, keep me subscribed").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("You are subscribed again")


def test_own_browser_needs_no_button_and_the_first_digest_comes_in_its_own_zone(
    browser, installation
):
    context = browser.new_context(base_url=installation.url, timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto("/subscribe/")
    page.get_by_label("Email address").fill("own@example.org")
    page.get_by_role("button", name="Subscribe").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Almost there")
    page.goto(link_in(open_mail(page, "Confirm"), "Confirm"))
    expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")
    expect(page.get_by_text("That is Tokyo time.")).to_be_visible()
    context.close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def other_site(tmp_path, installation):
    """A page on another port, with both forms pasted as `/embed/` offers them."""
    offered = requests.get(f"{installation.url}/embed/?headline=What+we+read", timeout=10).text
    snippets = [
        unescape(found)
        for found in re.findall(r"<textarea[^>]*>(.*?)</textarea>", offered, re.DOTALL)
    ]
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>A blog</title>" + "".join(snippets))
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_QuietHandler, directory=tmp_path)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


def test_form_on_another_site_signs_up(browser, installation, other_site):
    context = browser.new_context(viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto(other_site)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_have_text("What we read")
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert page.frames[1].evaluate(f"{size}.join() === [innerWidth, innerHeight].join()")
    frame.get_by_label("Email address").fill("framed@example.org")
    frame.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Almost there")
    assert [cookie["name"] for cookie in context.cookies()] == ["sign_up"]

    page.goto(other_site)
    page.get_by_label("Email address").fill("pasted@example.org")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Almost there")
    context.close()


def test_wrong_address_is_refused_in_words(page):
    page.goto("/")
    page.get_by_label("Email address").fill("ada at example")
    page.get_by_role("button", name="Subscribe").click()
    field = page.get_by_label("Email address")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("ada at example")


def tab_to(page, target):
    """Tab until it has the focus, which can be seen."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            # A box that is ticked has it around its label.
            outlines = target.evaluate(
                "e => [e, e.closest('label') ?? e].map(x => getComputedStyle(x).outlineStyle)"
            )
            assert set(outlines) != {"none"}, target
            return
    raise AssertionError(f"no way to {target}")


def test_everything_can_be_done_by_keyboard(page):
    address = "grace@example.org"
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    tab_to(page, page.get_by_label("Email address"))
    page.keyboard.type(address)
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("Almost there")

    confirm = link_in(open_mail(page, "Confirm", address), "Confirm")
    page.context.clear_cookies()
    page.goto(confirm)
    tab_to(page, page.get_by_role("button", name="Confirm my address"))
    page.keyboard.press("Enter")
    expect(heading).to_have_text("You are subscribed")
    tab_to(page, page.get_by_label("Robotics and embodied AI"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Save my topics"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="All preferences"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Robotics and embodied AI")).to_be_checked()
    tab_to(page, page.get_by_role("button", name="Save preferences"))
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("Saved")

    tab_to(page, page.get_by_role("link", name="Unsubscribe", exact=True))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Unsubscribe", exact=True))
    page.keyboard.press("Space")
    expect(heading).to_have_text("You are unsubscribed")
    tab_to(page, page.get_by_role("button", name="Undo, keep me subscribed"))
    page.keyboard.press("Space")
    expect(heading).to_contain_text("You are subscribed again")
