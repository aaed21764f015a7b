"""What was: a reader's digests so far, and what they said about papers."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from lxml import html as lxml_html

from digest.editions import taste
from digest.models import Audience, Delivery, Opinion, Taste
from digest.papers import vectors
from digest.site.preferences.history import _HOW, _WHY
from subscriptions import tokens
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


def path(reader, name):
    return reverse(f"site:{name}", args=[tokens.make_preferences(reader)])


def document(response):
    return lxml_html.document_fromstring(response.content)


def words(response):
    return " ".join(document(response).text_content().split())


def deliver(reader, day, *, state="sent", papers=(), reason=""):
    edition = make_edition(day, list(papers))
    batch = make_batch([reader], day, deliveries=state)
    cards = [[paper.pk, "Popular today"] for paper in papers]
    audience = Audience.objects.get(edition=edition)
    audience.cards = cards
    audience.save()
    batch.deliveries.update(reason=reason)
    return edition


def test_history_has_the_digests_newest_first_with_links(client):
    reader = make_subscriber()
    paper, other = make_paper(title="On bounds"), make_paper(title="On robots")
    edition = deliver(reader, DAY, papers=[paper, other])
    deliver(reader, DAY - timedelta(days=1), papers=[make_paper(title="Older")])
    response = client.get(path(reader, "history"))
    days = document(response).xpath("//p[@class='past__day']/text()[1]")
    assert [day.strip() for day in days] == ["August 20, 2026", "August 19, 2026"]
    assert "2 papers On bounds; On robots" in words(response)
    (link,) = document(response).xpath("//a[contains(., 'On bounds')]/@href")
    assert link == reverse("site:digest", args=[tokens.make_digest(reader.public_id, edition.pk)])
    assert client.get(link).status_code == 200


@pytest.mark.parametrize(
    ("state", "reason", "line"),
    [
        ("skipped", "paused", "No mail: you had paused."),
        ("skipped", "nothing_new", "No mail: nothing was for you."),
        ("skipped", "merged", "It was late, and came together with the next one."),
        ("suppressed", "", "No mail: this address may not be mailed."),
        ("failed", "gave_up", "It could not be sent, after many tries."),
        ("failed", "", "It could not be sent."),
        ("pending", "", "On its way."),
    ],
)
def test_history_says_why_there_was_no_digest(client, state, reason, line):
    reader = make_subscriber()
    deliver(reader, DAY, state=state, reason=reason, papers=[make_paper()])
    response = client.get(path(reader, "history"))
    assert line in words(response)
    assert not document(response).xpath("//p[@class='past__leads']/a")


def test_every_reason_and_state_has_words():
    assert set(_WHY) == set(Delivery.Reason.values) - {""}
    assert set(_HOW) == set(Delivery.State.values) - {"sent"}


def test_history_shows_nobody_elses_digests(client):
    deliver(make_subscriber(), DAY, papers=[make_paper(title="Secret")])
    response = client.get(path(make_subscriber(), "history"))
    assert "Secret" not in words(response)
    assert "Your first digest will stand here once it is sent." in words(response)


def test_long_history_has_pages(client):
    reader = make_subscriber()
    for back in range(60):
        deliver(reader, DAY - timedelta(days=back))
    first = client.get(path(reader, "history"))
    assert len(document(first).xpath("//p[@class='past__day']")) == 50
    second = client.get(path(reader, "history") + "?page=2")
    assert len(document(second).xpath("//p[@class='past__day']")) == 10


def test_history_takes_the_same_queries_for_few_and_many(client, django_assert_num_queries):
    few, many = make_subscriber(), make_subscriber()
    deliver(few, DAY, papers=[make_paper()])
    for back in range(1, 9):
        deliver(many, DAY - timedelta(days=back), papers=[make_paper()])
    for reader in (few, many):
        with django_assert_num_queries(4):
            client.get(path(reader, "history"))


def test_opinions_can_be_looked_at_and_taken_back(client):
    reader, paper = make_subscriber(), make_paper(title="On bounds")
    opinion = Opinion.objects.create(subscriber=reader, paper=paper, verdict="more")
    shown = document(client.get(path(reader, "opinions"))).xpath("//ol/li/div/p")
    assert [line.text_content() for line in shown] == ["On bounds", "More like this"]
    response = client.post(path(reader, "opinions"), {"remove": opinion.pk})
    assert "Taken back." in words(response)
    assert not Opinion.objects.exists()


def test_all_that_was_learned_is_forgotten_by_a_button(client):
    reader, paper = make_subscriber(), make_paper(title="On bounds")
    Opinion.objects.create(subscriber=reader, paper=paper, verdict="more")
    vectors.write([paper.pk])
    taste.learn(reader.pk)
    page = words(client.get(path(reader, "opinions")))
    assert "Forget what I like" in page
    response = client.post(path(reader, "opinions"), {"forget": "1"})
    assert "Forgotten: your digests go by what you follow alone." in words(response)
    assert not Opinion.objects.exists()
    assert not Taste.objects.exists()
    reader.refresh_from_db()
    assert reader.taste == ""


@pytest.mark.parametrize("number", ["x", "", "-1", "9" * 40, "²"])
def test_opinion_that_is_none_is_not_taken_back(client, number):
    reader = make_subscriber()
    Opinion.objects.create(subscriber=reader, paper=make_paper(), verdict="less")
    assert client.post(path(reader, "opinions"), {"remove": number}).status_code == 200
    assert Opinion.objects.count() == 1


def test_opinion_of_somebody_else_is_not_taken_back(client):
    theirs = Opinion.objects.create(
        subscriber=make_subscriber(), paper=make_paper(), verdict="more"
    )
    client.post(path(make_subscriber(), "opinions"), {"remove": theirs.pk})
    assert Opinion.objects.exists()


@pytest.mark.parametrize("name", ["history", "opinions", "preview"])
def test_pages_need_a_link_that_works(client, name):
    reader = make_subscriber()
    address = path(reader, name)
    ask = client.post if name == "preview" else client.get
    assert ask(address.replace(address.split("/")[2], "forged")).status_code == 404
    type(reader).objects.update(token_version=9)
    response = ask(address)
    assert response.status_code == 410
    assert response["Referrer-Policy"] == "no-referrer"
