"""Papers with all the words, then papers near the question; the same on PostgreSQL and SQLite."""

from datetime import UTC, datetime

import pytest

from digest.models import Paper
from digest.papers import meaning, search, vectors
from subscriptions.models import Topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


def titles(ids) -> list[str]:
    known = Paper.objects.in_bulk(ids)
    return [known[pk].title for pk in ids]


def ask(text: str, **options) -> meaning.Answer:
    vectors.refresh()
    return meaning.find(search.parse(text), **options)


@pytest.fixture
def music() -> list[Paper]:
    return [
        make_paper(title="Zithers and xylophones", abstract=""),
        make_paper(title="Zithers", abstract=""),
        make_paper(title="Xylophones", abstract="", published_at=datetime(2020, 5, 1, tzinfo=UTC),
                   authors=["Grace Hopper"], categories=["cs.SD"]),
        make_paper(title="Quarks", abstract=""),
    ]  # fmt: skip


def test_a_sentence_finds_papers_with_some_of_its_words(music):
    answer = ask("which zithers were played by mermaids")

    assert answer.found.total == 0
    assert titles(answer.near)[:1] == ["Zithers"]


def test_papers_with_all_words_come_first_and_none_comes_twice(music):
    answer = ask("zithers xylophones")

    assert titles(answer.found) == ["Zithers and xylophones"]
    assert sorted(titles(answer.near)) == ["Xylophones", "Zithers"]
    assert (answer.found.total, answer.all_near, answer.reachable) == (1, 2, 3)


def test_pages_follow_one_another(music):
    whole = ask("zithers xylophones").ids

    pages = [ask("zithers xylophones", start=start, limit=1).ids for start in range(4)]

    assert [pk for page in pages for pk in page] == list(whole)
    assert pages[3] == ()


@pytest.mark.parametrize(
    "text",
    ['"zithers" mermaids', "zithers mermaids -quarks", "zithers mermaids OR sirens", "zithers AND mermaids",
     "mermaids NOT zithers", 'author:"Grace Hopper"', "after:2019"],
)  # fmt: skip
def test_who_uses_an_operator_gets_no_others(music, text):
    assert ask(text).near == ()


def test_other_orders_have_no_others(music):
    query = search.narrowed(search.parse("zithers mermaids"), order=search.Order.NEWEST)

    assert meaning.find(query).near == ()


@pytest.mark.parametrize(
    "condition",
    ["before:2021", "author:hopper", "category:cs.SD", "-author:lovelace", "topic:test-music"],
)
def test_others_meet_the_conditions(music, condition):
    topic = Topic.objects.create(slug="test-music", name="Test music")
    music[2].paper_topics.create(topic=topic, score=1.0, published_at=music[2].published_at)

    assert titles(ask(f"zithers xylophones mermaids {condition}").near) == ["Xylophones"]


def test_an_excluded_topic_is_left_out(music):
    topic = Topic.objects.create(slug="test-music", name="Test music")
    music[2].paper_topics.create(topic=topic, score=1.0, published_at=music[2].published_at)

    assert "Xylophones" not in titles(ask("xylophones mermaids -topic:test-music").near)


def test_where_many_have_the_words_nobody_looks_for_others():
    for number in range(meaning.ENOUGH):
        make_paper(title=f"Zithers {number}")
    make_paper(title="Zither")

    assert ask("zithers").near == ()


def test_a_deleted_paper_is_in_no_answer_even_before_the_index_knows(music):
    ask("zithers mermaids")
    music[1].delete()

    assert "Zithers" not in titles(meaning.find(search.parse("zithers mermaids")).near)


def test_words_that_nobody_wrote_find_nothing(music):
    assert ask("qqqq wwww").ids == ()
