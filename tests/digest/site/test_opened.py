"""A paper's page tells that it was opened; who may, and what everybody else is told."""

import json

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from digest.models import Opinion
from subscriptions import held, limits, tokens
from subscriptions.views import opened_cookie
from tests.builders import make_subscriber
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


@pytest.fixture
def reader():
    return make_subscriber(learns=True)


@pytest.fixture
def paper():
    return make_paper(title="On bounds")


@pytest.fixture
def browser(client, reader):
    client.cookies[opened_cookie.COOKIE] = tokens.make_opened(reader)
    return client


def tell(browser, paper, headers=OURS):
    named = getattr(paper, "arxiv_id", paper)
    return browser.post("/opened/", {"paper": named}, headers=headers)


def test_page_of_ours_tells_that_a_paper_was_opened(browser, reader, paper):
    response = tell(browser, paper)
    kept = Opinion.objects.get()
    assert (kept.subscriber, kept.paper) == (reader, paper)
    assert (response.status_code, response.content) == (204, b"")
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies


@pytest.mark.parametrize(
    ("headers", "is_kept"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://testserver"}, True),
        ({"Origin": "https://testserver"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_pages_of_ours_may_tell(browser, paper, headers, is_kept):
    assert tell(browser, paper, headers).status_code == 204
    assert Opinion.objects.exists() == is_kept


@pytest.mark.parametrize(
    "make",
    [
        lambda _reader: "",
        lambda _reader: "A" * 60,
        lambda _reader: "\xe9",
        tokens.make_preferences,
        lambda reader: tokens.make_opened(reader)[:-1] + "_",
    ],
    ids=["none", "made up", "no letters of ours", "another purpose", "changed"],
)
def test_answer_is_the_same_for_browsers_that_name_nobody(client, reader, paper, make):
    client.cookies[opened_cookie.COOKIE] = make(reader)
    assert tell(client, paper).status_code == 204
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("named", ["", "2608.99999", "\0", "x" * 5000])
def test_answer_is_the_same_for_papers_that_are_none(browser, named):
    assert tell(browser, named).status_code == 204
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("method", ["get", "head", "put"])
def test_opening_the_address_keeps_nothing(browser, method):
    assert getattr(browser, method)("/opened/", headers=OURS).status_code == 405


def test_no_more_is_kept_than_a_person_reads(browser, monkeypatch):
    monkeypatch.setattr(limits, "OPENED_RATE", "2/h")
    answers = [tell(browser, make_paper()).status_code for _ in range(3)]
    assert answers == [204] * 3
    assert Opinion.objects.count() == 2


@time_machine.travel("2026-08-20T12:00Z", tick=False)  # the form of the page is stamped
def test_page_of_a_paper_is_the_same_for_all(browser, paper):
    path = f"/papers/{paper.arxiv_id}/"
    page = browser.get(path)
    cache.clear()
    assert Client().get(path).content == page.content
    assert "Cookie" not in page["Vary"]
    assert page["Cache-Control"] == "public, max-age=60"
    assert not Opinion.objects.exists()
    assert f'data-opened="/opened/" data-paper="{paper.arxiv_id}"' in page.content.decode()


def test_what_was_opened_can_be_downloaded(browser, reader, paper):
    tell(browser, paper)
    found = json.loads(json.dumps(held.data(reader), default=str))
    assert found["learns"] is True
    assert found["opinions"][0]["opened_at"] == str(Opinion.objects.get().opened_at)
