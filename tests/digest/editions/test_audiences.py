"""Readers whose digests are equal are one audience, whatever they follow."""

from datetime import date

import pytest

from digest.editions import audiences, candidates
from digest.models import Audience, AudienceSelection
from subscriptions import selectors
from subscriptions.records import Selection
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


@pytest.fixture
def edition():
    theory = make_paper(title="A rare disease", topics=[make_topic("theory")], upvotes=3)
    return make_edition(DAY, [theory, make_paper(upvotes=9)])


def ensure(edition, *readers, **options):
    audiences.ensure(edition, [reader.selection_key for reader in readers], **options)


def test_readers_with_equal_selections_share_an_audience(edition):
    topic = make_topic("theory")
    ensure(edition, *[make_subscriber(topics=[topic]) for _ in range(5)], make_subscriber())
    assert Audience.objects.count() == 2


def test_readers_of_different_words_that_find_nothing_share_an_audience(edition):
    ensure(edition, *[make_subscriber(keywords=(word,)) for word in ("ice", "snow", "hail")])
    assert AudienceSelection.objects.count() == 3
    assert Audience.objects.get().words == []


def test_readers_who_get_the_same_paper_for_another_reason_share_none(edition):
    ensure(edition, make_subscriber(keywords=("rare",)), make_subscriber(keywords=("disease",)))
    assert {*Audience.objects.values_list("words__0", flat=True)} == {"rare", "disease"}


@pytest.mark.parametrize("choice", [{"language": "de"}, {"format": "text"}, {"length": 1}])
def test_readers_whose_mail_differs_share_none(edition, choice):
    ensure(edition, make_subscriber(), make_subscriber(**choice))
    assert Audience.objects.count() == 2


def test_readers_who_follow_another_number_of_topics_share_none(edition):
    theory, other = make_topic("theory"), make_topic("other")
    ensure(edition, make_subscriber(topics=[theory]), make_subscriber(topics=[theory, other]))
    assert {*Audience.objects.values_list("topic_count", flat=True)} == {1, 2}


def test_asking_again_makes_no_second_audience(edition):
    reader = make_subscriber()
    ensure(edition, reader)
    first = Audience.objects.get()
    ensure(edition, reader)
    assert Audience.objects.get() == first
    assert audiences.of_selection(edition, reader.selection_key) == first


def test_papers_since_a_day_make_another_audience(edition):
    reader = make_subscriber()
    ensure(edition, reader)
    ensure(edition, reader, since=DAY)
    assert {*Audience.objects.values_list("since", flat=True)} == {None, DAY}


def test_number_of_queries_does_not_grow_with_the_selections(
    edition, django_assert_max_num_queries
):
    readers = [make_subscriber(keywords=(f"word {n}", "rare"), length=1 + n) for n in range(40)]
    with django_assert_max_num_queries(20):
        ensure(edition, *readers)
    assert AudienceSelection.objects.count() == 40


def test_list_picked_apart_is_shared_with_those_who_got_it_together(edition):
    reader = make_subscriber()
    ensure(edition, reader)
    papers = candidates.of(edition)
    alone = audiences.Asked(selectors.selection_of(reader), papers)
    (first, *_) = papers
    without = audiences.Asked(alone.selection, papers, sent=[first.paper_id])
    made = audiences.made(edition, {"again": alone, "without": without})
    assert made["again"].selections.count() == 1
    assert [card[0] for card in made["without"].cards] == [papers[1].paper_id]


def test_card_keeps_the_word_that_a_reader_wrote(edition):
    asked = audiences.Asked(Selection(keywords=("Rare disease",)), candidates.of(edition))
    (first, _) = audiences.made(edition, {1: asked})[1].cards
    assert tuple(first[1:]) == ("Your keyword: Rare disease", "keywords", "Rare disease")
