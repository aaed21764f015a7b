"""Upstream text becomes text that a person can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.text import readable


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("two\n  lines", "two lines"),
        (r"{\em speculative} {\it decoding\/} at 5\%", "speculative decoding at 5%"),
        (r"{\empty set}", r"{\empty set}"),
        (r"error of $\mathcal{O}(n^2)$", "error of O(n^2)"),
        (r"Zetta $\zeta$ and $\alpha$-stable", "Zetta ζ and α-stable"),
        (r"a gain of 12\% over \textbf{strong} baselines", "a gain of 12% over strong baselines"),
        (r"by G\"odel and Erd\H{o}s", "by Gödel and Erdős"),
        ("It costs $5 instead of $10 a day", "It costs $5 instead of $10 a day"),
        ("costs $5 per million tokens and $7 later", "costs $5 per million tokens and $7 later"),
        (r"an unclosed $\alpha formula", "an unclosed $α formula"),
        ("a\x00b\x07c\u202ed\ufeffe", "abcde"),
        ("half\ud800 a character", "half a character"),
        ("a" + "\u0323" * 99, "\u1ea1" + "\u0323" * 29),
        ("e\u0301", "é"),
        ("a < b & c > d <script>", "a < b & c > d <script>"),
        ("100% sure", "100% sure"),
        ("", ""),
    ],
)
def test_text_is_made_readable(source, text):
    assert readable(source) == text


@pytest.mark.parametrize("source", [r"\\" * 500, "$" * 999, r"\frac{" * 300, "{" * 999, "\\"])
def test_broken_latex_stays_text(source):
    assert isinstance(readable(source), str)


@pytest.mark.parametrize(
    "source",
    ["$$" + "a" * 49_996 + "$$", "a" + "\u0301" * 25_000 + "\u0323" * 25_000, "$" * 50_000,
     "\\" * 50_000, "{" * 50_000 + "$", "\\(" * 25_000, "\\a{" * 16_000, "$a$ " * 12_500,
     r"\textbf{" + "$a" * 24_000 + "}", r"\textbf{" + "%" * 49_000 + "}", r"{\em a" * 900 + "b" * 49_000],
    ids=range(11),
)  # fmt: skip
def test_longest_abstract_takes_no_endless_time(source):
    assert isinstance(readable(source), str)


def test_formula_of_its_own_line_is_converted():
    assert readable(r"as $$\alpha + \beta$$ shows") == "as α + β shows"


def test_text_that_is_nothing_but_signs_stays_as_it_is():
    assert readable(r"\$" * 1000) == r"\$" * 1000


def test_reading_twice_changes_nothing_for_plain_text():
    once = readable("We  measure\nwhat was only guessed.")
    assert readable(once) == once


@given(st.text(alphabet="$\\{}^_&%()[]|x fracsqtl", max_size=40))
def test_formulas_cut_anywhere_stop_nothing(text):
    assert isinstance(readable(text), str)


def test_formula_that_its_reader_trips_over_stays_as_it_was():
    assert readable(r"$ \\\sqrt%$_)$ and more").endswith("and more")
