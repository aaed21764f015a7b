"""Search over all papers; the same on PostgreSQL and on SQLite."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digest.models import Paper, SearchEntry
from digest.papers import ingest, search
from digest.records import PaperRecord
from subscriptions.models import Topic
from tests.digest.builders import make_paper

pytestmark = pytest.mark.django_db


def found(text: str) -> list[Paper]:
    ids = search.find(search.parse(text))
    papers = Paper.objects.in_bulk(ids)
    return [papers[pk] for pk in ids]


def titles(text: str) -> list[str]:
    return [paper.title for paper in found(text)]


def published(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def record(**fields) -> PaperRecord:
    defaults = {
        "arxiv_id": "2608.00001",
        "title": "Walking robots",
        "abstract": "They walk.",
        "authors": ("Ada Lovelace",),
        "published_at": published(2026, 8, 18),
    }
    return PaperRecord(**defaults | fields)


def test_all_words_must_match_wherever_they_stand():
    make_paper(title="Robots that walk", abstract="On stairs.")
    make_paper(title="Robots that fly", abstract="In rain.")

    assert titles("stairs robots") == ["Robots that walk"]
    assert titles("stairs rain") == []


def test_words_match_by_stem_case_and_without_diacritics():
    make_paper(title="Schrödinger Bridges", abstract="We generalized diffusing models.")

    for text in ("schrodinger", "SCHRÖDINGER bridge", "diffused", "generalizes", "Modeling"):
        assert titles(text) == ["Schrödinger Bridges"], text


def test_hyphens_make_no_difference():
    first = make_paper(title="Fine-tuning small models")
    second = make_paper(title="Fine tuning large models")
    third = make_paper(title="Finetuning any model")

    assert {paper.pk for paper in found("fine tuning")} == {first.pk, second.pk}
    assert {paper.pk for paper in found("fine‑tuning")} == {first.pk, second.pk, third.pk}


def test_a_phrase_is_found_only_in_its_order_and_within_one_field():
    make_paper(title="Language models", abstract="They are large.")
    make_paper(title="Models of language", abstract="Small ones.")

    assert titles('"language models"') == ["Language models"]
    assert titles("“language models”") == ["Language models"]
    assert titles('"models they"') == []
    assert titles('"language models') == ["Language models"]


def test_words_that_are_everywhere_can_be_part_of_a_phrase():
    make_paper(title="Attention Is All You Need")
    make_paper(title="You need all: attention, is it?")

    assert titles('"attention is all you need"') == ["Attention Is All You Need"]
    assert len(found("the")) == 0
    assert len(found("is all you")) == 2


def test_or_joins_two_words_and_the_rest_must_match_as_well():
    make_paper(title="Cats asleep")
    make_paper(title="Dogs asleep")
    make_paper(title="Dogs awake")

    assert set(titles('asleep cats OR "dogs asleep"')) == {"Cats asleep", "Dogs asleep"}
    assert titles("OR cats") == ["Cats asleep"]
    assert titles("cats OR") == ["Cats asleep"]


@pytest.mark.parametrize(
    "text", ["cats -dogs", "cats NOT dogs", 'cats -"dogs asleep"', "-dogs cats"]
)
def test_what_is_excluded_is_left_out(text):
    make_paper(title="Cats and birds")
    make_paper(title="Cats and dogs asleep")

    assert titles(text) == ["Cats and birds"]


def test_a_hyphen_within_a_word_excludes_nothing():
    make_paper(title="A state-of-the-art survey")

    assert titles("state-of-the-art") == ["A state-of-the-art survey"]


def test_a_query_of_exclusions_only_finds_nothing():
    make_paper()

    assert titles("-dogs") == []
    assert titles("") == []


def test_authors_are_found_by_name_full_name_and_initial():
    make_paper(title="First", authors=["Yejin J. Choi", "Tom Müller"])
    make_paper(title="Second", authors=["Yejin Park", "Tom Choi"])

    assert set(titles("author:choi")) == {"First", "Second"}
    for text in (
        'author:"Yejin Choi"',
        'author:"Y. Choi"',
        'author:"yejin j choi"',
        "author:muller",
    ):
        assert titles(text) == ["First"], text
    assert titles("author:choi -author:park") == ["First"]
    assert titles("Yejin Müller") == ["First"]
    assert titles('"Choi Tom"') == []


def test_topics_narrow_down():
    robots = Topic.objects.create(slug="test-robots", name="Test robots")
    make_paper(title="Walking", topics=[robots])
    make_paper(title="Walking dogs")

    assert titles("walking topic:test-robots") == ["Walking"]
    assert titles("topic:test-robots") == ["Walking"]
    assert titles("walking -topic:test-robots") == ["Walking dogs"]


def test_categories_narrow_down_by_part_and_whole():
    make_paper(title="Language", categories=["cs.CL", "stat.ML"])
    make_paper(title="Vision", categories=["cs.CV"])
    make_paper(title="Physics", categories=["math-ph"])

    assert titles("category:cs.CL") == ["Language"]
    assert titles("category:stat.ml") == ["Language"]
    assert set(titles("category:cs")) == {"Language", "Vision"}
    assert titles("category:math-ph") == ["Physics"]
    assert titles("category:cs -category:cs.CV") == ["Language"]


def test_dates_narrow_down_by_year_month_and_day():
    for year in (2023, 2024, 2025):
        make_paper(title=f"Walk {year}", published_at=published(year, 6, 15))

    assert set(titles("walk before:2025")) == {"Walk 2023", "Walk 2024"}
    assert titles("walk after:2025") == ["Walk 2025"]
    assert titles("walk after:2024-06 before:2024-7") == ["Walk 2024"]
    assert titles("walk after:2024-06-15 before:2024-06-16") == ["Walk 2024"]
    assert titles("before:2024") == ["Walk 2023"]


@pytest.mark.parametrize(
    "bad",
    [
        "before:soon", "after:2025-13", "after:2025-02-30", "before:", "before:0000", "topic:nothing",
        "category:c5", "author:", 'author:"…"', "topic:", "before:２０２５",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_noted_and_the_rest_is_searched(bad):
    make_paper(title="Walking")

    query = search.parse(f"walking {bad}")

    assert len(query.notes) == 1
    assert len(search.find(query)) == 1


def test_the_title_counts_most_then_keywords_then_the_abstract():
    make_paper(title="One", abstract="Of pruning. Pruning. Pruning.", upvotes=500)
    make_paper(title="Two", keywords=["pruning"], upvotes=50)
    make_paper(title="Pruning", abstract="Briefly.", upvotes=0)

    assert titles("pruning") == ["Pruning", "Two", "One"]


def test_votes_and_newness_part_what_is_alike():
    make_paper(title="Pruning", arxiv_id="1", upvotes=1, published_at=published(2025))
    make_paper(title="Pruning", arxiv_id="2", upvotes=90, published_at=published(2025))
    make_paper(title="Pruning", arxiv_id="3", upvotes=1, published_at=published(2019))

    assert [paper.arxiv_id for paper in found("pruning")] == ["2", "1", "3"]


@pytest.mark.parametrize("text", ["pruning", '"pruning roses"', "after:2000"])
def test_papers_come_by_votes_or_by_date_where_that_is_asked_for(text):
    about = {"title": "Other", "abstract": "Of pruning roses."}
    make_paper(arxiv_id="1", **about, upvotes=9, published_at=published(2024))
    make_paper(arxiv_id="2", **about | {"title": "Pruning roses"}, published_at=published(2023))
    make_paper(arxiv_id="3", **about, upvotes=90, published_at=published(2022))

    def ordered(order):
        ids = search.find(search.narrowed(search.parse(text), order=order))
        return [Paper.objects.get(pk=pk).arxiv_id for pk in ids]

    assert ordered(search.Order.VOTES) == ["3", "1", "2"]
    assert ordered(search.Order.NEWEST) == ["1", "2", "3"]


def test_pages_follow_one_another_and_the_total_is_that_of_all():
    for number in range(7):
        make_paper(title="Pruning", upvotes=number)
    query = search.parse("pruning")

    pages = [search.find(query, start=start, limit=3) for start in (0, 3, 6)]

    assert [page.total for page in pages] == [7, 7, 7]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [pk for page in pages for pk in page] == list(search.find(query))


def test_a_page_after_the_last_one_is_empty():
    make_paper(title="Pruning")

    assert list(search.find(search.parse("pruning"), start=10)) == []


def test_narrowed_adds_a_topic_and_a_year():
    topic = Topic.objects.create(slug="test-robots", name="Test robots")
    make_paper(title="Walking", topics=[topic], published_at=published(2024))
    make_paper(title="Walking", topics=[topic], published_at=published(2025))
    make_paper(title="Walking", published_at=published(2024))

    query = search.narrowed(search.parse("walking"), topic="test-robots", year=2024)

    assert len(search.find(query)) == 1


def test_a_new_paper_is_found_at_once():
    ingest.store([record()], source="arxiv")

    assert titles("robot") == ["Walking robots"]


def test_new_words_and_authors_take_the_place_of_the_old_ones():
    ingest.store([record()], source="arxiv")
    ingest.store(
        [record(title="Flying robots", authors=("Alan Turing",), version=2)], source="arxiv"
    )

    assert titles("flying author:turing") == ["Flying robots"]
    assert titles("lovelace") == []
    assert search.find(search.parse("robots")).total == 1


def test_new_votes_count():
    ingest.store(
        [record(), record(arxiv_id="2608.00002")],
        source="arxiv",
    )
    for arxiv_id in ("2608.00001", "2608.00002"):
        ingest.store([record(arxiv_id=arxiv_id, upvotes=90)], source="arxiv")
        assert found("robots")[0].arxiv_id == arxiv_id
        ingest.store([record(arxiv_id=arxiv_id, upvotes=1)], source="arxiv")


def test_a_deleted_paper_leaves_nothing():
    make_paper(title="Pruning").delete()

    assert search.find(search.parse("pruning")).total == 0


def test_all_papers_are_indexed_anew_and_words_of_deleted_ones_go(settings):
    kept, gone = make_paper(title="Kept"), make_paper(title="Gone")
    gone.delete()
    Paper.objects.filter(pk=kept.pk).update(title="Renamed")

    assert search.index_all() == 1

    assert titles("renamed") == ["Renamed"]
    assert titles("kept") == []
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT rowid FROM digest_searchwords")
            assert cursor.fetchall() == [(kept.pk,)]


def test_papers_that_are_not_in_the_index_get_into_it_the_newest_first():
    papers = [make_paper(title="Pruning") for _ in range(3)]
    SearchEntry.objects.all().delete()

    assert search.index_missing(most=2) == 2
    assert {paper.pk for paper in found("pruning")} == {paper.pk for paper in papers[1:]}
    assert search.index_missing() == 1
    assert search.index_missing() == 0
    assert len(found("pruning")) == 3


def test_indexing_again_changes_nothing():
    paper = make_paper(title="Pruning")

    search.index([paper.pk, paper.pk])
    search.index([paper.pk, paper.pk + 999])

    assert search.find(search.parse("pruning")).total == 1


def test_the_number_of_queries_does_not_grow_with_the_papers(django_assert_max_num_queries):
    ids = [make_paper().pk for _ in range(20)]

    with django_assert_max_num_queries(4):
        search.index(ids)


def test_texts_of_any_size_are_indexed():
    make_paper(title="Word " * 20_000, abstract="x" * 100_000, keywords=["a" * 5_000, 7, None])

    assert len(found("word")) == 1


ODD = [
    "", '"', '""', "-", "--", "OR", "OR OR", "NOT", "AND", "*", "a*", "NEAR(a b)", "a:b", "title:x",
    "{title} : x", "^a", "(a", "a)", "a & b", "a | !b", "a <-> b", "'", "\\", "'; DROP TABLE", "%s",
    "%(most)s", "\0", "a\0b", "\ud800", "a\udfffb", "x" * 10_000, "a " * 5_000, '"a' * 200,
    "author:" * 100, 'author:"', "before:9999-12-31", "after:0001", "漢字", "日本語 \u200d", "É́́́",
    "author:\0", "-author:", "topic:%", "tags : x", "words:1A", "a:*", "'a':1", "½ ² ⅷ", "ß ŉ ǰ",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_no_text_is_too_odd(text):
    make_paper(title="a b x")

    search.find(search.parse(text))
    search.find(search.parse(f"b {text}"))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.text(st.characters(), max_size=80),
        st.lists(
            st.sampled_from(
                [*ODD[:40], "robot", "walk", " ", '"', "-", "OR", "author:", "before:20"]
            ),
            max_size=8,
        ).map(" ".join),
    )
)
@example("'")
def test_any_text_can_be_searched_for(text):
    query = search.parse(text)
    search.find(query)
    search.find(search.narrowed(query, topic="x", year=2025))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    title=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
)
@example(title="0«-0")
def test_a_paper_is_found_by_its_own_title_whatever_that_is(title):
    paper = make_paper(title=title, arxiv_id=f"t{Paper.objects.count()}")
    # A quote in it, of whatever kind, would end the phrase.
    quoted = "".join(" " if char in '"“”„«»\uff02' else char for char in title)
    query = search.parse(f'"{quoted}"')

    if query.groups and len(query.groups[0][0]) < 20:
        assert paper.pk in search.find(query).ids
    paper.delete()


def test_the_letters_of_a_query_are_limited_and_it_says_so():
    query = search.parse("walk " * 100)

    assert len(query.text) <= search.MOST_LETTERS
    assert query.notes


def test_years_at_both_ends_are_no_trouble():
    make_paper(title="Walk")

    assert titles("walk after:0001 before:9999") == ["Walk"]
    assert search.parse("x after:0001").since == date(1, 1, 1)


def test_a_phrase_among_papers_that_are_hardly_voted_for_is_found(monkeypatch):
    monkeypatch.setattr(search.postgres, "READ_FOR_PHRASES", 2)
    for votes in range(10, 13):
        make_paper(title="Walking on stairs", abstract="Robots.", upvotes=votes)
    make_paper(title="Robots", abstract="They are robots walking home.", upvotes=0)

    assert titles('"robots walking"') == ["Robots"]
