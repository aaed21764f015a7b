import re
from datetime import UTC, date

import pytest

from digest.models import Paper
from digest.papers import sample

RECORDS = sample.read()[1]
each_paper = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.arxiv_id)


def test_sample_has_25_different_papers_most_votes_first():
    votes = [record.upvotes for record in RECORDS]
    assert len({record.arxiv_id for record in RECORDS}) == 25
    assert votes == sorted(votes, reverse=True)


@each_paper
def test_summary_is_one_readable_sentence(record):
    assert 60 <= len(record.summary) <= 240


@each_paper
def test_abstract_is_a_short_paragraph(record):
    assert 300 <= len(record.abstract) <= 600


@each_paper
def test_no_markup_is_left_in_the_text(record):
    text = " ".join([record.title, record.summary, record.abstract, *record.keywords])
    assert not re.search(r"[\\${}<>\n]|  |&\w+;|\^|~", text)


@each_paper
def test_links_are_https(record):
    links = [record.code_url, record.project_url, record.discussion_url]
    assert all(link.startswith("https://") for link in links if link)
    assert record.discussion_url.endswith(record.arxiv_id)


@each_paper
def test_facts_are_present_and_sane(record):
    assert record.authors
    assert record.published_at.tzinfo == UTC
    assert record.listed_on == date(2026, 8, 20)
    assert 1 <= len(record.keywords) <= 5


def test_loading_twice_stores_every_paper_once(db):
    assert sample.load() == sample.load() == date(2026, 8, 20)
    assert Paper.objects.count() == 25
