"""The language of followed keywords."""

import pytest

from subscriptions import queries
from subscriptions.errors import ChoiceError

TEXT = "speculative decoding for video transformers: a fine-tuning study, not a survey"


def matches(keyword, text):
    """As an index does that knows words only as they are."""
    return queries.parse(keyword).among(1, lambda phrase: int(f" {phrase} " in f" {text} ")) == 1


@pytest.mark.parametrize(
    "keyword",
    [
        "speculative decoding",
        '"speculative decoding"',
        "transformers:",
        "fine-tuning",
        "survey",
        "vision OR video",
        "transformers: AND (vision OR video)",
        "transformers: NOT diffusion",
        "transformers: AND NOT diffusion",
        '"video transformers:" "fine-tuning"',
        "NOT diffusion AND transformers:",
        "diffusion OR (video AND decoding)",
    ],
)
def test_keyword_is_found(keyword):
    assert matches(keyword, TEXT)


@pytest.mark.parametrize(
    "keyword",
    [
        "decoding speculative",
        "transform",
        "vision AND video",
        "transformers: NOT survey",
        "transformers: AND (vision OR audio)",
        "NOT video AND transformers:",
        "and",
    ],
)
def test_keyword_is_not_found(keyword):
    assert not matches(keyword, TEXT)


def test_and_binds_before_or():
    assert matches("video OR vision AND audio", "video")
    assert not matches("(video OR vision) AND audio", "video")


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("video AND", "stand between words"),
        ("OR video", "stand between words"),
        ("video OR OR vision", "stand between words"),
        ("(video", "is not closed"),
        ("video)", "never opened"),
        ('video "vision', "quotation mark"),
        ("NOT video", "beside its NOT"),
        ("video OR NOT vision", "beside its NOT"),
        ("...", "a letter or a digit"),
        ('""', "a letter or a digit"),
        ("", "stand between words"),
        ("(" * 40 + "video" + ")" * 40, "too deeply"),
        ("NOT " * 40 + "video", "too deeply"),
    ],
)
def test_keyword_that_cannot_be_read_says_why(keyword, words):
    with pytest.raises(ChoiceError, match=words):
        queries.parse(keyword)


@pytest.mark.parametrize("keyword", ["c++ (all", "AND", "++", '"'])
def test_what_was_stored_before_there_were_queries_is_a_phrase(keyword):
    asked = []
    queries.read(keyword).among(1, lambda phrase: asked.append(phrase) or 0)
    assert asked == [keyword]
