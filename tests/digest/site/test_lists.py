"""Lists of papers: abstracts that open in place, dates, and the filter by topic."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from lxml import html

from digest.site import presenting
from subscriptions.models import Topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)
LONG = "It measures what was only guessed before, and says why. " * 8
LISTS = ["/", "/papers/2026-08-20/", "/papers/2026-W34/", "/papers/2026-08/", "/trending/"]


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


def titles(tree):
    return [text(entry) for entry in tree.cssselect(".papers .paper__title")]


@pytest.fixture
def mixed_day():
    agents, vision = Topic.objects.get(slug="agents"), Topic.objects.get(slug="computer-vision")
    papers = [
        make_paper(title="Both", topics=[agents, vision], upvotes=9),
        make_paper(title="Agents only", topics=[agents], upvotes=5),
        make_paper(title="Vision only", topics=[vision], upvotes=3),
        make_paper(title="Neither", upvotes=1),
    ]
    return make_edition(DAY, papers)


def test_abstract_is_clipped_and_the_rest_of_it_opens_in_place(client):
    make_edition(DAY, [make_paper(abstract=LONG.strip())])
    (paper,) = page(client, "/").cssselect("article.paper")
    shown = text(paper.cssselect(".paper__summary")[0])
    opened = text(paper.cssselect("details.abstract p")[0])
    assert f"{shown} {opened}" == LONG.strip()


def test_abstract_clipped_within_a_sentence_says_so(client):
    make_edition(DAY, [make_paper(abstract="word " * 100)])
    (paper,) = page(client, "/").cssselect("article.paper")
    assert text(paper.cssselect(".paper__summary")[0]).endswith("word…")
    assert text(paper.cssselect("details.abstract p")[0]).startswith("word word")


def test_whole_abstract_opens_below_the_sentence_of_a_source(client):
    make_edition(DAY, [make_paper(summary="In one sentence.", abstract=LONG.strip())])
    (paper,) = page(client, "/").cssselect("article.paper")
    assert text(paper.cssselect(".paper__summary")[0]) == "In one sentence."
    assert text(paper.cssselect("details.abstract p")[0]) == LONG.strip()


def test_short_abstract_has_nothing_to_open(client):
    make_edition(DAY, [make_paper(abstract="Short.")])
    assert page(client, "/").cssselect("details.abstract") == []


@pytest.mark.parametrize("text", ["", "a", "a" * 900, "a " * 500, "Ends. " * 99, "…" * 400, " ."])
def test_cut_loses_nothing(text):
    head, rest, _ = presenting.cut(text)
    assert "".join(f"{head}{rest}".split()) == "".join(text.split())


def test_paper_has_counts_authors_and_day(client):
    make_edition(
        DAY,
        [make_paper(authors=[f"A{n}" for n in range(15)], comments=1, code_url="https://github.com/a/b",
                    code_stars=2)],
    )  # fmt: skip
    words = text(page(client, "/").cssselect("article.paper")[0])
    assert "A0, A1, A2 and 12 more" in words
    assert "Aug 18 15 authors 1 comment 2 stars" in " ".join(
        text(entry) for entry in page(client, "/").cssselect(".counts > *")
    )


def test_year_is_named_only_where_it_is_another():
    assert presenting.brief_date(date(2026, 1, 2)) == "Jan 2"
    assert presenting.brief_date(date(2025, 12, 31)) == "December 31, 2025"


@pytest.mark.parametrize("address", LISTS)
def test_list_is_narrowed_down_to_a_topic(client, mixed_day, address):
    tree = page(client, f"{address}?topic=agents")
    assert titles(tree) == ["Both", "Agents only"]
    assert "2 papers on Agents and tool use" in text(tree)
    (chosen,) = tree.cssselect("#filter a[aria-current]")
    assert text(chosen) == "Agents and tool use 2 papers"


@pytest.mark.parametrize("address", LISTS)
def test_filter_counts_papers_and_leads_back_to_all(client, mixed_day, address):
    rows = [(e.get("href"), text(e)) for e in page(client, address).cssselect("#filter a")]
    assert rows == [
        ("?", "All topics 4 papers"),
        ("?topic=agents", "Agents and tool use 2 papers"),
        ("?topic=computer-vision", "Computer vision 2 papers"),
    ]


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("slug", ["none", "%00", "a" * 300, "' OR 1=1", "٣", "agents%20"])
def test_topic_that_there_is_not_is_404(client, mixed_day, address, slug):
    page(client, f"{address}?topic={slug}", 404)


@pytest.mark.parametrize("address", LISTS)
def test_topic_without_papers_says_so_and_leads_to_all(client, mixed_day, address):
    tree = page(client, f"{address}?topic=video")
    assert "Nothing on this topic" in text(tree)
    assert tree.cssselect('.empty a[href="?"]')


@pytest.mark.parametrize("address", LISTS)
def test_filtered_list_names_the_whole_one_as_its_address(client, mixed_day, address):
    tree = page(client, f"{address}?topic=agents")
    (canonical,) = tree.cssselect("link[rel=canonical]")
    assert canonical.get("href") == f"https://papers.example.org{address}"


def test_neighbours_of_a_filtered_list_are_filtered(client, mixed_day):
    make_edition(DAY - timedelta(days=7), [make_paper()])
    links = page(client, "/papers/2026-08-20/?topic=agents").cssselect(".pager a[rel]")
    assert [link.get("href") for link in links] == [
        "/papers/2026-08-19/?topic=agents", "/papers/2026-08-21/?topic=agents",
    ]  # fmt: skip


def test_pages_of_a_filtered_list_keep_the_topic(client):
    topic = Topic.objects.get(slug="agents")
    make_edition(DAY, [make_paper(topics=[topic]) for _ in range(52)])
    first = page(client, "/papers/2026-08-20/?topic=agents")
    assert first.cssselect('a.button[href="?topic=agents&all=1"]')
    whole = page(client, "/papers/2026-08-20/?topic=agents&all=1")
    assert whole.cssselect('a[rel=next][href="?topic=agents&page=2"]')
    assert len(titles(page(client, "/papers/2026-08-20/?topic=agents&page=2"))) == 2


def test_skyline_is_drawn_in_numbers_of_no_language(client, mixed_day):
    body = client.get("/", headers={"accept-language": "de"}).content.decode()
    assert '<path class="is-shown" d="M1.0 0.0h135.0v56.0h-135.0z' in body
