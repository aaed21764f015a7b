"""What a search found, marked in a text."""

import pytest

from digest.papers import search


def marked(text: str, query: str) -> str:
    return str(search.marked(text, search.parse(query)))


@pytest.mark.parametrize(
    ("text", "query", "html"),
    [
        ("Walking Robots walk.", "walk", "<mark>Walking</mark> Robots <mark>walk</mark>."),
        ("Language model models", '"language model"', "<mark>Language model</mark> models"),
        ("Fine-tuned and finetuned", "fine-tuning", "<mark>Fine-tuned</mark> and <mark>finetuned</mark>"),
        ("Schrödinger Schro\u0308dinger", "schrodinger", "<mark>Schrödinger</mark> <mark>Schro\u0308dinger</mark>"),
        ("a <b> & c", "b", "a &lt;<mark>b</mark>&gt; &amp; c"),
        ("cats and dogs", "cats OR dogs", "<mark>cats</mark> and <mark>dogs</mark>"),
        ("cats and dogs", "cats -dogs", "<mark>cats</mark> and dogs"),
        ("amp lt mark", "amp & lt", "<mark>amp</mark> <mark>lt</mark> mark"),
        ("x\ue000y\ue001", "z", "xy"),
        ("", "z", ""),
        ("Walking", "author:walking", "Walking"),
        ("O(n^2) n", "n", "O(n^2) <mark>n</mark>"),
    ],
)  # fmt: skip
def test_words_and_phrases_are_marked_and_the_rest_is_escaped(text, query, html):
    assert marked(text, query) == html


def test_an_excerpt_begins_with_the_sentence_that_has_most_of_the_words():
    text = (
        "A dog sleeps. " * 9
        + "It is late. " * 20
        + "Then a cat chases the dog away. "
        + "Nothing happens. " * 30
    )

    part = search.excerpt(text, search.parse("cat dog"), length=120)

    assert part.startswith("… Then a cat chases the dog away. Nothing")
    assert part.endswith("…")
    assert len(part) <= 125


def test_an_excerpt_from_the_start_has_no_dots_before_it():
    assert (
        search.excerpt("A cat. It sleeps.", search.parse("cat"), length=120) == "A cat. It sleeps."
    )


def test_there_is_no_excerpt_of_a_text_without_the_words():
    assert search.excerpt("A cat.", search.parse("dog"), length=120) == ""


def test_a_sentence_without_an_end_is_cut_at_a_word():
    part = search.excerpt(
        "word " * 100 + "needle " + "word " * 100, search.parse("needle"), length=120
    )

    assert "needle" in part
    assert part.startswith("… word")
