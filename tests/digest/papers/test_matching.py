"""Which papers have a phrase, are by somebody, or come from somewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.matching import Matchable, MatchIndex, bits
from tests import recorded

PAPER = Matchable(
    (
        "Speculative decoding for video Transformers: a fine-tuning study, not a survéy",
        "We pre-train C++ agents (all of them) with low rank adapters and O(n²) attention.",
        "μP scaling",
    ),
    ("Tri Dao", "José García-Pérez", "Yejin J. Choi", "DeepSeek-AI"),
    "Google DeepMind",
)
OTHER = Matchable(("Fragments storage", "Nothing of it."), ("Li Wang", "T. Do"), "Meta")


@pytest.fixture(scope="module")
def index():
    return MatchIndex([OTHER, PAPER])


@pytest.mark.parametrize(
    "keyword",
    [
        "speculative decoding",
        '"speculative decoding"',
        "Speculatively decode",
        "transformer",
        "fine tuning",
        "Fine-Tuning",
        "finetuning",
        "fine\u2010tuned",
        "pretraining",
        "pre-trained",
        "low-rank adapter",
        "survey",
        "c++",
        "c++ (all)",
        r"$\mu$P",
        "vision OR video",
        "transformer AND (vision OR video)",
        "transformer NOT diffusion",
        '"video transformers" "fine-tuning"',
        "NOT diffusion AND transformer",
    ],
)
def test_keyword_finds_the_paper(index, keyword):
    assert list(bits(index.matching(keyword))) == [1]


@pytest.mark.parametrize(
    "keyword",
    [
        "decoding speculative",
        "rag",
        "c",
        "vision AND video",
        "transformer NOT survey",
        # From the title into the abstract.
        "survey we",
        "rank low",
    ],
)
def test_keyword_does_not_find_the_paper(index, keyword):
    assert index.matching(keyword) == 0


@pytest.mark.parametrize(
    "name",
    [
        "Tri Dao",
        "tri  dao",
        "T. Dao",
        "Dao, Tri",
        "Dao Tri",
        "Dao T",
        "Jose Garcia Perez",
        "J. García-Pérez",
        "Yejin Choi",
        "Y. J. Choi",
        "Choi, Yejin",
        "DeepSeek AI",
    ],
)
def test_author_is_found_however_the_name_is_written(index, name):
    assert list(bits(index.by(name))) == [1]


@pytest.mark.parametrize(
    "name", ["Dao", "Tran Dao", "Y. K. Choi", "Yejin", "D. Tri", "", "...", "Tri Daoud"]
)
def test_somebody_else_is_not_found(index, name):
    assert index.by(name) == 0


def test_initials_of_a_paper_stand_for_the_whole_name(index):
    assert list(bits(index.by("Thomas Do"))) == [0]


@pytest.mark.parametrize("name", ["Google DeepMind", "google", "DeepMind"])
def test_organisation_is_found_by_a_part_of_its_name(index, name):
    assert list(bits(index.from_(name))) == [1]


@pytest.mark.parametrize("name", ["Goo", "Google Brain", "", "Meta AI"])
def test_other_organisation_is_not_found(index, name):
    assert index.from_(name) == 0


def test_each_author_of_a_paper_by_hundreds_is_found():
    names = tuple(f"Ann{chr(97 + n % 26)} Author{chr(97 + n // 26)}" for n in range(533))
    index = MatchIndex([Matchable(("Title",), names)])
    assert all(index.by(name) for name in names)
    assert not index.by("Ann Authorzz")


@given(st.text(max_size=60))
def test_any_text_can_be_asked_for(text):
    index = MatchIndex([OTHER, PAPER])
    for answer in (index.matching, index.with_phrase, index.by, index.from_):
        assert 0 <= answer(text) <= index.everything


@recorded.needed
def test_real_paper_by_hundreds_is_found_by_an_author_and_its_words():
    papers = recorded.papers()
    index = MatchIndex(
        Matchable((paper.title, paper.abstract), paper.authors) for paper in papers.values()
    )
    titles = [paper.title for paper in papers.values()]

    def found(answer):
        return {titles[place] for place in bits(answer)}

    assert "The Llama 3 Herd of Models" in found(index.by("A. Dubey"))
    assert "The Llama 3 Herd of Models" in found(index.matching("herd of model NOT diffusion"))
    assert "iVideoGPT: Interactive VideoGPTs are Scalable World Models" in found(
        index.matching('ivideogpt AND ("world-model" OR robots)')
    )


@pytest.mark.parametrize(
    ("keyword", "text"),
    [("LLM", "Serving LLMs fast"), ("LLMs", "A LLM for chess"), ("GNNs", "One GNN is enough")],
)
def test_plural_of_letters_is_found_by_the_singular_and_the_other_way_round(keyword, text):
    assert MatchIndex([Matchable((text,))]).matching(keyword) == 1


@pytest.mark.parametrize("keyword", ["gloss", "CSS"])
def test_word_that_ends_in_two_letters_s_stays(keyword):
    assert MatchIndex([Matchable((keyword[:-1],))]).matching(keyword) == 0


@pytest.mark.parametrize(
    ("name", "author"), [("Lukasz Kaiser", "Łukasz Kaiser"), ("Søren Hauberg", "Soren Hauberg")]
)
def test_letters_with_a_bar_are_written_without(name, author):
    assert MatchIndex([Matchable(("On bounds",), (author,))]).by(name) == 1
