"""The rows that say which papers are about which topics."""

from datetime import UTC, datetime

import pytest

from digest.models import Paper, PaperTopic, TopicCorrection
from digest.papers import topics
from subscriptions.models import Topic


@pytest.fixture
def gardening(db) -> Topic:
    Topic.objects.all().delete()
    return Topic.objects.create(slug="gardening", name="Gardening", phrases=["tomato"])


def make_papers(count: int, *, title: str = "Tomatoes at night", first: int = 10000) -> list[int]:
    published_at = datetime(2026, 8, 20, tzinfo=UTC)
    return [
        Paper.objects.create(
            arxiv_id=f"2608.{first + number}", title=title, published_at=published_at
        ).pk
        for number in range(count)
    ]


def rows():
    return list(
        PaperTopic.objects.order_by("pk").values_list("pk", "topic__slug", "score", "reason")
    )


def test_tagging_stores_topic_score_and_reason(gardening):
    topics.tag(make_papers(1))
    row = PaperTopic.objects.get()
    assert (row.topic, row.reason) == (gardening, "tomato")
    assert 0 < row.score <= 1


def test_row_says_when_its_paper_came_out(gardening):
    papers = make_papers(1)
    topics.tag(papers)
    assert PaperTopic.objects.get().published_at == Paper.objects.get().published_at
    earlier = datetime(2020, 1, 1, tzinfo=UTC)
    Paper.objects.update(published_at=earlier)
    topics.tag(papers)
    assert PaperTopic.objects.get().published_at == earlier


def test_tagging_twice_keeps_the_same_rows(gardening):
    papers = make_papers(2)
    topics.tag(papers)
    before = rows()
    topics.tag(papers)
    assert rows() == before


def test_edited_phrase_changes_the_topics_of_papers(gardening):
    papers = make_papers(1)
    topics.tag(papers)
    Topic.objects.filter(pk=gardening.pk).update(phrases=["potato"])
    topics.tag(papers)
    assert rows() == []


def test_edited_category_changes_the_topics_of_papers(gardening):
    papers = make_papers(1, title="A study")
    Paper.objects.update(categories=["q-bio.PE"])
    Topic.objects.filter(pk=gardening.pk).update(categories=["q-bio.PE"])
    topics.tag(papers)
    assert [row[3] for row in rows()] == ["q-bio.PE"]


def test_new_words_of_a_paper_update_the_row(gardening):
    papers = make_papers(1)
    topics.tag(papers)
    before = PaperTopic.objects.get()
    Paper.objects.update(abstract="Tomatoes, and how tomato plants sleep.")
    topics.tag(papers)
    after = PaperTopic.objects.get()
    assert after.pk == before.pk
    assert after.score > before.score


def test_tagging_leaves_other_papers_alone(gardening):
    first, second = make_papers(2)
    topics.tag([first])
    Topic.objects.filter(pk=gardening.pk).update(phrases=[])
    topics.tag([second])
    assert PaperTopic.objects.filter(paper_id=first).exists()


@pytest.mark.parametrize("count", [1, 40])
def test_query_count_does_not_grow_with_papers(gardening, count, django_assert_max_num_queries):
    papers = make_papers(count)
    with django_assert_max_num_queries(7):
        topics.tag(papers)


@pytest.mark.parametrize("phrases", ["tomato", [["tomato"], 7], {"tomato": 1}])
def test_odd_phrases_stop_nobody(gardening, phrases):
    Topic.objects.create(slug="tools", name="Tools", phrases=["night"])
    Topic.objects.filter(pk=gardening.pk).update(phrases=phrases)
    topics.tag(make_papers(1))
    assert [row[1] for row in rows()] == ["tools"]


def test_tagging_nothing_is_fine(gardening):
    topics.tag([])
    assert rows() == []


def correct(paper_id: int, topic: Topic, *, is_about: bool) -> None:
    TopicCorrection.objects.create(paper_id=paper_id, topic=topic, is_about=is_about)


def test_topic_that_an_operator_took_away_stays_away(gardening):
    (paper,) = make_papers(1)
    correct(paper, gardening, is_about=False)
    topics.tag([paper])
    assert rows() == []


def test_topic_that_an_operator_gave_stays_whatever_the_words_are(gardening):
    (paper,) = make_papers(1, title="A study")
    correct(paper, gardening, is_about=True)
    topics.tag([paper])
    topics.tag([paper])
    assert [row[1:] for row in rows()] == [("gardening", 1.0, "by hand")]


def test_correction_of_one_paper_leaves_the_others(gardening):
    first, second = make_papers(2)
    correct(first, gardening, is_about=False)
    topics.tag([first, second])
    assert list(PaperTopic.objects.values_list("paper_id", flat=True)) == [second]
