"""Which papers of an edition are for whom, in which order, and why."""

from dataclasses import replace
from datetime import date

import pytest

from digest.editions import candidates, choosing, ranking
from digest.editions.candidates import Candidate, Candidates, TopicTag
from digest.papers.matching import Matchable
from digest.records import WEEK
from subscriptions.records import Selection
from tests.digest.builders import make_edition, make_paper

NAMES = {"theory": "Theory and optimization", "video": "Video"}


def candidate(
    paper_id, *topics, upvotes=10, text="", authors=(), organization="", score=0.8, **edited
):
    return Candidate(
        paper_id=paper_id,
        upvotes=upvotes,
        **edited,
        topics={slug: TopicTag(NAMES[slug], score) for slug in topics},
        words=Matchable((text,), tuple(authors), organization),
    )


def select(selection, papers, **options):
    """Paper and reason of each card."""
    cards = choosing.select(selection, Candidates(tuple(papers)), **options)
    return [(card.paper_id, card.reason) for card in cards]


def chosen(selection, papers, **options):
    return [paper_id for paper_id, _reason in select(selection, papers, **options)]


def test_follower_of_nothing_gets_the_best_of_the_day():
    papers = [candidate(n) for n in range(20)]
    assert select(Selection(length=5), papers) == [
        (0, "Most votes today"),
        (1, "Second most votes today"),
        (2, "Third most votes today"),
        (3, "Popular today"),
        (4, "Popular today"),
    ]


def test_papers_without_votes_are_not_called_popular():
    papers = [candidate(1, upvotes=0)]
    assert select(Selection(), papers, period=WEEK) == [(1, "New this week")]


def test_topic_follower_gets_the_topic_and_one_other_paper_last():
    papers = [candidate(1, "video"), candidate(2, "theory"), candidate(3, "theory"), candidate(4)]
    reason = "You follow Theory and optimization"
    assert select(Selection(topics=("theory",)), papers) == [
        (2, reason),
        (3, reason),
        (1, "A little different"),
    ]


def test_full_digest_has_no_room_for_another_paper():
    papers = [candidate(1, "video"), candidate(2, "theory")]
    assert chosen(Selection(topics=("theory",), length=1), papers) == [2]


def test_nothing_on_the_topics_means_no_digest():
    assert select(Selection(topics=("theory",)), [candidate(1, "video")]) == []


def test_followed_author_comes_before_a_topic_with_as_many_votes():
    papers = [candidate(1, "theory"), candidate(2, authors=["José García-Pérez"])]
    selection = Selection(topics=("theory",), authors=("J. garcia perez",))
    assert select(selection, papers)[0] == (2, "By J. garcia perez, whom you follow")


def test_surer_topic_comes_first_among_equal_votes():
    papers = [candidate(1, "theory", score=0.5), candidate(2, "theory", score=0.9)]
    assert chosen(Selection(topics=("theory",)), papers) == [2, 1]


def test_votes_part_papers_that_match_alike():
    papers = [candidate(1, "theory", upvotes=40), candidate(2, "theory", upvotes=10)]
    assert chosen(Selection(topics=("theory",)), papers) == [1, 2]


def test_what_matches_twice_comes_before_what_matches_once():
    papers = [candidate(1, "theory"), candidate(2, "theory", "video")]
    assert chosen(Selection(topics=("theory", "video")), papers) == [2, 1]


def test_reason_is_the_strongest_one():
    papers = [candidate(1, "theory", text="Bounds on folds", authors=["Ada Byron"])]
    selection = Selection(topics=("theory",), keywords=("fold",))
    assert select(selection, papers) == [(1, "Your keyword: fold")]
    selection = replace(selection, authors=("Ada Byron",))
    assert select(selection, papers) == [(1, "By Ada Byron, whom you follow")]


def test_reason_names_the_place_where_it_is_tuned():
    papers = Candidates((candidate(1, "theory"), candidate(2)))
    cards = choosing.select(Selection(topics=("theory",)), papers)
    assert [card.anchor for card in cards] == ["topic-theory", "dial"]


def test_what_was_sent_does_not_come_again():
    papers = [candidate(1, "theory"), candidate(2, "theory"), candidate(3)]
    assert chosen(Selection(topics=("theory",)), papers, sent={1, 3}) == [2]


def test_least_votes_hold_for_every_paper():
    papers = [candidate(1, "theory", upvotes=3), candidate(2, "theory", upvotes=9)]
    assert chosen(Selection(topics=("theory",), least_votes=5), papers) == [2]


def test_rising_paper_comes_before_one_with_as_many_votes():
    papers = [candidate(1), replace(candidate(2), speed=3.0)]
    assert chosen(Selection(), papers) == [2, 1]


def test_older_paper_needs_more_votes():
    papers = [replace(candidate(1), days_old=20), candidate(2)]
    assert chosen(Selection(), papers) == [2, 1]


@pytest.mark.parametrize(
    ("strengths", "taste", "expected"),
    [((), 0, 0), ((0.5,), 0, 0.5), ((0.5, 0.5), 0, 0.75), ((0.9,), 1, 1), ((0.2,), -1, 0)],
)
def test_interest_adds_up_within_its_bounds(strengths, taste, expected):
    assert ranking.interest(strengths, taste) == pytest.approx(expected)


def test_paper_from_a_followed_organisation_says_so():
    papers = [candidate(1, organization="Google DeepMind"), candidate(2, organization="Meta")]
    selection = Selection(organizations=("deepmind",), dial=4)
    assert select(selection, papers) == [(1, "From deepmind, which you follow")]


def test_popular_digest_has_the_most_voted_papers_and_among_them_ones_own():
    papers = [candidate(n, upvotes=50 - n) for n in range(9)] + [candidate(9, "theory", upvotes=30)]
    found = select(Selection(topics=("theory",), dial=0, length=8), papers)
    assert [paper_id for paper_id, _ in found[:2]] == [0, 1]
    assert (9, "You follow Theory and optimization") in found
    assert (2, "Third most votes today") in found


def test_personal_digest_has_the_closest_paper_first_and_no_other():
    papers = [
        candidate(1, upvotes=90),
        candidate(2, "theory", upvotes=80, score=0.6),
        candidate(3, "theory", upvotes=0, score=1.0),
    ]
    assert chosen(Selection(topics=("theory",), dial=4), papers) == [3, 2]


@pytest.mark.parametrize("dial", range(5))
def test_every_step_of_the_dial_keeps_ones_own_papers(dial):
    papers = [candidate(n, upvotes=20) for n in range(4)] + [candidate(9, "theory", upvotes=1)]
    assert 9 in chosen(Selection(topics=("theory",), dial=dial), papers)


def test_trending_digest_goes_by_how_fast_votes_come():
    papers = [candidate(1, upvotes=90), replace(candidate(2, upvotes=20), speed=2.0)]
    assert chosen(Selection(), papers) == [1, 2]
    found = select(Selection(trending=True), papers)
    assert found[0] == (2, "Rising fast")


def test_trending_digest_goes_by_votes_where_no_speed_is_known():
    papers = [candidate(1, upvotes=3), candidate(2, upvotes=30)]
    assert chosen(Selection(trending=True), papers) == [2, 1]


PINNED = candidate(3, upvotes=1, is_pinned=True)


@pytest.mark.parametrize("dial", range(5))
def test_pinned_paper_leads_whatever_is_followed(dial):
    papers = [PINNED, candidate(1, "theory", upvotes=9), candidate(2, "video")]
    cards = select(Selection(topics=("theory",), dial=dial), papers)
    assert cards[:2] == [(3, "Editor’s pick"), (1, "You follow Theory and optimization")]
    assert len({paper_id for paper_id, _ in cards}) == len(cards)


@pytest.mark.django_db
@pytest.mark.parametrize("since", [None, date(2026, 8, 19)])
def test_pinned_papers_lead_in_the_order_of_their_editor(since):
    fewer, most = make_paper(arxiv_id="2608.00001"), make_paper(arxiv_id="2608.00002", upvotes=90)
    make_edition(date(2026, 8, 19), [make_paper(arxiv_id="2608.00003", upvotes=99)])
    edition = make_edition(date(2026, 8, 20), [fewer, most])
    edition.places.update(is_pinned=True)
    edition.places.filter(paper=most).update(rank=3)
    found = choosing.select(Selection(), candidates.of(edition, since))
    assert [card.paper_id for card in found[:2]] == [fewer.pk, most.pk]


def test_pinned_paper_is_no_digest_by_itself():
    assert select(Selection(topics=("theory",)), [PINNED, candidate(1, "video")]) == []


def test_pinned_paper_that_is_followed_is_there_once_and_takes_its_place_of_the_length():
    papers = [replace(candidate(1, "theory"), is_pinned=True), candidate(2, "theory")]
    assert chosen(Selection(topics=("theory",), length=1), papers) == [1]
    assert chosen(Selection(topics=("theory",), length=5), papers) == [1, 2]


@pytest.mark.parametrize(
    ("selection", "options"),
    [
        (Selection(), {"sent": [3]}),
        (Selection(), {"unwanted": [3]}),
        (Selection(least_votes=5), {}),
    ],
    ids=["sent already", "wants less of it", "too few votes"],
)
def test_pinned_paper_does_not_lead_where_it_is_not_wanted(selection, options):
    papers = [PINNED, candidate(1), candidate(2)]
    cards = select(selection, papers, **options)
    assert (3, "Editor’s pick") not in cards
    assert cards[0][0] == 1


def test_popular_digest_follows_the_editor_and_says_no_wrong_place():
    papers = [
        candidate(1, upvotes=2, is_moved=True),
        candidate(2, upvotes=90),
        candidate(3, upvotes=50),
    ]
    assert select(Selection(), papers) == [
        (1, "Third most votes today"),
        (2, "Most votes today"),
        (3, "Second most votes today"),
    ]


def test_paper_that_was_moved_down_comes_later_in_a_popular_digest():
    papers = [
        candidate(2, upvotes=50),
        candidate(3, upvotes=40),
        candidate(1, upvotes=90, is_moved=True),
        candidate(4, upvotes=3),
    ]
    assert chosen(Selection(dial=0, topics=("theory",)), papers) == [2, 3, 1, 4]


def test_personal_digest_keeps_to_the_score_where_the_editor_moved_a_paper():
    moved = candidate(1, "theory", upvotes=2, is_moved=True)
    papers = [moved, candidate(2, "theory", upvotes=90)]
    assert chosen(Selection(topics=("theory",), dial=3), papers) == [2, 1]


def test_different_paper_is_the_most_voted_one_wherever_the_editor_put_it():
    papers = [
        candidate(1, upvotes=2, is_moved=True),
        candidate(2, "theory"),
        candidate(3, upvotes=90),
    ]
    assert select(Selection(topics=("theory",)), papers)[-1] == (3, "A little different")
