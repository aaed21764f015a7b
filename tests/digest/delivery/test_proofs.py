"""Proofs: a digest as somebody gets it, before and after the edition is closed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core import mail

from digest.delivery.due import planning
from digest.delivery.mails import proofs
from digest.editions import building, editing, taste
from digest.editions.editing import Change
from digest.models import Audience, Delivery, Edition, EditionPaper, Opinion
from subscriptions.records import Selection
from tests.builders import make_slot, make_subscriber, make_topic
from tests.digest.builders import make_edition, make_listing, make_paper

pytestmark = pytest.mark.django_db
THURSDAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 20, 20, 0, tzinfo=UTC)


@pytest.fixture
def theory():
    """The topic, with a paper on it, and a more popular one on nothing, listed on Thursday."""
    topic = make_topic("theory")
    make_listing(make_paper(arxiv_id="2608.00001", title="Proved", topics=[topic]), THURSDAY)
    make_listing(make_paper(arxiv_id="2608.00002", title="Popular", upvotes=90), THURSDAY)
    return topic


def of(*topics, day=THURSDAY, **fields):
    selection = Selection(topics=tuple(topic.slug for topic in topics), **fields)
    return proofs.of_selection("daily", day, selection, now=NOW)


def test_proof_of_a_coming_edition_is_what_is_sent_once_it_is_closed(theory):
    edited = editing.change("daily", THURSDAY, version=0, note="Good morning.")[0].version
    editing.change("daily", THURSDAY, version=edited, paper=Change("pin", "2608.00002"))
    before = of(theory)
    building.build(THURSDAY)
    assert of(theory) == before
    assert before.subject == "Popular, and 1 more paper"
    assert "Good morning." in before.html
    assert "Editor’s pick" in before.text


def test_proof_of_a_coming_edition_stores_nothing(theory):
    of(theory)
    stored = [model.objects.exists() for model in (Edition, EditionPaper, Audience, Delivery)]
    assert stored == [False] * 4


def test_nothing_for_a_choice_is_no_proof(theory):
    assert of(make_topic("video")) is None
    assert of(day=THURSDAY + timedelta(days=1)) is None


def test_proof_can_be_looked_at_in_dark_and_in_light_colors(theory):
    proof = of(theory)
    assert "prefers-color-scheme" in proof.html
    assert "@media all" in proof.html_in("dark")
    assert "@media not all" in proof.html_in("light")
    assert "prefers-color-scheme" not in proof.html_in("dark") + proof.html_in("light")


def test_proof_speaks_the_language_of_the_choice(theory):
    assert "Donnerstag, 20. August" in of(theory, language="de").text


def test_reader_s_proof_of_a_closed_edition_is_what_they_were_sent(theory):
    reader = make_subscriber(topics=[theory])
    building.build(THURSDAY)
    planning.plan(NOW, day=THURSDAY)
    planned = proofs.of_reader("daily", THURSDAY, reader, now=NOW)
    reader.topics.clear()
    assert proofs.of_reader("daily", THURSDAY, reader, now=NOW) == planned
    assert "Proved" in planned.subject


def test_reader_s_proof_looks_back_as_their_digest_will(theory):
    make_edition(THURSDAY - timedelta(days=1), [make_paper(title="Of the day before", upvotes=99)])
    friday = NOW + timedelta(days=1)
    slot = make_slot(friday, frequency="weekly-5", hour=7, timezone="UTC")
    reader = make_subscriber(frequency="weekly-5", slot=slot)
    assert "Of the day before" in proofs.of_reader("daily", THURSDAY, reader, now=NOW).subject


def test_reader_s_proof_has_no_pin_of_a_paper_that_they_want_less_of(theory):
    reader = make_subscriber(topics=[theory])
    popular = make_paper(title="Unloved", upvotes=1)
    make_listing(popular, THURSDAY)
    Opinion.objects.create(subscriber=reader, paper=popular, verdict="less")
    taste.learn(reader.pk)
    reader.refresh_from_db()
    editing.change("daily", THURSDAY, version=0, paper=Change("pin", popular.arxiv_id))
    assert "Unloved" in of(theory).subject
    assert "Unloved" not in proofs.of_reader("daily", THURSDAY, reader, now=NOW).text


def test_links_of_a_reader_s_proof_are_nobody_s(theory):
    proof = proofs.of_reader("daily", THURSDAY, make_subscriber(topics=[theory]), now=NOW)
    assert "/unsubscribe/preview/" in proof.text
    assert "/digests/manage/preview/" in proof.html


def test_test_mail_goes_to_one_address_and_into_no_ledger(theory, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    proofs.send(of(theory), to="editor@example.org")
    (sent,) = mail.outbox
    assert (sent.subject[:7], sent.to) == ("[Test] ", ["editor@example.org"])
    assert sent.alternatives[0][1] == "text/html"
    assert not Delivery.objects.exists()


def test_query_count_does_not_grow_with_the_papers(django_assert_max_num_queries):
    for _ in range(40):
        make_listing(make_paper(), THURSDAY)
    with django_assert_max_num_queries(12):
        of()
