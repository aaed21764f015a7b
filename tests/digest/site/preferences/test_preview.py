"""The digest that unsaved choices would have made, and the mail of it."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from lxml import html as lxml_html

from subscriptions import limits, tokens
from subscriptions.models import Subscriber
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 21, 12, 0, tzinfo=UTC)
CHOICES = {
    "frequency": "weekly",
    "weekday": "3",
    "hour": "7",
    "timezone": "UTC",
    "length": "8",
    "pause": "0",
}


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def edition():
    theory = make_topic("theory")
    papers = [
        make_paper(title="On bounds", upvotes=9, topics=[theory]),
        make_paper(title="A robot that folds", upvotes=5),
        make_paper(title="Of little note", upvotes=1),
    ]
    return make_edition(date(2026, 8, 20), papers)


def document(response):
    return lxml_html.document_fromstring(response.content)


def words(response):
    return " ".join(document(response).text_content().split())


def path(reader, name="preferences"):
    return reverse(f"site:{name}", args=[tokens.make_preferences(reader)])


def titles(response):
    return document(response).xpath("//p[@class='preview__title']/a/text()")


def test_preview_shows_what_unsaved_choices_would_have_made(client, edition):
    reader = make_subscriber()
    before = list(Subscriber.objects.values())
    response = client.post(
        path(reader), CHOICES | {"topics": ["theory"], "keyword": "folds", "preview": "list"}
    )
    assert response.status_code == 200
    assert titles(response) == ["A robot that folds", "On bounds", "Of little note"]
    said = words(response)
    assert "3 papers, out of 3 on Thursday, August 20" in said
    assert "Your keyword: folds" in said
    assert "Subject: A robot that folds, and 2 more papers" in said
    assert "With these choices your next digest comes on Wednesday, August 26, 07:00." in said
    assert list(Subscriber.objects.values()) == before


def test_reasons_of_a_preview_lead_to_where_they_are_tuned(client, edition):
    typed = CHOICES | {"topics": ["theory"], "keyword": "folds", "preview": "list"}
    for name in ("preferences", "preview"):
        response = client.post(path(make_subscriber(), name), typed)
        links = document(response).xpath("//p[@class='reason']/a")
        shown = {each.text: each.get("href") for each in links}
        assert shown["Your keyword: folds"] == "#keywords"
        assert shown["You follow Theory and optimization"] == "#topic-theory"


def test_preview_keeps_the_unsaved_choices(client, edition):
    response = client.post(path(make_subscriber()), CHOICES | {"length": "3", "preview": "list"})
    assert document(response).xpath("//input[@name='length']/@value") == ["3"]
    assert "Not saved yet" in words(response)


def test_preview_of_choices_that_nothing_fits_says_so(client, edition):
    typed = CHOICES | {"keyword": "gardening", "preview": "list"}
    said = words(client.post(path(make_subscriber()), typed))
    assert "On Thursday, August 20 nothing would have been for you" in said


def test_preview_before_the_first_edition_says_so(client):
    said = words(client.post(path(make_subscriber()), CHOICES | {"preview": "list"}))
    assert "No edition is closed yet" in said


@pytest.mark.parametrize("wrong", [{"length": "99"}, {"keyword": "("}, {"keywords": ["x" * 300]}])
def test_preview_of_what_can_not_be_chosen_says_why(client, edition, wrong):
    reader = make_subscriber()
    for name in ("preferences", "preview"):
        response = client.post(path(reader, name), CHOICES | wrong | {"preview": "list"})
        assert response.status_code == 400
        assert document(response).xpath("//*[contains(@class, 'notice--error')]//p")


def test_part_of_the_page_comes_by_itself(client, edition):
    response = client.post(path(make_subscriber(), "preview"), CHOICES | {"preview": "list"})
    assert b"<html" not in response.content
    assert len(titles(response)) == 3
    assert response["Cache-Control"] == "no-store"


def test_part_of_the_page_is_limited_for_each_client(client, edition, monkeypatch):
    monkeypatch.setattr(limits, "LOOKUP_RATE", "1/m")
    reader = make_subscriber()
    codes = [client.post(path(reader, "preview"), CHOICES).status_code for _ in range(2)]
    assert codes == [200, 429]


def framed(client, reader, **chosen):
    response = client.post(path(reader), CHOICES | chosen | {"preview": "mail"})
    (frame,) = document(response).xpath("//iframe")
    assert frame.get("sandbox") == ""
    return client.get(frame.get("src"))


def test_mail_is_shown_in_a_frame_where_nothing_runs(client, edition):
    response = framed(client, make_subscriber())
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "On bounds" in response.content.decode()
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["Cache-Control"] == "no-store"


def test_mail_of_a_reader_of_plain_text_is_plain_text(client, edition):
    response = framed(client, make_subscriber(), format="text")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert "1. On bounds" in response.content.decode()


@pytest.mark.parametrize("key", ["x", "..", "a" * 500])
def test_mail_that_is_not_kept_is_not_found(client, key):
    address = reverse("site:preview_mail", args=[tokens.make_preferences(make_subscriber()), key])
    assert client.get(address).status_code == 404


def test_mail_needs_a_link_that_works(client, edition):
    reader = make_subscriber()
    response = client.post(path(reader), CHOICES | {"preview": "mail"})
    (source,) = document(response).xpath("//iframe/@src")
    Subscriber.objects.update(token_version=9)
    assert client.get(source).status_code == 410


def test_preview_takes_the_same_queries_for_few_papers_and_many(
    client, django_assert_max_num_queries
):
    theory = make_topic("theory")
    make_edition(date(2026, 8, 20), [make_paper(topics=[theory]) for _ in range(40)])
    reader = make_subscriber()
    for length in ("1", "40"):
        cache.clear()
        with django_assert_max_num_queries(20):
            client.post(path(reader, "preview"), CHOICES | {"length": length})


def test_preview_knows_categories_and_votes(client):
    papers = [
        make_paper(title="Loved", upvotes=9, categories=["cs.RO", "cs.LG"]),
        make_paper(title="Less loved", upvotes=2, categories=["cs.LG"]),
    ]
    make_edition(date(2026, 8, 20), papers)
    typed = CHOICES | {"categories": ["cs.LG"], "least_votes": "3", "preview": "list"}
    response = client.post(path(make_subscriber()), typed)
    assert titles(response) == ["Loved"]
    assert "You follow cs.LG" in words(response)


def test_preview_shows_a_keyword_as_the_query_that_it_is(client, edition):
    typed = CHOICES | {"keywords": ["robot NOT bounds"], "preview": "list"}
    response = client.post(path(make_subscriber()), typed)
    assert titles(response)[0] == "A robot that folds"
    assert "Your keyword: robot NOT bounds" in words(response)
