"""What the unsubscribe page offers instead, how that is undone, and the reason that is asked."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone
from lxml import html as lxml_html

from subscriptions import services, tokens
from subscriptions.models import LeaveReason, Subscriber
from tests.builders import know_browser, make_subscriber

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        yield


def path(reader):
    return reverse("subscriptions:unsubscribe", args=[tokens.make_unsubscribe(reader.public_id)])


def document(response):
    return lxml_html.document_fromstring(response.content)


def words(response):
    return " ".join(document(response).text_content().split())


def instead(response):
    return document(response).xpath("//button[@name='instead']/@value")


def fresh(subscriber):
    return Subscriber.objects.get(pk=subscriber.pk)


@pytest.mark.parametrize("frequency", ["weekly", "weekly-4", "monthly"])
def test_who_gets_few_mails_is_not_offered_one_a_week(client, frequency):
    reader = make_subscriber(frequency=frequency)
    know_browser(client, reader)
    assert instead(client.get(path(reader))) == ["pause-14"]


def test_once_a_week_can_be_undone(client):
    reader = make_subscriber(frequency="daily")
    know_browser(client, reader)
    response = client.post(path(reader), {"instead": "weekly"})
    assert fresh(reader).frequency == "weekly"
    (before,) = instead(response)
    said = words(client.post(path(reader), {"instead": before}))
    assert "All is as it was." in said
    assert fresh(reader).frequency == "daily"


def test_pause_can_be_undone(client):
    reader = make_subscriber()
    know_browser(client, reader)
    response = client.post(path(reader), {"instead": "pause-14"})
    assert fresh(reader).paused_until == date(2026, 9, 3)
    (undo,) = instead(response)
    assert "The pause is over." in words(client.post(path(reader), {"instead": undo}))
    assert fresh(reader).paused_until is None


def test_something_else_instead_unsubscribes(client):
    reader = make_subscriber()
    client.post(path(reader), {"instead": "hourly"})
    assert fresh(reader).state == "unsubscribed"


def test_reason_is_asked_and_nothing_is_chosen(client):
    reader = make_subscriber()
    response = client.post(path(reader), {"List-Unsubscribe": "One-Click"})
    reasons = document(response).xpath("//input[@name='reason']/@value")
    assert reasons == LeaveReason.Reason.values
    assert not document(response).xpath("//input[@name='reason'][@checked or @required]")


def test_reason_is_noted_with_the_month_and_nobody(client):
    reader = make_subscriber()
    client.post(path(reader), {"List-Unsubscribe": "One-Click"})
    response = client.post(path(reader), {"why": "1", "reason": "too_many"})
    assert "It was noted without your address." in words(response)
    noted = LeaveReason.objects.values().get()
    assert noted == {"id": noted["id"], "reason": "too_many", "said_on": date(2026, 8, 1)}
    assert fresh(reader).state == "unsubscribed"


def test_reason_is_noted_once_a_day(client):
    reader = make_subscriber(state="unsubscribed", confirmed_at=NOW)
    for _ in range(3):
        client.post(path(reader), {"why": "1", "reason": "other"})
    assert LeaveReason.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "x", "a\0b", "x" * 9999])
def test_no_reason_is_fine(client, reason):
    reader = make_subscriber(state="unsubscribed", confirmed_at=NOW)
    response = client.post(path(reader), {"why": "1", "reason": reason})
    assert response.status_code == 200
    assert not LeaveReason.objects.exists()


def test_undo_stands_beside_the_question(client):
    reader = make_subscriber()
    left = client.post(path(reader), {"List-Unsubscribe": "One-Click"})
    (mark,) = document(left).xpath("//input[@name='mark']/@value")
    response = client.post(path(reader), {"why": "1", "reason": "other", "mark": mark})
    assert document(response).xpath("//button[@name='undo']")


def test_operator_sees_how_often_each_reason_was_given(client):
    for reason in ("too_many", "too_many", "other"):
        services.tell_reason(LeaveReason.Reason(reason))
    client.force_login(get_user_model().objects.create_superuser("op", "op@example.org", "x"))
    response = client.get(reverse("admin:subscriptions_leavereason_changelist"))
    assert "Too many mails (2)" in words(response)


def test_why_somebody_left_is_forgotten_after_two_years():
    services.tell_reason(LeaveReason.Reason.OTHER)
    # The first of its month is what is known of the day.
    services.purge(timezone.now() + timedelta(days=729 - timezone.now().day))
    assert LeaveReason.objects.exists()
    services.purge(timezone.now() + timedelta(days=732))
    assert not LeaveReason.objects.exists()
