"""The door of the desk in Chromium: password, second factor, recovery codes, the lock, wide and narrow, in
the light and in the dark."""

import base64
import re

import pytest
from playwright.sync_api import expect

from subscriptions import roles
from tests.pages import browsing
from tests.subscriptions.door.operators import PASSWORD, code_now, give_app, make_operator

pytestmark = [
    pytest.mark.flow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("browser_beside_database"),
]
WIDTHS = (1360, 390)


@pytest.fixture
def browser(chromium):
    with browsing.launched(chromium) as launched:
        yield launched


@pytest.fixture
def page(browser, live_server, settings):
    """A browser at the door of a desk that asks for a second factor."""
    settings.SECOND_FACTOR = "required"
    roles.ensure()
    make_operator()
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    problems = browsing.watch(opened, live_server.url)
    yield opened
    context.close()
    assert [each for each in problems if "status of 429" not in each] == []


def judge(page, name=""):
    """Nothing hangs over at either width, and axe finds nothing in either scheme."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        for scheme in ("light", "dark"):
            # What the theme itself does when it is loaded; these pages can't all be loaded again.
            page.evaluate(
                "is => document.documentElement.classList.toggle('dark', is)", scheme == "dark"
            )
            assert browsing.accessibility(page) == [], (name, width, scheme)


def give_password(page, password=PASSWORD):
    page.goto("/admin/")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_operator_sets_a_second_factor_up_and_signs_in_by_a_recovery_code(page):
    page.goto("/admin/")
    judge(page, "sign-in")
    give_password(page)
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    judge(page, "set-up")
    page.get_by_role("textbox", name="Code").fill("000000")
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_text("This code is not right.")).to_be_visible()
    judge(page, "set-up-wrong")
    secret = page.locator(".door-secret").inner_text()
    page.get_by_role("textbox", name="Code").fill(code_now(hexadecimal(secret)))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    judge(page, "recovery-codes")
    codes = page.locator(".door-codes code").all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    expect(page).to_have_url(re.compile(r"/admin/$"))
    page.goto("/admin/second-factor/own/")
    judge(page, "own")
    page.context.clear_cookies()
    give_password(page)
    expect(page.get_by_role("heading", name="Your second factor")).to_be_visible()
    judge(page, "code")
    page.get_by_role("textbox", name="Code").fill("123 456")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("This code is not right.")).to_be_visible()
    judge(page, "code-wrong")
    page.get_by_role("textbox", name="Code").fill(codes[0].upper())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("You used a recovery code; 9 are left.")).to_be_visible()


def hexadecimal(secret):
    return base64.b32decode(secret.replace(" ", "")).hex()


def test_who_fails_five_times_is_told_when_to_try_again(page):
    for number in range(5):
        give_password(page, f"wrong-{number}")
    expect(page.get_by_role("alert")).to_contain_text("Try again in 15 minutes")
    judge(page, "locked")


def test_owner_resets_the_second_factor_of_somebody_else(page):
    eve = make_operator("eve", roles.Role.EDITOR)
    give_password(page)
    secret = page.locator(".door-secret").inner_text()
    page.get_by_role("textbox", name="Code").fill(code_now(hexadecimal(secret)))
    page.get_by_role("button", name="Set it up").click()
    give_app(eve)
    page.goto(f"/admin/auth/user/{eve.pk}/change/")
    judge(page, "operator")
    page.get_by_role("link", name="reset it").click()
    judge(page, "reset")
    page.get_by_role("button", name="Reset it").click()
    expect(page.get_by_text("The second factor is reset")).to_be_visible()
