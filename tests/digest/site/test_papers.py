"""The page of one paper."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from lxml import html

from digest.editions import building
from subscriptions.models import Topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 25, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


def page(client, arxiv_id):
    response = client.get(f"/papers/{arxiv_id}/")
    assert response.status_code == 200
    return html.fromstring(response.content)


def text(tree):
    return " ".join(tree.text_content().split())


def links(tree, selector):
    return [entry.get("href") for entry in tree.cssselect(selector)]


@pytest.mark.parametrize("arxiv_id", ["2608.16590", "cs.LG/0309040"])
def test_version_leads_to_the_paper(client, arxiv_id):
    make_paper(arxiv_id=arxiv_id)
    response = client.get(f"/papers/{arxiv_id}v2/", follow=True)
    assert response.redirect_chain == [(f"/papers/{arxiv_id}/", 301)]
    assert response.status_code == 200


def test_paper_page_has_everything_known(client):
    paper = make_paper(
        arxiv_id="2608.16590", title="Zetta ζ: a harness", abstract="It measures.",
        authors=[f"Author {n}" for n in range(533)], upvotes=92, comments=1,
        code_url="https://github.com/a/b", code_stars=152, project_url="https://example.org/p",
        discussion_url="https://huggingface.co/papers/2608.16590", organization="A lab",
    )  # fmt: skip
    make_edition(DAY, [paper])
    building.build(DAY, frequency="weekly")
    tree = page(client, "2608.16590")
    words = text(tree)
    for wanted in ("Zetta ζ: a harness", "It measures.", "92 votes", "1 comment", "152 stars",
                   "Published August 18, 2026", "Show 523 more of 533 authors", "A lab"):  # fmt: skip
        assert wanted in words
    assert links(tree, ".golinks a") == [
        "https://arxiv.org/pdf/2608.16590", "https://arxiv.org/abs/2608.16590",
        "https://arxiv.org/html/2608.16590", "https://github.com/a/b", "https://example.org/p",
        "https://huggingface.co/papers/2608.16590",
    ]  # fmt: skip


@pytest.mark.parametrize("arxiv_id", ["2311.99999", "hep-ex/0406020", "1706.03762"])
def test_paper_from_before_there_was_html_has_no_link_to_it(client, arxiv_id):
    make_paper(arxiv_id=arxiv_id)
    assert not any("html" in link for link in links(page(client, arxiv_id), ".golinks a"))


def test_paper_names_the_editions_that_it_was_in(client):
    paper = make_paper()
    make_edition(DAY, [paper])
    building.build(DAY, frequency="weekly")
    tree = page(client, paper.arxiv_id)
    assert links(tree, ".crumb a") == ["/papers/2026-08-20/"]
    assert links(tree, "ul.chips a") == ["/papers/2026-08-20/", "/papers/2026-W34/"]


def test_long_list_of_authors_folds(client):
    make_paper(arxiv_id="2608.00001", authors=[f"Author {n}" for n in range(31)])
    tree = page(client, "2608.00001")
    assert len(tree.cssselect("header > ul.work__authors li")) == 10
    assert len(tree.cssselect("header details ul.work__authors li")) == 21


def test_author_leads_to_a_search_for_the_name(client):
    make_paper(arxiv_id="2608.00001", authors=['Jörg "J" O’Neill & Co'])
    assert links(page(client, "2608.00001"), ".work__authors a") == [
        "/search/?q=author%3A%22J%C3%B6rg++J++O%E2%80%99Neill+%26+Co%22"
    ]


def test_formulas_are_raised_and_lowered(client):
    make_paper(arxiv_id="2608.00001", title="ZS^2", abstract="In O(n^2) for V_{0.5}, a < b.")
    body = client.get("/papers/2608.00001/").content.decode()
    assert '<h1 dir="auto">ZS<sup>2</sup></h1>' in body
    assert "In O(n<sup>2</sup>) for V<sub>0.5</sub>, a &lt; b." in body
    assert "<title>ZS^2 | Daily Papers</title>" in body


def test_paper_without_abstract_authors_or_topics_has_a_page(client):
    make_paper(arxiv_id="2608.00001", abstract="", authors=[])
    assert "This paper came without an abstract." in text(page(client, "2608.00001"))


def test_papers_like_it_share_its_topics(client):
    topics = [Topic.objects.get(slug="agents"), Topic.objects.get(slug="robotics")]
    make_paper(arxiv_id="2608.00001", topics=topics)
    make_paper(title="Close", topics=topics)
    make_paper(title="Far", abstract="Quarks.", topics=[Topic.objects.get(slug="video")])
    found = page(client, "2608.00001").cssselect(".papers .paper__title")
    assert [text(entry) for entry in found] == ["Close"]


def metas(tree):
    return [(e.get("property") or e.get("name"), e.get("content")) for e in tree.cssselect("meta")]


def test_head_cites_the_paper(client):
    make_paper(arxiv_id="2608.00001", title='A "quoted" <title>', authors=["Ada Lovelace", "Al T"])
    said = metas(page(client, "2608.00001"))
    for wanted in [
        ("og:type", "article"), ("og:site_name", "Daily Papers"),
        ("og:title", 'A "quoted" <title>'), ("twitter:card", "summary"),
        ("og:url", "https://papers.example.org/papers/2608.00001/"),
        ("og:description", "It measures what was only guessed before."),
        ("citation_title", 'A "quoted" <title>'), ("citation_author", "Ada Lovelace"),
        ("citation_author", "Al T"), ("citation_publication_date", "2026/08/18"),
        ("citation_arxiv_id", "2608.00001"),
        ("citation_pdf_url", "https://arxiv.org/pdf/2608.00001"),
        ("citation_abstract_html_url", "https://papers.example.org/papers/2608.00001/"),
    ]:  # fmt: skip
        assert wanted in said


@pytest.mark.parametrize("address", ["/", "/trending/", "/topics/", "/topics/agents/"])
def test_head_of_every_page_says_what_it_is(client, address):
    make_edition(DAY, [make_paper(topics=[Topic.objects.get(slug="agents")])])
    tree = html.fromstring(client.get(address).content)
    said = dict(metas(tree))
    assert said["og:title"]
    assert said["og:description"] == said["description"]
    assert said["og:url"] == tree.cssselect("link[rel=canonical]")[0].get("href")
    assert "/feeds/daily.atom" in links(tree, "link[rel=alternate]")
