"""The catalogue, and the page of a topic."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from lxml import html

from digest.site import topics
from subscriptions.models import ConsentRecord, Topic
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(datetime(2026, 8, 21, 9, 30, tzinfo=UTC), tick=False):
        yield


def page(client, address):
    response = client.get(address)
    assert response.status_code == 200
    return html.fromstring(response.content)


def text(tree):
    return " ".join(tree.text_content().split())


def list_papers(number, day=DAY, slug="agents"):
    topic = Topic.objects.get(slug=slug)
    papers = [make_paper(topics=[topic]) for _ in range(number)]
    for paper in papers:
        make_listing(paper, day)
    return papers


def test_catalogue_leads_to_every_topic(client):
    links = {entry.get("href") for entry in page(client, "/topics/").cssselect(".topics a")}
    assert links == {f"/topics/{slug}/" for slug in Topic.objects.values_list("slug", flat=True)}


def test_rate_is_of_the_last_four_weeks(client):
    list_papers(20, DAY)
    list_papers(20, DAY - timedelta(days=27))
    list_papers(400, DAY - timedelta(days=28))
    assert topics.weekly_rates() == {Topic.objects.get(slug="agents").pk: 10}
    assert "About 10 papers a week" in text(page(client, "/topics/"))
    assert "About 10 papers a week" in text(page(client, "/topics/agents/"))


def test_rate_of_a_new_archive_is_that_of_its_days(client):
    list_papers(6, DAY)
    list_papers(6, DAY - timedelta(days=13))
    assert "About 6 papers a week" in text(page(client, "/topics/agents/"))


def test_paper_on_two_lists_counts_once(client):
    (paper,) = list_papers(1)
    make_listing(paper, DAY, source="arxiv")
    assert "About 1 paper a week" in text(page(client, "/topics/agents/"))


def test_topic_without_papers_says_so(client):
    words = text(page(client, "/topics/agents/"))
    assert "Less than one paper a week" in words
    assert "No paper on this topic has been listed so far." in words


def test_topic_page_shows_its_newest_papers_first(client):
    list_papers(1, slug="video")
    old = make_paper(
        title="Old", topics=[Topic.objects.get(slug="agents")],
        published_at=datetime(2020, 1, 1, tzinfo=UTC), upvotes=999,
    )  # fmt: skip
    new = list_papers(1)[0]
    found = page(client, "/topics/agents/").cssselect(".papers .paper__title")
    assert [text(entry) for entry in found] == [new.title, old.title]


def test_topic_page_subscribes_to_just_this_topic(client):
    tree = page(client, "/topics/robotics/")
    assert text(tree.cssselect("#signup")[0]) == "Get Robotics and embodied AI in your inbox"
    (field,) = tree.cssselect('form[action="/subscribe/"] input[name=topics]')
    assert field.get("value") == "robotics"


def test_consent_is_given_to_the_words_of_the_topic_page(client):
    fields = dict(page(client, "/topics/robotics/").forms[0].form_values())
    client.post("/subscribe/", fields | {"email": "ada@example.org", "stamp": ""})
    (record,) = ConsentRecord.objects.all()
    assert record.text.startswith("Get Robotics and embodied AI in your inbox One short mail a day")


@pytest.mark.parametrize("address", ["/topics/", "/"])
def test_other_pages_subscribe_to_no_topic(client, address):
    list_papers(1)
    assert page(client, address).cssselect('form[action="/subscribe/"] input[name=topics]') == []


def test_topic_page_has_its_feed(client):
    tree = page(client, "/topics/robotics/")
    feeds = [entry.get("href") for entry in tree.cssselect("link[rel=alternate]")]
    assert feeds[0] == "/feeds/topics/robotics.atom"
    assert tree.cssselect('main a[href="/feeds/topics/robotics.atom"]')
