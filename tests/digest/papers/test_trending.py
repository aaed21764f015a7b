"""What is trending: votes by their age, and how fast they come."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from digest import forgetting
from digest.editions import building
from digest.models import EditionPaper, Paper, VoteSnapshot
from digest.papers import ingest, trending
from digest.records import PaperRecord
from tests.digest.builders import make_listing, make_paper

NOW = datetime(2026, 8, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def heat(*snapshots, published=NOW - DAY, rank=None):
    found = [(NOW - ago, votes) for ago, votes in snapshots]
    return trending.heat(published, found, rank=rank, now=NOW)


def test_newer_votes_count_more_than_older_ones():
    old = heat((10 * DAY, 40), published=NOW - 10 * DAY)
    new = heat((2 * HOUR, 40), published=NOW - 2 * HOUR)
    assert new > 10 * old


def test_vote_weighs_half_after_two_days():
    at_once = heat((timedelta(), 8), published=NOW)
    later = heat((2 * DAY, 8), published=NOW - 2 * DAY)
    assert later == pytest.approx(at_once / 2)


def test_old_paper_that_gains_votes_again_is_trending():
    still = heat((30 * DAY, 500), (HOUR, 500), published=NOW - 90 * DAY)
    again = heat((2 * DAY, 500), (HOUR, 540), published=NOW - 90 * DAY)
    assert still < trending.LEAST_HEAT < again


def test_faster_votes_count_more():
    slow = heat((20 * HOUR, 10), (HOUR, 20), published=NOW - 20 * HOUR)
    fast = heat((20 * HOUR, 10), (HOUR, 60), published=NOW - 20 * HOUR)
    assert fast > 2 * slow


def test_order_of_the_source_counts():
    assert heat(rank=1) > heat(rank=2) > heat(rank=50) > heat()


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ([], 0),
        ([(NOW, 5)], 0),
        ([(NOW - 10 * HOUR, 5), (NOW, 25)], 2),
        ([(NOW - 3 * DAY, 5), (NOW, 29)], 1),
        ([(NOW - 3 * DAY, 5), (NOW - 2 * DAY, 99)], 0),
        # Votes are taken back, too.
        ([(NOW - 10 * HOUR, 25), (NOW, 5)], 0),
    ],
)
def test_speed_is_of_the_last_day(snapshots, expected):
    assert trending.speed(snapshots, NOW) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10**9)), max_size=20),
    st.integers(-10_000, 10**6),
    st.none() | st.integers(1, 1000),
)
def test_heat_is_always_a_number(found, published, rank):
    snapshots = sorted((NOW - timedelta(hours=ago), votes) for ago, votes in found)
    value = trending.heat(NOW - timedelta(hours=published), snapshots, rank=rank, now=NOW)
    assert 0 <= value < float("inf")


def test_rising_is_what_doubled_in_a_day():
    assert trending.is_rising(30, 1)
    assert not trending.is_rising(90, 1)
    assert not trending.is_rising(4, 4 / 24)


def record(votes, **changes):
    fields = {
        "arxiv_id": "2608.00001", "title": "A paper", "abstract": "", "authors": ("Ada",),
        "published_at": NOW - DAY, "upvotes": votes,
    }  # fmt: skip
    return PaperRecord(**fields | changes)


def fetch(votes, at):
    with time_machine.travel(at, tick=False):
        ingest.store([record(votes)], source="hugging_face")


def snapshots():
    return list(VoteSnapshot.objects.order_by("taken_at").values_list("taken_at", "upvotes"))


@pytest.mark.django_db
def test_fetches_keep_votes_by_the_hour_where_they_changed():
    for votes, at in [(3, NOW), (3, NOW + HOUR), (8, NOW + 2 * HOUR), (9, NOW + 2.5 * HOUR)]:
        fetch(votes, at)
    assert snapshots() == [(NOW, 3), (NOW + 2 * HOUR, 9)]


@pytest.mark.django_db
def test_warming_orders_the_papers_and_cools_them_again():
    fetch(40, NOW)
    other = make_paper(trending_rank=1, upvotes=0)
    assert trending.warm(NOW) == 2
    hot = Paper.objects.get(arxiv_id="2608.00001")
    assert trending.newest() == [hot.pk, other.pk]
    Paper.objects.update(trending_rank=None)
    assert trending.warm(NOW + 30 * DAY) == 0
    assert trending.newest() == []


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_papers(django_assert_max_num_queries):
    for _ in range(30):
        trending.keep([make_paper()], NOW)
    with django_assert_max_num_queries(9):
        trending.warm(NOW)


@pytest.mark.django_db
def test_snapshots_of_long_ago_are_forgotten():
    trending.keep([make_paper()], NOW - 31 * DAY)
    trending.keep([make_paper()], NOW)
    assert forgetting.forget(NOW)["vote_snapshots"] == 1
    assert len(snapshots()) == 1


@pytest.mark.django_db
def test_edition_keeps_how_fast_votes_came_when_it_closed():
    paper = make_paper(upvotes=30)
    make_listing(paper, (NOW - DAY).date())
    VoteSnapshot.objects.create(paper=paper, taken_at=NOW - 10 * HOUR, upvotes=10)
    VoteSnapshot.objects.create(paper=paper, taken_at=NOW, upvotes=30)
    with time_machine.travel(NOW, tick=False):
        building.build((NOW - DAY).date())
    assert EditionPaper.objects.get().speed == pytest.approx(2)
