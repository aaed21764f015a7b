"""A page in Chromium: what it logs and loads, its faults of accessibility, whether it fits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests.pages.found import Found

WIDTHS = {"desktop": 1280, "phone": 390, "small phone": 320}
_ABOUT_COLOURS = ("color-contrast", "link-in-text-block")


@contextmanager
def launched(chromium: str) -> Iterator[Browser]:
    """Chromium, for as many pages as are wanted."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


def watch(page: Page, url: str) -> list[str]:
    """A list that fills with what goes wrong: errors, and requests lost or to any other site."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: _is_problem(said) and problems.append(said.text))
    page.on("requestfailed", lambda request: _is_lost(request) and problems.append(request.url))
    page.on("request", lambda request: request.url.startswith(url) or problems.append(request.url))
    return problems


def _is_problem(said: ConsoleMessage) -> bool:
    """Also what a policy blocked; an answer of 400 to a wrong address is none."""
    return said.type == "error" and "responded with a status of 400" not in said.text


def _is_lost(request: Request) -> bool:
    """A picture that the next page overtook is not missed."""
    return request.failure != "net::ERR_ABORTED"


@dataclass
class Faults:
    """What was found on a page."""

    problems: list[str]
    sideways: list[str] = field(default_factory=list)
    accessibility: list[str] = field(default_factory=list)


def look_at(browser: Browser, url: str, page: Found) -> Faults:
    """The page, loaded once, at each width, and for axe in each scheme at the widest and narrowest.

    Nothing moves in it: a colour that is on its way has no contrast to measure.
    """
    context = browser.new_context(base_url=url, reduced_motion="reduce")
    tab = context.new_page()
    faults = Faults(watch(tab, url))
    if page.is_answer:
        tab.route(url + page.address, lambda route: route.fulfill(
            body=page.html, content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": page.policy},
        ))  # fmt: skip
    tab.goto(page.address)
    for name, width in WIDTHS.items():
        tab.set_viewport_size({"width": width, "height": 800})
        wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.sideways.append(f"{name}: {wide} px too wide")
        if name != "phone":
            faults.accessibility += [f"{name}, {fault}" for fault in _in_both_schemes(tab)]
    context.close()
    return faults


def _in_both_schemes(tab: Page) -> list[str]:
    """In the dark only colours are others, so only what is about colours is asked again."""
    tab.emulate_media(color_scheme="light")
    light = accessibility(tab)
    tab.emulate_media(color_scheme="dark")
    dark = accessibility(tab, only=_ABOUT_COLOURS)
    return [*(f"light: {fault}" for fault in light), *(f"dark: {fault}" for fault in dark)]


def accessibility(tab: Page, *, only: Sequence[str] = ()) -> list[str]:
    """Each rule of axe that the page breaks, with the first element that does."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(only)} if only else {})
    violations = Axe().run(tab, options=options).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations]
