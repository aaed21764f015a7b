"""The operator's pages answer, with rows in them, in a number of queries that rows don't change."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from digest.delivery import planning
from digest.models import Delivery, Edition, Paper
from subscriptions.models import Subscriber, Topic
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
MODELS = [
    model for model in admin.site._registry if model._meta.app_label in ("digest", "subscriptions")
]


def fill(count, first):
    day = timezone.datetime(2026, 8, first).date()
    make_edition(day, [make_paper(topics=[make_topic("agents")]) for _ in range(count)])
    for _ in range(count):
        make_subscriber()
    planning.plan(timezone.now(), day=day)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_list_answers_and_its_queries_do_not_grow(admin_client, model):
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(address).status_code == 200
        return len(captured)

    fill(2, first=3)
    few = queries()
    fill(9, first=4)
    assert queries() <= few + 1


@pytest.mark.parametrize("model", [Paper, Edition, Delivery, Subscriber, Topic])
def test_first_row_opens(admin_client, model):
    fill(2, first=3)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    address = reverse(name, args=[model._default_manager.first().pk])
    assert admin_client.get(address).status_code == 200


def test_topic_that_is_added_by_hand_has_the_day_of_its_paper(admin_client):
    paper, topic = make_paper(), make_topic("agents")
    fields = {
        name: getattr(paper, name) or ""
        for name in ("arxiv_id", "title", "abstract", "summary", "upvotes", "comments")
    }
    sent = fields | {
        "authors": '["Ada"]', "categories": "[]", "keywords": "[]", "comments": 0,
        "published_at_0": "2026-08-18", "published_at_1": "00:00:00",
        "paper_topics-TOTAL_FORMS": 1, "paper_topics-INITIAL_FORMS": 0,
        "paper_topics-0-topic": topic.pk, "paper_topics-0-score": 1,
        "paper_topics-0-paper": paper.pk,
    }  # fmt: skip
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    assert admin_client.post(address, sent).status_code == 302
    assert paper.paper_topics.get().published_at == paper.published_at
