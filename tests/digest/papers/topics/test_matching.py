"""Which topics a paper is about, by the rules of the catalogue."""

import json
from pathlib import Path

import pytest

from digest.papers.topics import TopicRule, match

ROOT = Path(__file__).resolve().parents[4]


def slugs(rules, **paper):
    return [found.slug for found in match(rules, **paper)]


def shipped_rules():
    catalogue = json.loads((ROOT / "subscriptions/data/topics.json").read_text("utf-8"))
    return [
        TopicRule(topic["slug"], tuple(topic["phrases"]), tuple(topic["categories"]))
        for topic in catalogue
    ]


def test_phrase_in_title_is_enough():
    assert slugs([TopicRule("audio", ("speech",))], title="Speech for all") == ["audio"]


def test_one_remark_in_the_abstract_is_not_enough():
    rules = [TopicRule("audio", ("speech",))]
    assert slugs(rules, title="A study", abstract="It may help speech one day.") == []


def test_several_phrases_in_the_abstract_are_enough():
    rules = [TopicRule("audio", ("speech", "voice", "music"))]
    abstract = "We model speech. A voice is cloned, and music is made."
    assert slugs(rules, title="A study", abstract=abstract) == ["audio"]


def test_keyword_adds_to_what_the_abstract_says():
    rules = [TopicRule("audio", ("speech", "voice"))]
    paper = {"title": "A study", "abstract": "A voice is made into speech."}
    assert slugs(rules, **paper, keywords=["voice"]) == ["audio"]


@pytest.mark.parametrize("title", ["Storage is cheap", "Fragile plans", "A dragnet"])
def test_phrases_match_whole_words_only(title):
    assert slugs([TopicRule("retrieval", ("rag",))], title=title) == []


@pytest.mark.parametrize("title", ["LANGUAGE MODELS", "Language-Model Zoo", "language\n models"])
def test_case_plural_hyphen_and_line_break_do_not_matter(title):
    assert slugs([TopicRule("language", ("language model",))], title=title) == ["language"]


@pytest.mark.parametrize("title", ["Fine-tuning it", "Fine tuning it", "Finetuning it"])
@pytest.mark.parametrize("phrase", ["fine-tuning", "finetuning", "Fine tuning"])
def test_compound_words_match_however_they_are_written(phrase, title):
    assert slugs([TopicRule("training", (phrase,))], title=title) == ["training"]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("policy", "policies"),
        ("mesh", "meshes"),
        ("cache", "caches"),
        ("loss", "losses"),
        ("LLM", "LLMs"),
        ("movie", "movies"),
    ],
)
def test_singular_and_plural_find_each_other(one, many):
    assert slugs([TopicRule("topic", (one,))], title=f"On {many}") == ["topic"]
    assert slugs([TopicRule("topic", (many,))], title=f"On {one}") == ["topic"]


def test_phrase_does_not_reach_across_a_full_stop():
    rules = [TopicRule("language", ("language model",))]
    assert slugs(rules, title="Beyond language. Model zoo") == []


def test_of_overlapping_phrases_the_longer_is_the_reason():
    rules = [TopicRule("video", ("video", "video generation"))]
    assert match(rules, title="Video generation")[0].reason == "video generation"


def test_primary_category_is_enough():
    assert slugs([TopicRule("robots", (), ("cs.RO",))], title="A study", categories=["cs.RO"])


def test_category_far_down_the_list_does_not_count():
    rules = [TopicRule("robots", (), ("cs.RO",))]
    assert slugs(rules, title="A study", categories=["cs.LG", "cs.AI", "cs.CV", "cs.RO"]) == []


def test_archive_speaks_for_its_categories():
    rules = [TopicRule("science", (), ("q-bio",))]
    assert match(rules, title="A study", categories=["q-bio.BM"])[0].reason == "q-bio.BM"


def test_at_most_four_topics_and_the_best_first():
    rules = [TopicRule(f"topic-{word}", (word,)) for word in ("one", "two", "red", "blue", "sea")]
    found = match(rules, title="One two red blue sea", abstract="The sea. The sea.")
    assert len(found) == 4
    assert found[0].slug == "topic-sea"


def test_score_is_between_half_and_one():
    rules = [TopicRule("audio", ("speech", "voice"))]
    found = match(rules, title="Speech and voice", abstract="speech speech voice voice")
    assert 0.5 <= found[0].score <= 1


def test_blank_phrase_matches_nothing():
    assert slugs([TopicRule("odd", ("", " ", "-"))], title="A title - with a dash") == []


def test_shipped_catalogue_has_phrases_for_every_topic():
    rules = shipped_rules()
    assert len(rules) == 25
    assert all(len(rule.phrases) >= 20 for rule in rules)
