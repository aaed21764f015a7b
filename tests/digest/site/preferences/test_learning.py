"""Digests learn from opened papers only where a reader says so, in the browser in which they do."""

import pytest
from django.core.cache import cache
from django.urls import reverse
from lxml import html as lxml_html

from digest.editions import taste
from digest.models import Opinion, Taste
from digest.papers import vectors
from subscriptions import tokens
from subscriptions.models import ConsentRecord, Subscriber
from subscriptions.views import opened_cookie
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db
CHOICES = {
    "frequency": "weekdays",
    "hour": "7",
    "timezone": "UTC",
    "length": "8",
    "pause": "0",
    "save": "1",
}


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()


@pytest.fixture
def reader():
    return make_subscriber()


@pytest.fixture
def learning():
    return make_subscriber(learns=True)


def path(reader, name="preferences"):
    return reverse(f"site:{name}", args=[tokens.make_preferences(reader)])


def save(client, reader, **choices):
    return client.post(path(reader), CHOICES | choices)


def open_page(client, paper):
    sent = {"Sec-Fetch-Site": "same-origin"}
    return client.post("/opened/", {"paper": paper.arxiv_id}, headers=sent)


def learns(reader):
    return Subscriber.objects.get(pk=reader.pk).learns


def box(response):
    (found,) = lxml_html.document_fromstring(response.content).xpath("//input[@name='learns']")
    return found


def said_to_the_browser(response):
    return lxml_html.document_fromstring(response.content).xpath("//@data-learns")


def test_it_is_off_until_a_reader_turns_it_on(client, reader):
    page = client.get(path(reader))
    assert not reader.learns
    assert "checked" not in box(page).attrib
    assert opened_cookie.COOKIE not in page.cookies
    assert said_to_the_browser(page) == []


def test_turning_it_on_is_remembered_by_this_browser(client, reader):
    page = save(client, reader, learns="1")
    assert learns(reader)
    assert "checked" in box(page).attrib
    assert said_to_the_browser(page) == ["yes"]
    open_page(client, paper := make_paper())
    assert Opinion.objects.get().paper == paper


@pytest.mark.parametrize("is_secure", [True, False])
def test_cookie_goes_to_one_address_and_no_script(client, reader, settings, is_secure):
    settings.SESSION_COOKIE_SECURE = is_secure
    cookie = save(client, reader, learns="1").cookies[opened_cookie.COOKIE]
    assert (cookie["path"], cookie["samesite"]) == ("/opened/", "Strict")
    assert cookie["httponly"]
    assert bool(cookie["secure"]) == is_secure
    assert cookie["max-age"] == 365 * 86400


def test_what_is_agreed_to_is_on_record_once(client, reader):
    for _ in range(2):
        save(client, reader, learns="1")
    first, second = ConsentRecord.objects.values_list("text", flat=True)
    assert first.startswith("Learn from the paper pages that I open. Only in the browser")
    assert "180 days" in first
    assert second == "[Save preferences]"


def test_turning_it_off_forgets_what_was_opened(client, learning):
    save(client, learning, learns="1")
    for paper in (make_paper(), make_paper()):
        open_page(client, paper)
    said = make_paper()
    Opinion.objects.create(subscriber=learning, paper=said, verdict="more")
    page = save(client, learning)
    assert not learns(learning)
    assert Opinion.objects.get().paper == said
    assert page.cookies[opened_cookie.COOKIE]["max-age"] == 0
    assert page.cookies[opened_cookie.COOKIE]["path"] == "/opened/"
    assert said_to_the_browser(page) == ["no"]


def test_turning_it_off_leaves_others_alone(client, reader, learning):
    Opinion.objects.create(subscriber=learning, paper=make_paper(), opened_at="2026-08-20T12:00Z")
    save(client, reader)
    assert Opinion.objects.exists()


@pytest.mark.parametrize("button", [{"preview": "list"}, {"add_keyword": "agents"}])
def test_unsaved_choice_changes_nothing_and_stays(client, reader, button):
    choices = {name: value for name, value in CHOICES.items() if name != "save"}
    page = client.post(path(reader), choices | button | {"learns": "1"})
    assert "checked" in box(page).attrib
    assert not learns(reader)
    assert not page.cookies


def test_starting_again_leaves_this_browser_as_it_was(client, learning):
    page = client.post(path(learning), {"resume": "1"})
    assert learns(learning)
    assert not page.cookies
    assert said_to_the_browser(page) == []


def test_topics_after_confirming_leave_it_on(client, learning):
    topic = make_topic("theory")
    address = reverse("subscriptions:first_topics", args=[tokens.make_preferences(learning)])
    client.post(address, {"topics": [topic.slug]})
    assert [*learning.topics.all()] == [topic]
    assert learns(learning)


def test_opened_papers_are_shown_last_and_each_can_be_taken_back(client, learning):
    opened, said = make_paper(title="Opened one"), make_paper(title="Liked one")
    Opinion.objects.create(subscriber=learning, paper=said, verdict="more")
    kept = Opinion.objects.create(subscriber=learning, paper=opened, opened_at="2026-08-20T12:00Z")
    page = lxml_html.document_fromstring(client.get(path(learning, "opinions")).content)
    assert page.xpath("//ol/li/div/p[2]/text()") == ["More like this", "Opened"]
    client.post(path(learning, "opinions"), {"remove": kept.pk})
    assert Opinion.objects.get().paper == said


def test_forgetting_what_is_liked_forgets_what_was_opened(client, learning):
    paper = make_paper(title="Laundry robots", abstract="Robots fold laundry.")
    vectors.write([paper.pk])
    Opinion.objects.create(subscriber=learning, paper=paper, opened_at="2026-08-20T12:00Z")
    taste.learn(learning.pk)
    client.post(path(learning, "opinions"), {"forget": "1"})
    assert not Opinion.objects.exists()
    assert not Taste.objects.exists()


def test_erasing_leaves_nothing_in_this_browser(client, learning):
    save(client, learning, learns="1")
    page = client.post(f"/my-data/{tokens.make_erase(learning)}/")
    assert page.cookies[opened_cookie.COOKIE]["max-age"] == 0
    assert said_to_the_browser(page) == ["no"]
