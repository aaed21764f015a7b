"""What readers say about papers through the links of their digest."""

import pytest

from digest.editions import taste
from digest.models import Opinion
from digest.papers import vectors
from subscriptions import tokens
from tests.builders import know_browser, make_subscriber
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client):
    """Who looks at a digest in a browser of theirs."""
    reader = make_subscriber()
    know_browser(client, reader)
    return reader


def address(reader, paper, verdict="more"):
    return f"/digests/{tokens.make_digest(reader.public_id, 1)}/{verdict}/{paper.arxiv_id}/"


@pytest.mark.parametrize("method", ["get", "head"])
def test_scanner_that_opens_the_links_says_nothing(client, reader, method):
    paper = make_paper()
    for verdict in ("more", "less", "save") * 3:
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


def test_paper_can_be_saved_beside_another_word(client, reader):
    paper = make_paper()
    client.post(address(reader, paper, "save"))
    client.post(address(reader, paper, "less"))
    kept = Opinion.objects.get()
    assert (kept.verdict, kept.is_saved) == ("less", True)


@pytest.mark.parametrize(
    ("first", "second", "left"), [("save", "more", ("more", False)), ("more", "save", ("", True))]
)
def test_one_word_is_taken_back_and_the_other_stays(client, reader, first, second, left):
    paper = make_paper()
    for verdict in (first, second):
        client.post(address(reader, paper, verdict))
    client.post(address(reader, paper, first), {"undo": "1"})
    kept = Opinion.objects.get()
    assert (kept.verdict, kept.is_saved) == left
    client.post(address(reader, paper, second), {"undo": "1"})
    assert not Opinion.objects.exists()


@pytest.mark.parametrize("verdict", ["more", "less", "save"])
def test_word_takes_the_place_of_a_paper_that_was_opened(client, reader, verdict):
    paper = make_paper()
    Opinion.objects.create(subscriber=reader, paper=paper, opened_at="2026-08-20T12:00Z")
    client.post(address(reader, paper, verdict))
    assert Opinion.objects.get().opened_at is None
    client.post(address(reader, paper, verdict), {"undo": "1"})
    assert not Opinion.objects.exists()


def test_saved_paper_stands_in_the_preferences(client, reader):
    paper = make_paper(title="On bounds")
    client.post(address(reader, paper, "save"))
    page = client.get(f"/preferences/{tokens.make_preferences(reader)}/opinions/").content.decode()
    assert "On bounds" in page
    assert "Saved</p>" in page


def test_saved_paper_is_learned_from(client, reader):
    paper = make_paper(title="Laundry robots", abstract="Robots fold laundry with two arms.")
    vectors.write([paper.pk])
    client.post(address(reader, paper, "save"))
    taste.learn(reader.pk)
    reader.refresh_from_db()
    assert taste.model(reader.taste).score(taste.placed([paper.pk])[paper.pk]) > 0


def test_word_that_is_taken_back_is_learned_by_the_sweep_too(client, reader):
    said = [make_paper(title=f"Laundry robots {n}") for n in range(2)]
    vectors.write([paper.pk for paper in said])
    for paper in said:
        client.post(address(reader, paper))
    taste.learn(reader.pk)
    assert taste.unlearned() == []
    client.post(address(reader, said[0]), {"undo": "1"})
    assert taste.unlearned() == [reader.pk]
