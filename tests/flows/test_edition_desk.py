"""An editor's morning in Chromium: the coming edition is put in order, looked at, closed, and goes so."""

import re
from itertools import cycle

import pytest
from playwright.sync_api import expect

from tests.flows.processes import wait_for
from tests.pages import browsing

pytestmark = pytest.mark.flow

TITLES = ["Most voted", "Second", "Third", "Fourth", "To be left out"]
SEED = """
from django.contrib.auth.models import User
from django.utils import timezone
from digest.admin import edition_draft
from tests.digest.builders import make_listing, make_paper
User.objects.create_superuser("editor", "editor@example.org", "a long word")
day = edition_draft.coming(timezone.now())[0].day
for n, title in enumerate({titles}):
    paper = make_paper(arxiv_id=f"2611.1000{{n}}", title=title, upvotes=50 - n)
    make_listing(paper, day)
print("coming:", day)
"""


@pytest.fixture(scope="module")
def day(installation):
    """Of the edition that closes next, which has papers now: until the cutoff it is yesterday's."""
    said = installation.manage("shell", "-c", SEED.format(titles=TITLES)).stdout
    return re.search(r"coming: (\S+)", said)[1]


@pytest.fixture(scope="module")
def edited(installation, day):
    """The installation with an editor, and the day's papers from the most voted one down."""
    return installation


@pytest.fixture
def has_our_script():
    return True


@pytest.fixture
def page(browser, edited, has_our_script):
    # Nothing that is dragged swings on.
    context = browser.new_context(base_url=edited.url, reduced_motion="reduce")
    opened = context.new_page()
    if not has_our_script:
        opened.route("**/editions.js", lambda route: route.fulfill(body=""))
    opened.set_default_timeout(15_000)
    problems = browsing.watch(opened, edited.url)
    opened.goto("/admin/digest/edition/coming/")
    opened.get_by_label("Username").fill("editor")
    opened.get_by_label("Password").fill("a long word")
    opened.get_by_role("button", name="Log in").click()
    expect(opened.get_by_role("heading", name=re.compile("as it would close now"))).to_be_visible()
    yield opened
    context.close()
    assert problems == []


def titles(page):
    return page.locator("#ed-papers .ed-title").all_text_contents()


def paper(page, title):
    return page.locator("#ed-papers li", has=page.get_by_role("link", name=title, exact=True))


def drag(page, title, onto):
    """With the mouse, onto the place of another one further up, as slow as a browser tells of it."""
    paper(page, title).locator(".ed-grip").hover()
    page.mouse.down()
    box = paper(page, onto).bounding_box()
    wiggle = cycle([box["height"] / 2, box["height"] / 2 - 6])

    def is_there():
        page.mouse.move(box["x"] + 20, box["y"] + next(wiggle), steps=4)
        return titles(page).index(title) < titles(page).index(onto)

    wait_for(is_there, seconds=15, what="a place for what is dragged")
    page.mouse.up()


@pytest.mark.parametrize("has_our_script", [True, False], ids=["script", "no script"])
def test_buttons_put_papers_in_order_with_and_without_our_script(page):
    expect(page.locator("#ed-papers .ed-title")).to_have_text(TITLES)
    paper(page, "Third").get_by_role("button", name="Up").click()
    expect(paper(page, "Third")).to_contain_text("Moved")
    assert titles(page) == ["Most voted", "Third", "Second", "Fourth", "To be left out"]
    paper(page, "Third").get_by_role("button", name="By votes again").click()
    expect(page.locator("#ed-papers .ed-title")).to_have_text(TITLES)


def test_keyboard_moves_a_paper_and_keeps_its_place(page):
    up = paper(page, "Fourth").get_by_role("button", name="Up")
    up.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Moved 2611.10003 to place 3.")
    expect(up).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("to place 2.")
    paper(page, "Fourth").get_by_role("button", name="By votes again").click()
    expect(page.locator("#ed-papers .ed-title")).to_have_text(TITLES)


def test_editor_puts_an_edition_in_order_looks_at_it_and_it_closes_so(page, edited, day):
    drag(page, "Fourth", onto="Second")
    expect(page.get_by_role("status")).to_contain_text("Moved 2611.10003 to place 2.")
    paper(page, "Third").get_by_role("button", name="Pin").click()
    expect(paper(page, "Third")).to_contain_text("Editor’s pick")
    paper(page, "To be left out").get_by_role("button", name="Leave out").click()
    expect(page.get_by_role("heading", name="Left out")).to_be_visible()
    page.get_by_role("textbox", name="A note on top").fill("Good morning.\n\nRead the third one.")
    page.get_by_role("button", name="Save the note").click()
    expect(page.get_by_role("status")).to_contain_text("Changed the note.")
    assert titles(page) == ["Third", "Most voted", "Fourth", "Second"]
    assert browsing.accessibility(page) == []

    page.get_by_role("link", name="See the proof").click()
    digest = page.frame_locator("iframe")
    expect(digest.get_by_text("Read the third one.")).to_be_visible()
    expect(digest.get_by_role("heading", level=2).first).to_have_text("Third")
    page.get_by_role("link", name="Dark", exact=True).click()
    sheet = digest.locator(".sheet")
    expect(sheet).to_have_css("background-color", "rgb(23, 30, 28)")
    page.get_by_role("link", name="Text", exact=True).click()
    expect(page.locator("pre")).to_contain_text("Editor’s pick")
    page.get_by_role("button", name="Send me this as a test").click()
    expect(page.get_by_text("The test is on its way to your own address.")).to_be_visible()

    edited.manage("build_edition", "--date", day, "--yes")
    page.goto(f"/papers/{day}/")
    expect(page.locator(".paper__title")).to_have_text(["Third", "Most voted", "Fourth", "Second"])
    expect(page.get_by_text("Good morning.")).to_be_visible()
    expect(page.locator(".reason").first).to_have_text("Editor’s pick")
    page.goto("/outbox/")
    wait_for(lambda: page.reload() and page.get_by_text("[Test] Third").count(), what="the test")
