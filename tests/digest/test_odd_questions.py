"""Addresses and forms of the desk that no page of it makes: what is asked for is not there, and nothing breaks."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from digest.models import Edition, Paper
from subscriptions.models import Subscriber, Topic
from tests.builders import make_subscriber, make_topic
from tests.digest.builders import make_edition, make_listing, make_paper

# Some of it the database itself refuses, which ends a transaction.
pytestmark = pytest.mark.django_db(transaction=True)
NINES = ("9" * 30, "9" * 5000)
LISTS = [
    "digest/paper/?title=%00", "digest/edition/?frequency__exact=%00", "digest/paper/?%00=1",
    "digest/providerplan/%00/change/", "digest/paper/?title__regex=(((",
    "digest/paper/?title__iregex=(((", f"digest/paper/?published_at__year={NINES[0]}",
    "digest/edition/?date__year=0",
    f"subscriptions/leavereason/?said_on__year={NINES[0]}",
]  # fmt: skip
DAYS = ["weekly/0001-01-01", "weekly/9999-12-31", "daily/0001-01-01", "daily/1990-12-31"]


@pytest.fixture(autouse=True)
def _rows():
    day = timezone.now().date()
    make_edition(day - timedelta(days=1), [make_paper(arxiv_id="2608.00001")])
    make_listing(make_paper(arxiv_id="2608.00002"), day)
    make_subscriber("ada@example.org")
    make_topic("agents")


@pytest.mark.parametrize("where", LISTS)
def test_list_that_is_asked_for_what_can_not_be_is_not_there(admin_client, where):
    answer = admin_client.get(f"/admin/{where}")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_list_of_rows_that_no_column_can_number_is_empty_or_not_there(admin_client):
    """PostgreSQL compares the number, SQLite can't hold it."""
    answer = admin_client.get("/admin/digest/paper/", {"id__in": NINES[0]})
    assert answer.status_code in (200, 404)


def test_fault_of_a_list_stays_in_the_log(admin_client, caplog):
    admin_client.get("/admin/digest/edition/?date__year=0")
    (record,) = [each for each in caplog.records if each.name == "digest.admin.refused"]
    assert record.exc_info


@pytest.mark.parametrize("number", NINES, ids=len)
@pytest.mark.parametrize("model", ["subscriptions/subscriber", "subscriptions/topic"])
def test_row_of_a_number_that_no_row_has_is_not_there(admin_client, model, number):
    answer = admin_client.get(f"/admin/{model}/{number}/change/", follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert "exist. Perhaps it was deleted?" in answer.content.decode()


@pytest.mark.parametrize("number", NINES, ids=len)
def test_digests_before_none_are_the_newest(admin_client, number):
    page = reverse("admin:subscriptions_subscriber_change", args=[Subscriber.objects.get().pk])
    assert admin_client.get(page, {"before": number}).context["is_older"] is False


@pytest.mark.parametrize("where", DAYS)
@pytest.mark.parametrize("with_reader", [False, True])
def test_proof_of_a_day_before_and_after_all_editions_is_not_there(
    admin_client, where, with_reader
):
    asked = {"reader": Subscriber.objects.get().pk} if with_reader else {}
    assert admin_client.get(f"/admin/digest/edition/proof/{where}/", asked).status_code == 404


@pytest.mark.parametrize("where", ["weekly/1991-01-01", "daily/2199-12-31"])
def test_proof_of_the_first_and_the_last_edition_is_there(admin_client, where):
    asked = {"reader": Subscriber.objects.get().pk}
    assert admin_client.get(f"/admin/digest/edition/proof/{where}/", asked).status_code == 200


def forms():
    """Each form of our own, filled in with a letter that PostgreSQL does not keep."""
    edition, topic = Edition.objects.get(), Topic.objects.get()
    draft = reverse("admin:edition_draft", args=["daily", timezone.now().date()])
    return [
        (reverse("admin:edition_hold", args=[edition.pk]), {"because": "a\0b"}),
        (reverse("admin:topic_correct", args=[topic.pk]), {"paper": "\0", "is_about": "yes"}),
        (reverse("admin:topic_trial"), {"slug": "a\0", "phrases": "", "categories": ""}),
        (draft, {"do": "pin:\0", "version": 0, "note": ""}),
        (draft, {"do": "pin:2608.00002", "version": 7, "seen": "\0", "note": ""}),
    ]


def test_form_with_a_letter_that_no_database_keeps_changes_nothing(admin_client):
    answers = [admin_client.post(page, form).status_code for page, form in forms()]
    assert answers == [404] * 5
    assert Edition.objects.get().held_at is None
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("number", ["x", *NINES], ids=len)
@pytest.mark.parametrize("model", [Paper, Topic, User])
def test_nothing_is_deleted_of_what_is_no_row(admin_client, model, number):
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    form = {"action": "delete_selected", "_selected_action": number, "post": "yes"}
    before = model.objects.count()
    assert admin_client.post(page, form).status_code in (302, 404)
    assert model.objects.count() == before


def test_stranger_learns_nothing_by_odd_questions(client):
    answer = client.get("/admin/digest/paper/?title=%00")
    assert answer.status_code == 404
    assert b"dashboard" not in answer.content
