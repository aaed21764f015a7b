"""The operator's pages of readers: who may do what."""

import pytest
from django.contrib.auth.models import Permission, User

from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db
LIST = "/admin/subscriptions/subscriber/"


@pytest.fixture
def staff(client):
    def login(*names):
        user = User.objects.create_user("operator", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    return login


def act(client, action, reader):
    client.post(LIST, {"action": action, "_selected_action": [reader.pk]})


@pytest.mark.parametrize("action", ["erase", "never_mail", "unsubscribe_and_tell"])
def test_who_may_only_look_changes_nothing(staff, action):
    reader = make_subscriber()
    act(staff("view_subscriber"), action, reader)
    assert Subscriber.objects.get().state == "active"
    assert not Suppression.objects.exists()


def test_operator_unsubscribes_and_it_is_on_record(staff):
    reader = make_subscriber()
    client = staff("view_subscriber", "change_subscriber")
    act(client, "unsubscribe_and_tell", reader)
    assert Subscriber.objects.get().state == "unsubscribed"
    assert "Operator" in reader.consent_records.get().text
    act(client, "erase", reader)
    assert Subscriber.objects.exists()


def test_erasing_needs_its_own_permission(staff):
    act(staff("view_subscriber", "delete_subscriber"), "erase", make_subscriber())
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("page", ["", "add/", "1/change/"])
def test_pages_answer(staff, page):
    make_subscriber()
    assert staff("view_subscriber").get(LIST + page).status_code in (200, 302, 403)
