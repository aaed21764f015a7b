"""Papers like a paper."""

import pytest

from digest.papers import similar
from subscriptions.models import Topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def robots() -> Topic:
    return Topic.objects.create(slug="test-robots", name="Test robots")


def test_a_rare_word_in_common_counts_more_than_a_frequent_one():
    for number in range(12):
        make_paper(title=f"Xylophones for object {number}x")
    frequent = make_paper(title="Xylophones for cooks")
    rare = make_paper(title="Zithers for cats")
    paper = make_paper(title="Xylophones for zithers")

    found = similar.papers_like(paper, limit=14)

    assert found[0] == rare
    assert frequent in found
    assert paper not in found


def test_keywords_count_as_words_of_the_title(robots):
    other = make_paper(title="Legged locomotion")
    paper = make_paper(title="Walking", keywords=["locomotion"])

    assert similar.papers_like(paper) == [other]


def test_shared_topics_part_papers_with_the_same_words(robots):
    on_topic = make_paper(title="Walking upstairs", topics=[robots])
    other = make_paper(title="Walking downstairs")
    paper = make_paper(title="Walking", topics=[robots])

    assert similar.papers_like(paper) == [on_topic, other]


def test_papers_of_its_topic_are_found_where_no_title_is_alike(robots):
    other = make_paper(title="Grasping cups", abstract="", topics=[robots])
    make_paper(title="Reading books", abstract="")
    paper = make_paper(title="Walking", topics=[robots])

    assert similar.papers_like(paper) == [other]


def test_the_answer_is_the_same_each_time_and_no_longer_than_wanted(robots):
    for _ in range(9):
        make_paper(title="Walking", topics=[robots])
    paper = make_paper(title="Walking", topics=[robots])

    first = similar.papers_like(paper, limit=5)

    assert len(first) == 5
    assert similar.papers_like(paper, limit=5) == first


def test_a_paper_without_words_topics_or_neighbours_has_none():
    make_paper(title="Walking")

    assert similar.papers_like(make_paper(title="…", abstract="", keywords=[None, 7])) == []


def test_the_number_of_queries_is_small(robots, django_assert_max_num_queries):
    for _ in range(9):
        make_paper(title="Walking", topics=[robots])
    paper = make_paper(title="Walking far", topics=[robots])
    similar.papers_like(paper)

    with django_assert_max_num_queries(10):
        similar.papers_like(paper)
