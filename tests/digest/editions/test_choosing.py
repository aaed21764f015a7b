"""Which papers of an edition are for whom, and why."""

import pytest

from digest.editions import choosing
from digest.editions.choosing import Candidate
from subscriptions.records import Selection

NAMES = {"theory": "Theory and optimization", "video": "Video"}


def candidate(paper_id, *topics, upvotes=10, text="", authors=()):
    return Candidate(
        paper_id=paper_id,
        upvotes=upvotes,
        topics={slug: NAMES[slug] for slug in topics},
        text=choosing.fold(text),
        authors=frozenset(map(choosing.fold, authors)),
    )


def test_follower_of_nothing_gets_the_best_of_the_day():
    papers = [candidate(n) for n in range(20)]
    cards = choosing.select(Selection(length=3), papers)
    assert cards == [(0, "Most votes today"), (1, "Popular today"), (2, "Popular today")]


def test_topic_follower_gets_the_topic_and_one_popular_paper_last():
    papers = [candidate(1, "video"), candidate(2, "theory"), candidate(3, "theory")]
    cards = choosing.select(Selection(topics=("theory",)), papers)
    reason = "You follow Theory and optimization"
    assert cards == [(2, reason), (3, reason), (1, "Popular today")]


def test_full_digest_has_no_room_for_a_popular_paper():
    papers = [candidate(1, "video"), candidate(2, "theory")]
    cards = choosing.select(Selection(topics=("theory",), length=1), papers)
    assert [paper for paper, _ in cards] == [2]


def test_nothing_on_the_topics_means_no_digest():
    assert choosing.select(Selection(topics=("theory",)), [candidate(1, "video")]) == []


def test_followed_author_comes_first_and_in_any_spelling():
    papers = [candidate(1, "video"), candidate(2, authors=["José García-Pérez"], upvotes=0)]
    selection = Selection(topics=("video",), authors=("jose garcia perez",))
    assert choosing.select(selection, papers)[0] == (2, "By jose garcia perez, whom you follow")


@pytest.mark.parametrize(
    "text",
    ["Speculative decoding for all", "speculative-decoding", "Faster Speculative  Decodings"],
)
def test_keyword_is_found_as_a_phrase(text):
    cards = choosing.select(
        Selection(keywords=("speculative decoding",)), [candidate(1, text=text)]
    )
    assert cards == [(1, "Your keyword: speculative decoding")]


def test_keyword_is_not_found_inside_a_word():
    cards = choosing.select(Selection(keywords=("rag",)), [candidate(1, text="fragments storage")])
    assert cards == []


def test_keyword_with_signs_is_taken_literally():
    cards = choosing.select(Selection(keywords=("c++ (all)",)), [candidate(1, text="On C++ (all)")])
    assert len(cards) == 1
