"""The names of the archive: counted by ingest, and suggested."""

from datetime import UTC, date, datetime

import pytest

from digest.models import Author
from digest.papers import authors, ingest
from digest.records import PaperRecord

pytestmark = pytest.mark.django_db


def record(arxiv_id, *names, version=1):
    return PaperRecord(
        arxiv_id=arxiv_id,
        title="Title",
        abstract="Abstract",
        authors=names,
        published_at=datetime(2026, 8, 20, tzinfo=UTC),
        listed_on=date(2026, 8, 20),
        version=version,
    )


def counted():
    return dict(Author.objects.values_list("name", "papers"))


def test_ingest_counts_the_papers_of_each_name():
    ingest.store([record("2608.00001", "Ada Lovelace", "Alan Turing")], source="arxiv")
    ingest.store([record("2608.00002", "Ada Lovelace")], source="arxiv")
    assert counted() == {"Ada Lovelace": 2, "Alan Turing": 1}


def test_storing_again_counts_nothing():
    for _ in range(3):
        ingest.store([record("2608.00001", "Ada Lovelace")], source="arxiv")
    assert counted() == {"Ada Lovelace": 1}


def test_author_who_left_a_paper_is_not_counted_with_it():
    ingest.store([record("2608.00001", "Ada Lovelace", "Alan Turing")], source="arxiv")
    ingest.store([record("2608.00001", "Ada Lovelace", "Grace Hopper", version=2)], source="arxiv")
    assert counted() == {"Ada Lovelace": 1, "Alan Turing": 0, "Grace Hopper": 1}
    assert [each.name for each in authors.suggest("alan")] == []


def test_spellings_with_and_without_accents_are_one_author():
    authors.count(["José García"])
    authors.count(["Jose Garcia"])
    assert counted() == {"José García": 2}


@pytest.mark.parametrize("beginning", ["yej", "YEJIN C", "choi", "Choi Yejin"])
def test_name_is_found_by_its_beginning_or_its_last_word(beginning):
    authors.count(["Yejin Choi", "Ada Lovelace"])
    assert [each.name for each in authors.suggest(beginning)] == ["Yejin Choi"]


def test_who_has_more_papers_comes_first():
    authors.count(["Ann Lee", "Bo Lee"])
    authors.count(["Bo Lee"])
    assert authors.suggest("lee")[0] == authors.Suggestion("Bo Lee", 2)


def test_name_that_is_no_name_is_passed_over():
    authors.count(["", "  ", "x" * 121])
    assert counted() == {}
