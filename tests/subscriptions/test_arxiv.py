"""A topic takes categories that arXiv has, and says which one is meant."""

import json
from pathlib import Path

import pytest
from django.urls import reverse

import subscriptions
from subscriptions import arxiv
from subscriptions.errors import CategoryError
from subscriptions.models import Topic
from tests.builders import make_topic


@pytest.mark.parametrize(
    "name",
    ["cs.CL", "stat.ML", "math.OC", "astro-ph.GA", "hep-th", "quant-ph", "cond-mat.str-el", "eess.IV",
     "q-bio.NC", "econ.EM", "physics.optics", "q-fin.ST", "nlin.CD", "astro-ph", "physics"],
)  # fmt: skip
def test_category_or_archive_of_arxiv_is_known(name):
    arxiv.check(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cs.cl", "arXiv has no category “cs.cl”. Did you mean cs.CL?"),
        ("stat.MLL", "arXiv has no category “stat.MLL”. Did you mean stat.ML?"),
        ("condmat.str-el", "arXiv has no category “condmat.str-el”. Did you mean cond-mat.str-el?"),
        ("gardening tools", "arXiv has no category “gardening tools”."),
    ],
)
def test_unknown_category_is_named_with_the_nearest(name, said):
    with pytest.raises(CategoryError) as caught:
        arxiv.check(name)
    assert str(caught.value) == said


def test_each_category_has_a_name_of_its_own_in_its_archive():
    names = arxiv.names()
    assert len(names) == 155
    assert all(name.strip() for name in names.values())


def test_categories_of_the_topics_that_ship_are_known():
    file = Path(subscriptions.__path__[0]) / "data" / "topics.json"
    topics = json.loads(file.read_text())
    found = {name for topic in topics for name in topic.get("categories", [])}
    assert len(found) > 20
    assert found <= arxiv.known()


def saved(client, topic, categories):
    fields = {
        "name": topic.name, "slug": topic.slug, "group": "", "description": "", "position": "1",
        "phrases": "tomato", "categories": categories,
    }  # fmt: skip
    address = reverse("admin:subscriptions_topic_change", args=[topic.pk])
    return client.post(address, fields)


@pytest.mark.django_db
def test_topic_is_not_saved_with_a_category_that_arxiv_does_not_have(admin_client):
    topic = make_topic("gardening")
    answer = saved(admin_client, topic, "cs.CL\ncs.rox\n")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "arXiv has no category “cs.rox”. Did you mean cs.RO?" in page
    assert Topic.objects.get(pk=topic.pk).categories == topic.categories


@pytest.mark.django_db
def test_topic_keeps_each_category_once(admin_client):
    topic = make_topic("gardening")
    assert saved(admin_client, topic, "cs.CL\nastro-ph\ncs.CL\n").status_code == 302
    assert Topic.objects.get(pk=topic.pk).categories == ["cs.CL", "astro-ph"]
