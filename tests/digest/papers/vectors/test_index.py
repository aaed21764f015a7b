"""The rows of papers in memory; no database."""

import numpy as np
import pytest

from digest.papers.vectors import analysis, index, space
from digest.papers.vectors.index import Index, Row


def row(paper_id: int, text: str, dense: bytes = b"") -> Row:
    return Row(paper_id, analysis.packed(analysis.terms((1, text))), dense)


def nearest(found: Index, text: str, vector=None, share: float = 0.0) -> list[int]:
    near = found.nearest(analysis.terms((1, text)), vector, most=10, meaning_counts=share)
    return [paper.paper_id for paper in near]


@pytest.fixture
def papers() -> Index:
    found = Index(2)
    found.add([row(number, f"filler{number} walking") for number in range(10, 30)])
    found.add([row(1, "walking robots"), row(2, "robots on stairs"), row(3, "cooking")])
    return found


def test_terms_come_back_as_they_were_packed():
    terms = analysis.terms((3, "Robots walk"), (1, "walking robots on stairs"))
    again = analysis.unpacked(analysis.packed(terms))

    assert again.hashes.tolist() == terms.hashes.tolist() == sorted(terms.hashes.tolist())
    assert again.weights.tolist() == terms.weights.tolist()
    assert len(terms.hashes) == 3, "stop words are left out"


def test_a_word_of_the_title_weighs_more():
    (title,), (abstract,) = (
        analysis.terms((times, "robots")).weights for times in (analysis.TITLE, analysis.ABSTRACT)
    )

    assert title > abstract


def test_a_rare_word_counts_more_than_a_frequent_one(papers):
    assert nearest(papers, "walking stairs")[0] == 2


def test_papers_without_any_of_the_words_are_not_found(papers):
    assert nearest(papers, "robots") == [1, 2] or nearest(papers, "robots") == [2, 1]
    assert nearest(papers, "unheard") == []


def test_the_newest_row_of_a_paper_counts(papers):
    papers.add([row(1, "baking")])

    assert nearest(papers, "robots") == [2]
    assert nearest(papers, "baking") == [1]
    assert len(papers) == 23


def test_dropped_papers_do_not_come_up(papers):
    papers.drop(np.array([2]))

    assert nearest(papers, "stairs") == []
    assert 2 not in papers.ids()


def test_small_segments_become_one_that_finds_the_same():
    many = Index(2)
    for number in range(12):
        many.add(
            [
                row(
                    number,
                    f"word{number} robots",
                    space.packed(space.normal(np.array([np.cos(number / 9), np.sin(number / 9)]))),
                )
            ]
        )
    many.drop(np.array([4]))
    vector = space.normal(np.array([np.cos(7 / 9), np.sin(7 / 9)]))

    assert len(many.segments) < 8
    assert nearest(many, "word9") == [9]
    assert nearest(many, "word4") == []
    assert nearest(many, "unheard", vector, share=1.0)[0] == 7


def test_the_cosine_is_that_of_the_vectors():
    found = Index(3)
    vectors = [space.normal(np.array(numbers)) for numbers in ([1, 2, 3], [3, -1, 0], [-1, -2, -3])]
    found.add([row(n, "robots", space.packed(vector)) for n, vector in enumerate(vectors)])

    near = found.nearest(analysis.terms(), vectors[0], most=3, meaning_counts=1.0)

    assert [paper.paper_id for paper in near] == [0, 1]
    assert near[0].meaning == pytest.approx(1, abs=0.01)
    assert near[1].meaning == pytest.approx(float(vectors[0] @ vectors[1]), abs=0.01)


def test_a_paper_of_another_space_is_found_by_its_words_only():
    found = Index(3)
    found.add([row(1, "robots", space.packed(space.normal(np.ones(5))))])
    (near,) = found.nearest(
        analysis.terms((1, "robots")), space.normal(np.ones(3)), most=3, meaning_counts=0.5
    )

    assert near.meaning == 0
    assert near.wording > 0


def test_unknown_words_lessen_the_share_that_a_paper_has(papers):
    alone, beside = (
        papers.nearest(analysis.terms((1, text)), None, most=1, meaning_counts=0.0)[0].wording
        for text in ("stairs", "stairs unheard unseen")
    )

    assert beside < alone / 2


def test_segments_are_no_larger_than_their_places_can_count():
    most = (index.MOST_SEGMENTS + 1) * index.SEGMENT / index.MOST_SEGMENTS

    assert max(most, index.SEGMENT) < np.iinfo(np.uint16).max
