"""What search engines ask for."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from lxml import etree

from digest.papers import sample
from digest.site import crawlers
from subscriptions.models import Topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
SPACE = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def locations(client, address):
    response = client.get(address)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/xml")
    return etree.fromstring(response.content).xpath("//s:loc/text()", namespaces=SPACE)


def test_robots_keep_out_of_private_pages(client):
    lines = client.get("/robots.txt").content.decode().splitlines()
    assert lines[0] == "User-agent: *"
    for path in ("/confirm/", "/preferences/", "/unsubscribe/", "/my-data/", "/api/", "/search/?"):
        assert f"Disallow: {path}" in lines
    assert "Sitemap: https://papers.example.org/sitemap.xml" in lines


def test_sitemap_leads_to_every_public_page(client):
    make_edition(date(2026, 8, 20), [make_paper(arxiv_id="2608.00001")])
    make_edition(date(2026, 8, 17), [make_paper(arxiv_id="hep-ex/0406020")], frequency="weekly")
    found = {
        address.removeprefix("https://papers.example.org")
        for part in locations(client, "/sitemap.xml")
        for address in locations(client, part.removeprefix("https://papers.example.org"))
    }
    assert found >= {
        "/", "/trending/", "/topics/", "/papers/2026-08-20/", "/papers/2026-W34/",
        "/papers/2608.00001/", "/papers/hep-ex/0406020/", "/topics/agents/",
    }  # fmt: skip
    assert len(found) == 3 + 2 + 2 + Topic.objects.count()
    assert all(client.get(address).status_code == 200 for address in found)


def test_sitemap_has_no_page_of_the_sample_edition_or_an_empty_one(client):
    make_edition(sample.load(), [])
    make_edition(date(2026, 8, 19), [])
    assert locations(client, "/sitemap-editions.xml") == []


def test_sitemap_says_when_a_paper_changed(client):
    paper = make_paper()
    # Where keys are counted on from test to test, the first parts are empty.
    parts = [part for part in locations(client, "/sitemap.xml") if "papers.xml" in part]
    last = parts[-1].removeprefix("https://papers.example.org")
    tree = etree.fromstring(client.get(last).content)
    changed = tree.xpath("//s:lastmod/text()", namespaces=SPACE)
    assert changed == [f"{paper.updated_at:%Y-%m-%d}"]


def test_page_of_papers_reads_no_more_than_its_own(client, monkeypatch):
    monkeypatch.setattr(crawlers._Papers, "limit", 2)
    papers = [make_paper() for _ in range(6)]
    parts = [part for part in locations(client, "/sitemap.xml") if "papers.xml" in part]
    with CaptureQueriesContext(connection) as captured:
        last = locations(client, parts[-1].removeprefix("https://papers.example.org"))
    assert last[-1].endswith(f"/papers/{papers[-1].arxiv_id}/")
    assert len(last) <= 2
    assert len(captured) == 2
    found = [
        address
        for part in parts[-5:]
        for address in locations(client, part.removeprefix("https://papers.example.org"))
    ]
    assert len(found) == len(set(found)) == len(papers)


@pytest.mark.parametrize(
    "address",
    ["/sitemap-none.xml", "/sitemap-papers.xml?p=0", "/sitemap-papers.xml?p=99",
     "/sitemap-papers.xml?p=x", "/sitemap-papers.xml?p=-1", "/sitemap-topics.xml?p=2"],
)  # fmt: skip
def test_part_that_there_is_not_is_404(client, address):
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", ["/robots.txt", "/sitemap.xml", "/sitemap-papers.xml"])
def test_what_crawlers_read_is_only_read(client, address):
    assert client.post(address).status_code == 405
