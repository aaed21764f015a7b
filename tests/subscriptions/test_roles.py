"""Who may do what at the desk, and who says so."""

import sys
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command

from subscriptions import roles
from subscriptions.models import Subscriber
from subscriptions.roles import Role
from tests.builders import make_subscriber

pytestmark = pytest.mark.django_db
PASSWORD = "long-and-odd-1"
PEOPLE = "/admin/auth/user/"


def make_user(name, role=None, **fields):
    user = User.objects.create_user(name, f"{name}@example.org", PASSWORD, **fields)
    roles.give(user, role)
    return user


@pytest.fixture
def log_in(client):
    def log_in(role, name="somebody"):
        user = make_user(name, role)
        client.force_login(user)
        return user

    return log_in


def test_every_permission_that_a_role_names_is_there():
    for role, models in roles._MAY.items():
        wanted = {
            f"{name.partition('.')[0]}.{action}_{name.partition('.')[2]}"
            for name, actions in models.items()
            for action in actions
        }
        assert wanted == make_user(role.value, role).get_all_permissions()


def test_upgrade_puts_a_role_right():
    group = Group.objects.get(name="support")
    before = set(group.permissions.values_list("codename", flat=True))
    group.permissions.set(Permission.objects.filter(codename="delete_subscriber"))
    call_command("migrate", verbosity=0)
    assert set(group.permissions.values_list("codename", flat=True)) == before


PAGES = {
    "/admin/": {"owner", "editor", "support"},
    "/admin/digest/edition/": {"owner", "editor", "support"},
    "/admin/digest/paper/": {"owner", "editor", "support"},
    "/admin/digest/paper/add/": {"owner", "editor"},
    "/admin/digest/batch/": {"owner", "editor", "support"},
    "/admin/digest/delivery/": {"owner", "support"},
    "/admin/digest/event/": {"owner", "support"},
    "/admin/subscriptions/topic/add/": {"owner", "editor"},
    "/admin/subscriptions/subscriber/": {"owner", "support"},
    "/admin/subscriptions/suppression/add/": {"owner", "support"},
    "/admin/subscriptions/consentrecord/": {"owner", "support"},
    PEOPLE: {"owner"},
    "/admin/auth/group/": {"owner"},
}


@pytest.mark.parametrize("role", Role)
def test_pages_answer_those_whose_role_has_them(log_in, client, role):
    log_in(role)
    found = {page: client.get(page).status_code for page in PAGES}
    assert found == {page: 200 if role in may else 403 for page, may in PAGES.items()}


def test_editor_sees_no_address_anywhere(log_in, client):
    reader = make_subscriber("ada@example.org")
    log_in(Role.EDITOR)
    assert client.get(f"/admin/subscriptions/subscriber/{reader.pk}/change/").status_code == 403
    assert b"ada@example.org" not in client.get("/admin/digest/batch/").content


def test_support_suppresses_but_does_not_erase(log_in, client):
    reader = make_subscriber()
    log_in(Role.SUPPORT)
    page = f"/admin/subscriptions/subscriber/{reader.pk}/act/"
    assert client.post(page, {"act": "suppress"}).status_code == 302
    assert client.post(page, {"act": "erase", "word": "erase"}).status_code == 403
    assert Subscriber.objects.exists()


def form(user, **fields):
    return {
        "username": user.username, "email": user.email, "is_active": "on", "role": "",
    } | fields  # fmt: skip


def test_owner_gives_a_role_and_takes_it_back(log_in, client):
    log_in(Role.OWNER)
    eve = make_user("eve")
    page = f"{PEOPLE}{eve.pk}/change/"
    assert client.post(page, form(eve, role="editor")).status_code == 302
    eve.refresh_from_db()
    assert (roles.role_of(eve), eve.is_staff) == (Role.EDITOR, True)
    client.post(page, form(eve, role=""))
    eve.refresh_from_db()
    assert (roles.role_of(eve), eve.is_staff) == (None, False)


def test_owner_makes_somebody_new_with_a_role(log_in, client):
    log_in(Role.OWNER)
    sent = {
        "username": "sam", "email": "sam@example.org", "role": "support",
        "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD,
    }  # fmt: skip
    assert client.post(f"{PEOPLE}add/", sent).status_code == 302
    sam = User.objects.get(username="sam")
    assert (roles.role_of(sam), sam.is_staff, sam.is_superuser) == (Role.SUPPORT, True, False)


@pytest.mark.parametrize("role", [Role.EDITOR, Role.SUPPORT])
def test_nobody_else_changes_who_works_here(log_in, client, role):
    user = log_in(role)
    # Not even with Django's own permission, which a group of the operator's might give.
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    for page in (PEOPLE, f"{PEOPLE}add/", f"{PEOPLE}{user.pk}/change/", "/admin/auth/group/add/"):
        assert client.get(page).status_code == 403
    sent = form(user, role="owner", is_superuser="on")
    assert client.post(f"{PEOPLE}{user.pk}/change/", sent).status_code == 403
    assert roles.role_of(User.objects.get(pk=user.pk)) == role


def test_owner_does_not_change_their_own_role(log_in, client):
    user = log_in(Role.OWNER)
    make_user("other", Role.OWNER)
    sent = form(user, role="", first_name="Ada", is_superuser="on")
    assert client.post(f"{PEOPLE}{user.pk}/change/", sent).status_code == 302
    found = User.objects.get(pk=user.pk)
    assert (found.first_name, roles.role_of(found), found.is_superuser) == (
        "Ada",
        Role.OWNER,
        False,
    )
    assert client.post(f"{PEOPLE}{user.pk}/delete/", {"post": "yes"}).status_code == 403


def test_no_page_makes_a_superuser(log_in, client):
    log_in(Role.OWNER)
    eve = make_user("eve")
    sent = form(eve, role="editor", is_superuser="on", is_staff="on")
    client.post(f"{PEOPLE}{eve.pk}/change/", sent)
    assert not User.objects.get(pk=eve.pk).is_superuser


def test_superuser_stays_one_and_keeps_the_desk(log_in, client):
    log_in(Role.OWNER)
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    assert client.post(f"{PEOPLE}{root.pk}/change/", form(root)).status_code == 302
    root.refresh_from_db()
    assert (root.is_superuser, root.is_staff) == (True, True)


def test_roles_are_looked_at_only(log_in, client):
    log_in(Role.OWNER)
    group = Group.objects.get(name="editor")
    page = f"/admin/auth/group/{group.pk}/"
    assert client.get(f"{page}change/").status_code == 200
    assert client.post(f"{page}change/", {"name": "x"}).status_code == 403
    assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403


@pytest.fixture
def create(monkeypatch):
    def run(*arguments, password=PASSWORD):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(f"{password}\n".encode())))
        output = StringIO()
        call_command("create_operator", *arguments, stdout=output)
        return output.getvalue()

    return run


def test_command_makes_an_operator_who_logs_in_with_the_address(create, client):
    assert (
        create("Eve@Example.org", "--role", "editor")
        == "eve@example.org is now an operator: editor\n"
    )
    client.post("/admin/login/", {"username": "eve@example.org", "password": PASSWORD})
    assert client.get("/admin/digest/edition/").status_code == 200


def test_command_gives_another_role_and_leaves_the_password(create, client):
    create("eve@example.org", "--role", "editor")
    create("eve@example.org", "--role", "support", password="another-1234")
    user = User.objects.get(username="eve@example.org")
    assert roles.role_of(user) == Role.SUPPORT
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [("eve", PASSWORD, "does not look like"), ("eve@example.org", "1", "too short")],
)
def test_command_refuses_in_one_clear_line(create, email, password, words):
    with pytest.raises(CommandError, match=words):
        create(email, "--role", "owner", password=password)
    assert not User.objects.exists()


def test_last_owner_keeps_the_role(create):
    create("eve@example.org", "--role", "owner")
    with pytest.raises(CommandError, match="Nobody else is an owner"):
        create("eve@example.org", "--role", "support")
    assert roles.role_of(User.objects.get(username="eve@example.org")) == Role.OWNER
