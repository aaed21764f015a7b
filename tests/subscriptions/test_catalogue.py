"""The topics that the project ships, in every language that it speaks."""

import json
from pathlib import Path

import pytest
from django.utils.translation import override

import subscriptions
from subscriptions import catalogue
from subscriptions.models import Topic

SHIPPED = Path(subscriptions.__path__[0]) / "data" / "topics.json"


def test_translators_see_what_is_shipped():
    topics = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert [topic["name"] for topic in topics] == list(catalogue.NAMES)
    assert [topic["description"] for topic in topics] == list(catalogue.DESCRIPTIONS)
    assert {topic["group"] for topic in topics} == set(catalogue.HEADINGS)


@pytest.mark.django_db
def test_topic_is_shown_in_the_readers_language_and_stays_as_it_was_named():
    topic = Topic.objects.get(slug="efficient-ml")
    with override("de"):
        shown = (topic.label, topic.about[:14], topic.heading, topic.name)
    assert shown == ("Effizientes ML", "Quantisierung,", "Grundlagen", "Efficient ML")


def test_topic_of_an_operator_is_shown_as_it_was_written():
    topic = Topic(name="Straßenbau")
    with override("de"):
        assert (topic.label, topic.about, topic.heading) == ("Straßenbau", "", "")
