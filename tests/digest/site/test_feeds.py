"""Feeds: what feed readers get, in both forms, and what each reader gets alone."""

import json
from datetime import UTC, date, datetime, timedelta

import feedparser
import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from lxml import etree

from digest.delivery.due import planning
from digest.editions import audiences
from digest.models import Edition
from subscriptions import services, tokens
from subscriptions.models import Subscriber
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> & “x” \u202e\x0b\ufffe ]]>"
PUBLIC = ["/feeds/daily", "/feeds/weekly", "/feeds/topics/agents"]


@pytest.fixture(autouse=True)
def clock():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


def closed(day=DAY, count=3, **fields):
    papers = [
        make_paper(topics=[make_topic("agents")], upvotes=90 - n, **fields) for n in range(count)
    ]
    make_edition(day, papers)
    make_edition(day - timedelta(days=day.weekday()), [], frequency="weekly")
    return papers


def atom(client, address):
    response = client.get(address)
    assert response.status_code == 200
    headers = {"content-type": response["Content-Type"]}
    return feedparser.parse(response.content, response_headers=headers)


def items(client, address):
    return json.loads(client.get(address).content)["items"]


def own(reader, form="json"):
    return f"/feeds/mine/{tokens.make_feed(reader)}.{form}"


@pytest.mark.parametrize("address", PUBLIC)
def test_atom_is_read_without_a_complaint(client, address):
    closed(count=3)
    feed = atom(client, f"{address}.atom")
    assert (feed.bozo, feed.version, len(feed.entries)) == (False, "atom10", 3)


@pytest.mark.parametrize("address", PUBLIC)
def test_atom_has_what_the_rfc_demands(client, address):
    closed(count=2)
    tree = etree.fromstring(client.get(f"{address}.atom").content)
    names = {"a": "http://www.w3.org/2005/Atom"}
    assert tree.xpath("string(a:link[@rel='self']/@href)", namespaces=names) == (
        f"https://papers.example.org{address}.atom"
    )
    for part in [tree, *tree.xpath("a:entry", namespaces=names)]:
        for name in ("id", "title", "updated", "author/a:name", "link"):
            assert part.xpath(f"a:{name}", namespaces=names), name


@pytest.mark.parametrize("form", ["atom", "json"])
@pytest.mark.parametrize("address", PUBLIC)
def test_a_feed_without_entries_is_a_feed_and_stays_the_same(client, address, form):
    first = client.get(f"{address}.{form}")
    with time_machine.travel(NOW + timedelta(days=3)):
        second = client.get(f"{address}.{form}")
    assert first.status_code == 200
    assert first.content == second.content


def test_empty_atom_is_read_without_a_complaint(client):
    feed = atom(client, "/feeds/daily.atom")
    assert (feed.bozo, feed.entries) == (False, [])


@pytest.mark.parametrize("address", PUBLIC)
def test_json_feed_is_as_its_specification_says(client, address):
    closed(count=2)
    response = client.get(f"{address}.json")
    feed = json.loads(response.content)
    assert response["Content-Type"] == "application/feed+json"
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"https://papers.example.org{address}.json"
    assert feed["title"]
    for item in feed["items"]:
        assert isinstance(item["id"], str)
        assert item["content_html"]
        assert datetime.fromisoformat(item["date_published"]).tzinfo is not None
        assert all(set(author) <= {"name", "url", "avatar"} for author in item["authors"])


def test_entry_says_who_wrote_it_and_what_it_is_about(client):
    closed(
        count=1, arxiv_id="hep-ex/0406020", title="On it", authors=["A", "B"], abstract="So much."
    )
    (entry,) = atom(client, "/feeds/daily.atom").entries
    assert entry.title == "On it"
    assert entry.link == "https://papers.example.org/papers/hep-ex/0406020/"
    assert entry.id == "tag:papers.example.org,2026:papers/hep-ex/0406020"
    assert [author.name for author in entry.authors] == ["A", "B"]
    assert [tag.term for tag in entry.tags] == ["Agents and tool use"]
    assert "So much." in entry.summary


def test_hostile_text_is_text(client):
    closed(count=1, title=HOSTILE, abstract=HOSTILE, authors=[HOSTILE])
    response = client.get("/feeds/daily.atom")
    (entry,) = feedparser.parse(response.content, sanitize_html=False).entries
    assert entry.title.startswith("<script>alert(1)</script> & “x”")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in entry.summary
    assert etree.fromstring(response.content) is not None
    (item,) = items(client, "/feeds/daily.json")
    assert "<script>" not in item["content_html"]


def test_editor_s_note_stands_once_at_the_head_of_its_edition(client):
    papers = closed(count=2)
    Edition.objects.filter(frequency="daily").update(note="Read <this> first.\nTruly.\n\nBye.")
    expected = (
        "<blockquote><p><strong>A note from the editor</strong></p>"
        "<p>Read &lt;this&gt; first.<br>Truly.</p><p>Bye.</p></blockquote>"
    )
    first, second = items(client, "/feeds/daily.json")
    assert first["title"] == papers[0].title
    assert first["content_html"].startswith(expected)
    assert "Bye." not in second["content_html"]
    response = client.get("/feeds/daily.atom")
    entries = feedparser.parse(response.content, sanitize_html=False).entries
    assert [entry.summary.startswith("<blockquote>") for entry in entries] == [True, False]
    assert "Read &lt;this&gt; first." in entries[0].summary


def test_own_feed_has_the_note_of_each_edition_once(client):
    closed(count=3)
    Edition.objects.filter(frequency="daily").update(note="Hello")
    found = items(client, own(make_subscriber(topics=[make_topic("agents")])))
    assert ["Hello" in item["content_html"] for item in found] == [True, False, False]


def test_newest_edition_comes_first_and_in_it_the_best(client):
    older, newer = closed(DAY - timedelta(days=1), 2), closed(DAY, 2)
    feed = atom(client, "/feeds/daily.atom")
    assert [entry.title for entry in feed.entries] == [paper.title for paper in newer + older]
    times = [entry.updated_parsed for entry in feed.entries]
    assert times == sorted(times, reverse=True)


def test_one_long_edition_leaves_room_for_the_one_before(client):
    closed(DAY - timedelta(days=1), 2)
    closed(DAY, 60)
    assert len(items(client, "/feeds/daily.json")) == 52


def test_feed_holds_a_hundred_entries_at_most(client):
    for n in range(3):
        closed(DAY - timedelta(days=n), 40)
    assert len(items(client, "/feeds/daily.json")) == 100


def test_topic_feed_has_the_papers_of_its_topic_alone(client):
    closed(count=1)
    make_paper(topics=[make_topic("theory")], title="Elsewhere")
    assert [item["tags"] for item in items(client, "/feeds/topics/agents.json")] == [
        ["Agents and tool use"]
    ]


@pytest.mark.parametrize(
    "address",
    [
        "/feeds/topics/nothing.atom",
        "/feeds/daily.rss",
        "/feeds/mine/xyz.atom",
        "/feeds/topics/a%00.json",
    ],
)
def test_there_is_nothing_at_other_addresses(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("form", ["atom", "json"])
def test_reader_who_has_the_feed_already_is_told_so(client, form):
    closed()
    first = client.get(f"/feeds/daily.{form}")
    by_etag = client.get(f"/feeds/daily.{form}", headers={"If-None-Match": first["ETag"]})
    by_time = client.get(
        f"/feeds/daily.{form}", headers={"If-Modified-Since": first["Last-Modified"]}
    )
    assert (by_etag.status_code, by_time.status_code) == (304, 304)
    assert first["Cache-Control"] == "public, max-age=900"


def test_corrected_title_is_news(client):
    (paper,) = closed(count=1)
    first = client.get("/feeds/daily.atom")
    paper.title = "Corrected"
    with time_machine.travel(NOW + timedelta(hours=1)):
        paper.save()
        again = client.get("/feeds/daily.atom", headers={"If-None-Match": first["ETag"]})
    assert b"Corrected" in again.content


@pytest.mark.parametrize("address", PUBLIC)
def test_queries_do_not_grow_with_entries(client, address):
    closed(DAY - timedelta(days=7), 2)
    with CaptureQueriesContext(connection) as few:
        client.get(f"{address}.json")
    closed(DAY, 30)
    with CaptureQueriesContext(connection) as many:
        client.get(f"{address}.json")
    assert len(items(client, f"{address}.json")) > 30
    assert len(many) == len(few)


# --- A reader's own ----------------------------------------------------------------------------


def test_own_feed_holds_what_the_mail_holds_for_the_same_reasons(client):
    closed(count=3)
    wanted = make_paper(topics=[make_topic("theory")], upvotes=5)
    make_edition(DAY - timedelta(days=1), [wanted])
    reader = make_subscriber(topics=[make_topic("theory")])
    (item,) = items(client, own(reader))
    edition = Edition.objects.get(date=DAY - timedelta(days=1), frequency="daily")
    audiences.ensure(edition, [reader.selection_key])
    ((paper_id, reason, *_),) = edition.audiences.get().cards
    assert paper_id == wanted.pk
    assert item["id"].endswith(wanted.arxiv_id)
    assert f"<p>{reason}</p>" in item["content_html"]


def test_own_feed_shows_the_cards_that_were_mailed(client):
    (paper,) = closed(count=1)
    reader = make_subscriber()
    edition = Edition.objects.get(date=DAY, frequency="daily")
    audiences.ensure(edition, [reader.selection_key])
    edition.audiences.update(cards=[[paper.pk, "As it was mailed"]])
    (item,) = items(client, own(reader))
    assert "<p>As it was mailed</p>" in item["content_html"]


def test_own_feed_parses_and_is_for_nobody_else(client):
    closed()
    response = client.get(own(make_subscriber(), "atom"))
    assert feedparser.parse(response.content).bozo is False
    assert response["Cache-Control"] == "private, max-age=900"
    assert response["X-Robots-Tag"] == "noindex"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["ETag"]


def test_own_feed_speaks_the_readers_language_alone(client):
    response = client.get(
        own(make_subscriber(language="de"), "json"), headers={"Accept-Language": "en"}
    )
    assert json.loads(response.content)["language"] == "de"
    assert response["Content-Language"] == "de"


def test_revoked_or_forged_link_opens_no_feed(client):
    reader = make_subscriber()
    address = own(reader)
    forged = address.replace("/mine/", "/mine/A")
    Subscriber.objects.update(token_version=2)
    assert client.get(address).status_code == 404
    assert client.get(forged).status_code == 404


def test_link_of_another_kind_opens_no_feed(client):
    token = tokens.make_preferences(make_subscriber())
    assert client.get(f"/feeds/mine/{token}.atom").status_code == 404


def test_erased_reader_has_no_feed(client):
    reader = make_subscriber()
    address = own(reader)
    services.erase(reader)
    assert client.get(address).status_code == 404


def test_queries_of_an_own_feed_do_not_grow_with_papers(client):
    reader = make_subscriber(topics=[make_topic("agents")], length=16)
    closed(DAY, 2)
    with CaptureQueriesContext(connection) as few:
        client.get(own(reader))
    cache.clear()
    Edition.objects.all().delete()
    closed(DAY, 30)
    with CaptureQueriesContext(connection) as many:
        client.get(own(reader))
    assert len(items(client, own(reader))) == 16
    assert len(many) == len(few)


def test_paper_of_a_digest_that_looked_back_stands_in_the_own_feed_once(client):
    make_edition(DAY - timedelta(days=1), [make_paper(upvotes=3)])
    make_edition(DAY, [make_paper(upvotes=5)])
    reader = make_subscriber(trending=True, next_digest_at=NOW)
    planning.plan(NOW)
    (delivery,) = reader.deliveries.all()
    assert len(delivery.audience.cards) == 2
    found = [item["id"] for item in items(client, own(reader))]
    assert len(found) == len(set(found)) == 2
