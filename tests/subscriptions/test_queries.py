"""The language of followed keywords."""

import pytest

from subscriptions import queries
from subscriptions.errors import ChoiceError

TEXT = queries.fold(
    "Speculative decoding for video Transformers: a fine-tuning study, not a survéy"
)


@pytest.mark.parametrize(
    "keyword",
    [
        "speculative decoding",
        '"speculative decoding"',
        "transformer",
        "fine tuning",
        "Fine-Tuning",
        "survey",
        "vision OR video",
        "transformer AND (vision OR video)",
        "transformer NOT diffusion",
        "transformer AND NOT diffusion",
        '"video transformers" "fine-tuning"',
        "NOT diffusion AND transformer",
        "diffusion OR (video AND decoding)",
    ],
)
def test_keyword_is_found(keyword):
    assert queries.parse(keyword).matches(TEXT)


@pytest.mark.parametrize(
    "keyword",
    [
        "decoding speculative",
        "transform",
        "vision AND video",
        "transformer NOT survey",
        "transformer AND (vision OR audio)",
        "NOT video AND transformer",
        "and",
    ],
)
def test_keyword_is_not_found(keyword):
    assert not queries.parse(keyword).matches(TEXT)


def test_and_binds_before_or():
    assert queries.parse("video OR vision AND audio").matches("video")
    assert not queries.parse("(video OR vision) AND audio").matches("video")


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
    assert queries.read(keyword).matches(f"on {queries.fold(keyword)} now")
    assert not queries.read(keyword).matches("nothing")
