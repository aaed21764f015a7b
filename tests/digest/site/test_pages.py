"""The archive's pages: every state of them, hostile text, and no dead link."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from lxml import html

from digest.editions import building, editing
from digest.models import Listing, Paper, PaperTopic
from digest.papers import sample, trending
from subscriptions.models import Topic
from tests.digest.builders import make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
HOSTILE = '<script>alert(1)</script> "&\' {{ 7|add:7 }} {% now "Y" %} \u202e'


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


def page(client, address, status=200):
    response = client.get(address)
    assert response.status_code == status
    return html.fromstring(response.content)


def text(tree):
    return " ".join(tree.text_content().split())


def closed_day(count=12, day=DAY):
    topic = Topic.objects.get(slug="agents")
    papers = [make_paper(topics=[topic], upvotes=100 - n, comments=n) for n in range(count)]
    return make_edition(day, papers)


def titles(tree):
    return [" ".join(e.text_content().split()) for e in tree.cssselect(".papers .paper__title")]


def test_home_of_an_empty_installation_explains_itself(client):
    tree = page(client, "/")
    assert "Get trending papers in your email inbox!" in text(tree)
    assert "No papers have been fetched so far" in text(tree)
    assert tree.cssselect('form[action="/subscribe/"] input[type=email]')


def test_home_shows_the_newest_closed_edition_under_the_form(client):
    closed_day()
    tree = page(client, "/")
    assert text(tree.cssselect("h1")[0]) == "August 20, 2026"
    assert "12 papers with 1134 votes" in text(tree)
    assert len(tree.cssselect(".papers > li")) == 6
    assert tree.cssselect('a[href="?all=1"]')


def test_home_names_what_is_listed_today(client):
    closed_day()
    make_listing(make_paper(), NOW.date())
    assert "1 paper so far for Friday, August 21" in text(page(client, "/"))


@pytest.mark.parametrize(
    "address",
    ["/papers/2026-W34/", "/papers/2026-08/", "/papers/2608.16590/", "/topics/agents/"],
)
def test_sample_is_marked_wherever_its_papers_are(client, address):
    building.build(sample.load(), frequency="weekly")
    words = text(page(client, address))
    assert "This is the sample edition that ships with Daily Papers" in words


def test_sample_edition_is_marked_on_its_page(client):
    building.build(sample.load())
    words = text(page(client, "/"))
    assert "This is the sample edition that ships with Daily Papers" in words
    assert "The next try is at 10:15 UTC" in words


def test_fetched_papers_take_the_place_of_the_sample(client):
    building.build(sample.load())
    closed_day(day=date(2026, 8, 19))
    assert "sample edition" not in text(page(client, "/"))


def test_open_day_shows_its_list_and_when_it_closes(client):
    make_listing(make_paper(), NOW.date())
    words = text(page(client, "/papers/2026-08-21/"))
    assert "Still open: closes tomorrow at 05:00 UTC" in words


@pytest.mark.parametrize("address", ["/papers/2026-08-21/", "/papers/2026-W34/"])
def test_open_day_and_its_week_have_nothing_that_an_editor_left_out(client, address):
    kept, left_out = make_paper(title="Kept paper"), make_paper(title="Unwanted paper")
    for paper in (kept, left_out):
        make_listing(paper, NOW.date())
    press = editing.Change("leave_out", left_out.arxiv_id)
    editing.change("daily", NOW.date(), version=0, paper=press)
    words = text(page(client, address))
    assert "Kept paper" in words
    assert "Unwanted paper" not in words


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/papers/2026-08-22/", "Not out yet"),
        ("/papers/2026-08-16/", "No papers on weekends"),
        ("/papers/2026-08-19/", "Nothing on this day"),
        ("/papers/2026-W20/", "Nothing in this week"),
        ("/papers/2026-05/", "Nothing in this month"),
        ("/trending/", "Trending"),
    ],
)
def test_empty_pages_say_why(client, address, words):
    closed_day()
    assert words in text(page(client, address))


@pytest.mark.parametrize("address", ["/papers/2026-W34/", "/papers/2026-08/", "/trending/"])
def test_week_month_and_trending_rank_the_days_papers(client, address):
    closed_day(3)
    tree = page(client, address)
    assert titles(tree) == list(Paper.objects.order_by("-upvotes").values_list("title", flat=True))


def test_trending_page_of_the_sample_says_so_and_goes_by_votes(client):
    sample.load()
    tree = page(client, "/trending/")
    assert "sample edition" in text(tree)
    assert len(titles(tree)) == 25


def test_page_without_papers_is_not_indexed(client):
    closed_day()
    assert client.get("/papers/2026-08-19/")["X-Robots-Tag"] == "noindex"
    assert "X-Robots-Tag" not in client.get("/papers/2026-08-20/")


def test_day_of_another_year_is_named_with_its_year(client):
    closed_day()
    words = text(page(client, "/papers/2024-08-20/"))
    assert "No new papers were listed for Tuesday, August 20, 2024." in words


def test_browsers_find_the_mark_by_themselves(client):
    assert client.get("/favicon.ico").url.endswith(".svg")


def test_trending_page_keeps_the_sources_order(client):
    closed_day(3)
    old = make_paper(title="Old but trending", trending_rank=1, upvotes=0)
    new = make_paper(title="New and trending", trending_rank=2)
    trending.warm(timezone.now())
    assert titles(page(client, "/trending/")) == [old.title, new.title]


@pytest.mark.parametrize(
    ("address", "before", "after"),
    [
        ("/papers/2026-08-20/", "/papers/2026-08-19/", "/papers/2026-08-21/"),
        ("/papers/2026-W33/", "/papers/2026-W32/", "/papers/2026-W34/"),
        ("/papers/2026-07/", "/papers/2026-06/", "/papers/2026-08/"),
        ("/papers/2026-01-05/", None, "/papers/2026-01-06/"),
        ("/papers/2026-W02/", None, "/papers/2026-W03/"),
        ("/papers/2026-01/", None, "/papers/2026-02/"),
        ("/papers/2026-08-21/", "/papers/2026-08-20/", None),
        ("/papers/2027-01-01/", None, None),
        ("/papers/1999-W01/", None, None),
    ],
)
def test_pages_link_to_the_one_before_and_after_within_the_archive(client, address, before, after):
    closed_day(1, date(2026, 1, 5))
    links = {e.get("rel"): e.get("href") for e in page(client, address).cssselect(".pager a")}
    assert links.get("prev") == before
    assert links.get("next") == after


@pytest.mark.parametrize(
    "address",
    [
        "/papers/2026-02-30/", "/papers/0001-01-01/", "/papers/9999-12-31/", "/papers/2026-W54/",
        "/papers/2026-W00/", "/papers/2026-13/", "/papers/0000-01/", "/papers/2608.99999/",
        "/papers/x/", "/topics/none/", "/digests/x/", "/papers/1990-01-01/", "/papers/2025-W53/",
        "/papers/٢٠٢٦-08-20/", "/papers/2026-W3٤/", "/papers/٢٠٢٦-W34/", "/papers/2026-0٨/",
    ],
)  # fmt: skip
def test_addresses_that_nothing_is_at_are_404(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "query", ["?page=0", "?page=-1", "?page=x", "?page=99999999999999", "?all"]
)
@pytest.mark.parametrize("address", ["/", "/papers/2026-08-20/", "/trending/", "/topics/agents/"])
def test_odd_page_numbers_are_no_error(client, address, query):
    closed_day(60)
    assert client.get(address + query).status_code == 200


@pytest.mark.parametrize("address", ["/", "/trending/", "/papers/2026-08-20/"])
def test_pages_are_only_read(client, address):
    assert client.post(address).status_code == 405


def test_hostile_text_is_shown_as_text(client):
    paper = make_paper(
        title=HOSTILE, abstract=HOSTILE, summary=HOSTILE, authors=[HOSTILE], organization=HOSTILE,
        code_url="https://example.org/?a=1&b=2",
    )  # fmt: skip
    make_edition(DAY, [paper])
    for address in ("/", f"/papers/{paper.arxiv_id}/", "/trending/"):
        body = client.get(address).content.decode()
        assert "<script>alert" not in body
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
        assert "{{ 7|add:7 }}" in body


def test_week_holds_what_was_listed_and_what_was_in_an_edition(client):
    listed, missed = make_paper(upvotes=2), make_paper(upvotes=1)
    building.build(DAY - timedelta(days=20))
    make_listing(missed, DAY - timedelta(days=20))
    building.build(DAY - timedelta(days=1))
    make_listing(listed, DAY)
    Listing.objects.filter(paper=missed).delete()
    assert titles(page(client, "/papers/2026-W34/")) == [listed.title, missed.title]


@pytest.mark.parametrize(
    "address", ["/", "/papers/2026-08-20/?all=1", "/papers/2026-W34/", "/trending/", "/topics/",
                "/topics/agents/"],
)  # fmt: skip
def test_number_of_queries_does_not_grow_with_papers(client, address):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    closed_day(8)
    few = queries()
    topic = Topic.objects.get(slug="language-models")
    for paper in Paper.objects.all():
        PaperTopic.objects.create(paper=paper, topic=topic, score=0.5)
    for number in range(30):
        make_listing(make_paper(topics=[topic], upvotes=number), DAY)
    building.build(NOW.date())
    assert queries() <= few
    assert few <= 16


def test_no_internal_link_is_dead(client):
    building.build(sample.load())
    closed_day(20)
    seen, waiting = set(), ["/"]
    while waiting and len(seen) < 150:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        response = client.get(address)
        assert response.status_code == 200, address
        if not response["Content-Type"].startswith("text/html"):
            continue
        for element, _, link, _ in html.fromstring(response.content).iterlinks():
            if element.tag == "a" and link.startswith("/") and not link.startswith("/static/"):
                waiting.append(link)
            elif element.tag == "a" and link.startswith("?"):
                waiting.append(address.split("?")[0] + link)
    assert len(seen) > 40


def test_pages_load_nothing_from_elsewhere_and_set_no_cookie(client):
    closed_day()
    for address in ("/", "/topics/", "/trending/", "/subscribe/", "/preferences/"):
        response = client.get(address)
        assert not response.cookies
        for element, attribute, link, _ in html.fromstring(response.content).iterlinks():
            if element.tag in ("script", "img", "iframe", "form") or (
                element.tag == "link" and element.get("rel") != "canonical"
            ):
                assert link.startswith("/"), (attribute, link)


@pytest.mark.parametrize("address", ["/", "/topics/", "/subscribe/", "/preferences/", "/x/"])
def test_pages_run_our_script_only_and_are_framed_by_nobody(client, address):
    policy = client.get(address)["Content-Security-Policy"].split("; ")
    assert sorted(policy) == [
        "base-uri 'none'", "connect-src 'self'", "default-src 'none'", "form-action 'self'",
        "frame-ancestors 'none'", "frame-src 'self'", "img-src 'self'", "script-src 'self'",
        "style-src 'self'",
    ]  # fmt: skip


def test_desk_runs_no_script_that_stands_in_a_page(client):
    policy = client.get("/admin/login/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("address", ["/", "/papers/2026-08-20/", "/topics/", "/trending/"])
def test_pages_have_one_first_heading_and_skip_no_level(client, address):
    closed_day()
    tree = page(client, address)
    levels = [int(e.tag[1]) for e in tree.iter("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1 or address == "/"
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tree.get("lang") == "en"
    assert len(tree.cssselect("main")) == 1
    assert all(e.get("aria-label") or e.get("aria-labelledby") for e in tree.iter("nav", "aside"))


def test_weekend_is_no_edition(client):
    closed_day()
    words = text(page(client, "/papers/2026-08-16/").cssselect(".edition")[0])
    assert words.startswith("Sunday August 16, 2026")


def test_calendar_leads_to_days_week_and_month(client):
    closed_day()
    closed_day(1, date(2026, 7, 31))
    tree = page(client, "/papers/2026-08-20/")
    links = [e.get("href") for e in tree.cssselect("#calendar a")]
    assert links == [
        "/papers/2026-08/", "/papers/2026-08-20/", "/papers/2026-07/", "/papers/2026-W34/",
    ]  # fmt: skip
    assert tree.cssselect('#calendar a[aria-current="date"]')[0].get("aria-label") == (
        "Thursday, August 20"
    )


def test_trending_page_leads_to_day_week_and_month(client):
    closed_day()
    links = [e.get("href") for e in page(client, "/trending/").cssselect(".pager a")]
    assert links == ["/", "/papers/2026-W34/", "/papers/2026-08/"]


def test_home_says_on_a_weekend_when_the_next_edition_comes(client):
    closed_day()
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        words = text(page(client, "/"))
    assert "Editions come out Monday to Friday. The next one is on Monday, August 24." in words
    assert "Editions come out" not in text(page(client, "/"))


def test_yesterday_is_found_from_a_weekend(client):
    closed_day()
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        assert "Read Thursday’s edition" in text(page(client, "/papers/2026-08-23/"))
