"""The operator's pages answer, with rows in them, in a number of queries that rows don't change."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from digest.delivery.due import planning
from digest.models import Delivery, Edition, Paper
from digest.papers import search
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


def paper_form(paper, **changes):
    fields = {
        name: getattr(paper, name) or "" for name in ("arxiv_id", "title", "abstract", "summary")
    }
    return fields | {
        "authors": "Ada", "categories": "", "keywords": "", "upvotes": 0, "comments": 0,
        "published_at_0": "2026-08-18", "published_at_1": "00:00:00",
        "paper_topics-TOTAL_FORMS": 0, "paper_topics-INITIAL_FORMS": 0,
        "topic_corrections-TOTAL_FORMS": 0, "topic_corrections-INITIAL_FORMS": 0,
    } | changes  # fmt: skip


def test_topic_that_is_added_by_hand_stays_and_has_the_day_of_its_paper(admin_client):
    paper, topic = make_paper(), make_topic("agents")
    added = {
        "topic_corrections-TOTAL_FORMS": 1, "topic_corrections-0-topic": topic.pk,
        "topic_corrections-0-is_about": "on", "topic_corrections-0-paper": paper.pk,
    }  # fmt: skip
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    assert admin_client.post(address, paper_form(paper, **added)).status_code == 302
    assert paper.paper_topics.get().published_at == paper.published_at


def test_paper_that_is_reworded_by_hand_is_found_by_its_new_words(admin_client):
    paper = make_paper(title="Walking robots")
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    sent = paper_form(paper, title="Flying birds")
    assert admin_client.post(address, sent).status_code == 302
    assert search.find(search.parse("birds")).ids == (paper.pk,)
    assert search.find(search.parse("walking")).total == 0


def test_paper_that_is_added_by_hand_is_found(admin_client):
    sent = paper_form(Paper(arxiv_id="2608.00009", title="Flying birds", abstract="They fly."))
    assert admin_client.post(reverse("admin:digest_paper_add"), sent).status_code == 302
    assert search.find(search.parse("birds")).total == 1


@pytest.mark.parametrize(
    "odd", ["2611.00099v2", '"><img src=//e.example>', "2611.00099\n", "../x", "٢٦١١.00099"]
)
def test_paper_is_added_by_the_id_that_arxiv_gave_it(admin_client, odd):
    sent = paper_form(Paper(arxiv_id=odd.strip() + "x" * odd.endswith("\n"), title="Flying birds"))
    answer = admin_client.post(reverse("admin:digest_paper_add"), sent)
    assert "Write an arXiv id without its version" in answer.content.decode()
    assert not Paper.objects.exists()


def test_paper_keeps_its_id(admin_client):
    paper = make_paper()
    sent = paper_form(paper, arxiv_id="2608.00009", title="Flying birds")
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    assert admin_client.post(address, sent).status_code == 302
    assert Paper.objects.get().title == "Flying birds"
    assert Paper.objects.get().arxiv_id == paper.arxiv_id


@pytest.mark.parametrize(
    "question",
    [
        "subscriptions/topic/?subscribers=1", "subscriptions/topic/?subscribers__id__lt=8",
        "subscriptions/topic/?subscription=1", "digest/paper/?opinions__id=1",
        "digest/edition/?deliveries__id__in=1", "digest/paper/?title__contains=robots",
    ],
)  # fmt: skip
def test_lists_are_narrowed_by_what_stands_beside_them_alone(admin_client, question):
    assert admin_client.get(f"/admin/{question}").status_code == 400


@pytest.mark.parametrize(
    "question",
    [
        "digest/edition/?frequency__exact=daily", "digest/paper/?published_at__year=2026",
        "subscriptions/subscriber/?state__exact=active&suppressed=yes", "digest/fetch/?source=arxiv",
        "auth/user/?is_active__exact=1&groups__id__exact=1", "digest/paper/?q=robots&o=1&p=1",
    ],
)  # fmt: skip
def test_lists_are_narrowed_by_what_stands_beside_them(admin_client, question):
    assert admin_client.get(f"/admin/{question}", follow=True).status_code == 200


def test_lists_of_a_paper_are_one_a_line_and_may_be_empty(admin_client):
    paper = make_paper(authors=["Ada Lovelace", "Alan Turing"])
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    said = admin_client.get(address).content.decode()
    assert "Ada Lovelace\nAlan Turing</textarea>" in said
    typed = {"authors": "", "keywords": " one  thing\r\n\r\nanother "}
    assert admin_client.post(address, paper_form(paper, **typed)).status_code == 302
    paper.refresh_from_db()
    assert (paper.authors, paper.categories) == ([], [])
    assert paper.keywords == ["one thing", "another"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('["Ada", "Alan"]', "Line 1 begins with “[”: write one a line, without brackets."),
        ("Ada\n" + "x" * 301, "Line 2 has 301 characters; 300 at most."),
        ("x\n" * 5001, "These are 5,001 lines; 5,000 at most."),
    ],
)
def test_list_that_is_none_is_said_in_one_line_and_changes_nothing(admin_client, typed, said):
    paper = make_paper(authors=["Ada"])
    address = reverse("admin:digest_paper_change", args=[paper.pk])
    answer = admin_client.post(address, paper_form(paper, authors=typed))
    assert answer.status_code == 200
    assert answer.context["errors"] == [[said]]
    paper.refresh_from_db()
    assert paper.authors == ["Ada"]
