"""Which papers of an edition are for whom, and why."""

from datetime import date

import pytest

from digest.editions import audiences, building
from digest.editions.audiences import Candidate
from digest.models import Audience
from subscriptions.records import Selection
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_listing, make_paper

NAMES = {"theory": "Theory and optimization", "video": "Video"}


def candidate(paper_id, *topics, upvotes=10, text="", authors=()):
    return Candidate(
        paper_id=paper_id,
        upvotes=upvotes,
        topics={slug: NAMES[slug] for slug in topics},
        text=audiences.fold(text),
        authors=frozenset(map(audiences.fold, authors)),
    )


def test_follower_of_nothing_gets_the_best_of_the_day():
    papers = [candidate(n) for n in range(20)]
    cards = audiences.select(Selection(length=3), papers)
    assert cards == [(0, "Most votes today"), (1, "Popular today"), (2, "Popular today")]


def test_topic_follower_gets_the_topic_and_one_popular_paper_last():
    papers = [candidate(1, "video"), candidate(2, "theory"), candidate(3, "theory")]
    cards = audiences.select(Selection(topics=("theory",)), papers)
    reason = "You follow Theory and optimization"
    assert cards == [(2, reason), (3, reason), (1, "Popular today")]


def test_full_digest_has_no_room_for_a_popular_paper():
    papers = [candidate(1, "video"), candidate(2, "theory")]
    cards = audiences.select(Selection(topics=("theory",), length=1), papers)
    assert [paper for paper, _ in cards] == [2]


def test_nothing_on_the_topics_means_no_digest():
    assert audiences.select(Selection(topics=("theory",)), [candidate(1, "video")]) == []


def test_followed_author_comes_first_and_in_any_spelling():
    papers = [candidate(1, "video"), candidate(2, authors=["José García-Pérez"], upvotes=0)]
    selection = Selection(topics=("video",), authors=("jose garcia perez",))
    assert audiences.select(selection, papers)[0] == (2, "By jose garcia perez, whom you follow")


@pytest.mark.parametrize(
    "text",
    ["Speculative decoding for all", "speculative-decoding", "Faster Speculative  Decodings"],
)
def test_keyword_is_found_as_a_phrase(text):
    cards = audiences.select(
        Selection(keywords=("speculative decoding",)), [candidate(1, text=text)]
    )
    assert cards == [(1, "Your keyword: speculative decoding")]


def test_keyword_is_not_found_inside_a_word():
    cards = audiences.select(Selection(keywords=("rag",)), [candidate(1, text="fragments storage")])
    assert cards == []


def test_keyword_with_signs_is_taken_literally():
    cards = audiences.select(
        Selection(keywords=("c++ (all)",)), [candidate(1, text="On C++ (all)")]
    )
    assert len(cards) == 1


@pytest.mark.django_db
def test_readers_with_equal_selections_share_an_audience(django_assert_num_queries):
    topic = make_topic("theory")
    readers = [make_subscriber(topics=[topic]) for _ in range(5)] + [make_subscriber()]
    make_listing(make_paper(), date(2026, 8, 20))
    edition = building.build(date(2026, 8, 20))
    audiences.ensure(edition, {reader.selection_key for reader in readers})
    assert Audience.objects.count() == 2


@pytest.mark.django_db
def test_asking_again_makes_no_second_audience():
    reader = make_subscriber()
    edition = building.build(date(2026, 8, 20))
    audiences.ensure(edition, {reader.selection_key})
    first = Audience.objects.get()
    audiences.ensure(edition, {reader.selection_key})
    assert Audience.objects.get() == first
