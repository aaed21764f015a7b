"""Every page as judges see it: vnu its HTML, axe its accessibility, Chromium its fit, Lighthouse
its whole, on a fresh `manage.py run` that no source can be reached from.
"""

import pytest
from django.urls import get_resolver

from tests.pages import browsing, found
from tests.pages.lighthouse import GOOD_SCORE, lighthouse
from tests.pages.markup import validate

pytestmark = pytest.mark.flow

TRIES = 3
"""A busy machine makes a page seem slow, and never fast: the best of so many counts."""

# Written as mail programs want HTML, with tables and attributes that the standard calls obsolete;
# tests/digest/delivery/ holds it to EMAIL_STANDARDS instead.
MAIL_BODIES = {"site:digest"}


@pytest.fixture(scope="module")
def pages(installation):
    return found.pages(installation)


@pytest.fixture(scope="module")
def faults(chromium, installation, pages):
    """What a browser finds on each page; each is loaded once for all that is asked of it."""
    with browsing.launched(chromium) as browser:
        return {str(page): browsing.look_at(browser, installation.url, page) for page in pages}


def test_no_page_is_forgotten(pages):
    names = {
        f"{namespace}:{name}"
        for namespace in ("site", "subscriptions")
        for name in get_resolver().namespace_dict[namespace][1].reverse_dict
        if isinstance(name, str)
    }
    assert names - {page.name for page in pages} - set(found.NO_PAGES) == set()


def test_html_is_valid(pages, tmp_path):
    judged = {str(page): page.html for page in pages if page.name not in MAIL_BODIES}
    wrong = validate(judged, folder=tmp_path)
    assert not wrong, "\n".join(wrong)


def test_faults_are_told_by_page_and_line(tmp_path):
    good = "<!DOCTYPE html>\n<html lang=en><title>Good</title><h1>Good</h1>"
    (fault,) = validate({"/": good, "/wrong/": f"{good}</section>"}, folder=tmp_path)
    assert fault.startswith("/wrong/ line 2: Stray end tag “section”.")


@pytest.mark.parametrize("kind", ["accessibility", "sideways", "problems"])
def test_browser_finds_no_fault(faults, kind):
    wrong = [f"{page} {fault}" for page, each in faults.items() for fault in getattr(each, kind)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("view", "without"),
    [
        ("home", ()),
        ("paper", ()),
        # Answers to a query are for readers; a search engine has the pages that they lead to.
        ("search", ("is-crawlable",)),
        # Its link is its reader's secret: that no search engine may keep it is meant.
        ("preferences", ("is-crawlable",)),
    ],
)
def test_lighthouse_finds_the_page_good(chromium, installation, pages, view, without):
    page = next(page for page in pages if page.name.endswith(f":{view}") and not page.is_answer)
    for _ in range(TRIES):
        verdict = lighthouse(installation.url + page.address, chromium=chromium, without=without)
        if min(verdict.scores.values()) >= GOOD_SCORE:
            break
    assert set(verdict.scores) == {"performance", "accessibility", "best-practices", "seo"}
    assert min(verdict.scores.values()) >= GOOD_SCORE, verdict
