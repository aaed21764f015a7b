"""The operator's pages of readers: who may do what."""

import pytest
from django.contrib.auth.models import Permission, User

from subscriptions import selectors, services
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


@pytest.mark.parametrize("action", ["erase", "never_mail", "mail_again", "unsubscribe_and_tell"])
def test_who_may_only_look_changes_nothing(staff, action):
    reader = make_subscriber()
    act(staff("view_subscriber"), action, reader)
    assert Subscriber.objects.get().state == "active"
    assert not Suppression.objects.exists()


def test_operator_lets_an_address_be_mailed_again(staff, settings):
    reader = make_subscriber()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    client = staff("view_subscriber", "change_subscriber")
    act(client, "never_mail", reader)
    assert selectors.is_suppressed(reader.email)
    act(client, "mail_again", reader)
    assert list(selectors.mailable_subscribers()) == [reader]
    assert not Suppression.objects.exists()


def test_suppression_is_found_by_its_address(staff):
    services.erase(make_subscriber("ada@example.org"))
    services.erase(make_subscriber("eve@example.org"))
    client = staff("view_suppression")
    pages = [client.get("/admin/subscriptions/suppression/", {"q": each}) for each in
             ("Ada@Example.org", "bob@example.org", "no address", "")]  # fmt: skip
    assert [page.context["cl"].result_count for page in pages] == [1, 0, 0, 2]


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


@pytest.mark.parametrize(("page", "status"), [("", 200), ("add/", 403), ("{pk}/change/", 200)])
def test_pages_answer_as_far_as_they_are_allowed(staff, page, status):
    reader = make_subscriber()
    client = staff("view_subscriber")
    assert client.get(LIST + page.format(pk=reader.pk)).status_code == status
