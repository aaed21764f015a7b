"""A form of the desk acts on the hold that it showed, and on no other one."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from lxml import html as lxml_html

from digest.delivery import dropping
from digest.delivery.watching import watch
from digest.models import Batch, Circuit, Edition
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = pytest.mark.django_db
ANOTHER = "Nothing was done: you had seen another hold than this one."
WAYS = ["edition_release", "edition_drop"]


@pytest.fixture
def held():
    """An edition for which somebody waits."""
    day = timezone.now().date() - timedelta(days=1)
    edition = make_edition(day, [make_paper()])
    make_batch([make_subscriber()], day, deliveries="pending")
    Batch.objects.update(state="open")
    watch.hold(edition, because="A wrong title", now=timezone.now())
    return edition


def hold_again(edition):
    watch.release(edition)
    watch.hold(edition, because="A wrong paper", now=timezone.now())


def form(answer, action=""):
    """The fields of the form that is posted there, as a browser posts them."""
    page = lxml_html.fromstring(answer.content.decode())
    [found] = [
        each
        for each in page.forms
        if each.xpath(".//button[contains(@class, '-button')]")
        and (each.get("action") or "") == action
    ]
    return dict(found.form_values())


@pytest.mark.parametrize("name", WAYS)
def test_form_of_an_earlier_hold_changes_nothing_and_asks_again(admin_client, held, name):
    page = reverse(f"admin:{name}", args=[held.pk])
    old = form(admin_client.get(page))
    hold_again(held)
    before = Edition.objects.values().get()
    answer = admin_client.post(page, old)
    said = answer.content.decode()
    assert said.count(ANOTHER) == 1
    assert "A wrong paper" in said
    assert (Edition.objects.values().get(), LogEntry.objects.count()) == (before, 0)
    admin_client.post(page, form(answer))
    assert Edition.objects.get().held_at is None
    assert LogEntry.objects.get().change_message.endswith("it was held: A wrong paper")


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("fields", [{}, {"held_at": ""}, {"held_at": "2026-02-31T99:00+99:00"}])
def test_form_that_does_not_say_which_hold_is_about_another_one(admin_client, held, name, fields):
    answer = admin_client.post(reverse(f"admin:{name}", args=[held.pk]), fields)
    assert ANOTHER in answer.content.decode()
    assert Edition.objects.get().held_because == "A wrong title"


@pytest.mark.parametrize("name", WAYS)
def test_form_of_a_hold_that_is_over_is_told_so(admin_client, held, name):
    page = reverse(f"admin:{name}", args=[held.pk])
    old = form(admin_client.get(page))
    watch.release(held)
    assert "was not held" in admin_client.post(page, old, follow=True).content.decode()


@pytest.mark.parametrize("name", WAYS)
def test_hold_that_is_new_between_read_and_change_stays(admin_client, held, name):
    page = reverse(f"admin:{name}", args=[held.pk])
    seen = form(admin_client.get(page))
    told = []

    def meanwhile(execute, sql, *rest):
        if sql.startswith('UPDATE "digest_edition"') and not told:
            told.append(sql)
            hold_again(held)
        return execute(sql, *rest)

    with connection.execute_wrapper(meanwhile):
        answer = admin_client.post(page, seen)
    assert ANOTHER in answer.content.decode()
    assert Edition.objects.get().held_because == "A wrong paper"


def test_button_of_the_dashboard_releases_the_hold_beside_it_alone(admin_client, held):
    page = reverse("admin:edition_release", args=[held.pk])
    old = form(admin_client.get("/admin/"), page)
    hold_again(held)
    assert ANOTHER in admin_client.post(page, old).content.decode()
    assert Edition.objects.get().held_because == "A wrong paper"
    admin_client.post(page, form(admin_client.get("/admin/"), page))
    assert Edition.objects.get().held_at is None


@pytest.mark.parametrize(
    "act", [watch.release, lambda *a, **k: dropping.drop(*a, timezone.now(), **k)]
)
def test_what_is_meant_for_another_hold_forgets_no_error_of_the_edition(held, act):
    watch.note_error(held.pk)
    assert not act(held, seen=timezone.now())
    assert Circuit.objects.get(name=f"edition {held.pk}").failures == 1
