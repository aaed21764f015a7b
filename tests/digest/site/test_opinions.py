"""What readers say about papers through the links of their digest."""

import pytest

from digest.models import Opinion
from subscriptions import tokens
from tests.builders import make_subscriber
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader():
    return make_subscriber()


def address(reader, paper, verdict="more"):
    return f"/digests/{tokens.make_digest(reader.public_id, 1)}/{verdict}/{paper.arxiv_id}/"


@pytest.mark.parametrize("method", ["get", "head"])
def test_scanner_that_opens_the_links_says_nothing(client, reader, method):
    paper = make_paper()
    for verdict in ("more", "less") * 3:
        assert getattr(client, method)(address(reader, paper, verdict)).status_code == 200
    assert not Opinion.objects.exists()


def test_button_keeps_the_newest_word(client, reader):
    paper = make_paper()
    client.post(address(reader, paper, "more"))
    client.post(address(reader, paper, "less"))
    assert Opinion.objects.get().verdict == "less"


def test_old_style_paper_has_links_that_work(client, reader):
    paper = make_paper(arxiv_id="hep-ex/0406020")
    client.post(address(reader, paper))
    assert Opinion.objects.get().paper == paper


def test_word_can_be_taken_back(client, reader):
    paper = make_paper()
    client.post(address(reader, paper))
    page = client.post(address(reader, paper), {"undo": "1"})
    assert "Taken back" in page.content.decode()
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_forged_link_says_nothing(client, reader, method):
    path = address(reader, make_paper())
    forged = path.replace(path[9:15], "AAAAAA")
    assert getattr(client, method)(forged).status_code == 404
    assert not Opinion.objects.exists()


def test_erased_reader_has_no_say(client, reader):
    path = address(reader, make_paper())
    reader.delete()
    assert client.post(path).status_code == 404


def test_page_is_neither_kept_nor_passed_on(client, reader):
    response = client.get(address(reader, make_paper()))
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex"
