"""No page of the desk answers anybody who has not given the second factor; what is not the desk asks nobody
for it. Its log is nobody's to change."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, get_script_prefix, reverse, set_script_prefix

from subscriptions import logbook, roles
from subscriptions.door import second_factor
from tests.digest.test_rights import FOR_ALL, address, desk, names, posted, words
from tests.subscriptions.door.operators import (
    CODE,
    LOGIN,
    SET_UP,
    code_now,
    come_in,
    give_app,
    give_code,
    give_password,
    later,
    make_operator,
)

__all__ = ["desk"]

pytestmark = pytest.mark.django_db
OPEN = {"login", "logout"}
VERBS = ["get", "head", "post", "put", "patch", "delete", "options"]


@pytest.fixture(autouse=True)
def required(settings):
    settings.SECOND_FACTOR = "required"


@pytest.fixture
def zoe():
    return make_operator("zoe")


def all_addresses():
    """Every page of the desk, the site's own too, and what is none."""
    common = {
        "app_list": ["digest"],
        "view_on_site": [1, 1],
    }
    own = [reverse(f"admin:{name}", args=common.get(name, ())) for name in sorted(FOR_ALL - OPEN)]
    return [*map(address, names()), *own, "/admin/second-factor/own/", "/admin/none/", "/admin/x"]


def stopped(client, target):
    """Whether every way to ask for it leads to the second factor alone."""
    answers = [getattr(client, verb)(target) for verb in VERBS]
    return all(
        answer.status_code == 302 and answer["Location"].partition("?")[0] in (CODE, SET_UP)
        for answer in answers
    )


def test_all_addresses_of_the_desk_are_tried():
    desk_patterns = get_resolver().namespace_dict["admin"][1].reverse_dict
    every = {name for name in desk_patterns if isinstance(name, str)}
    assert every == set(names()) | FOR_ALL


def test_who_has_given_the_password_alone_sees_nothing(client, zoe):
    give_app(zoe)
    give_password(client, "zoe")
    assert [target for target in all_addresses() if not stopped(client, target)] == []


def test_who_has_no_second_factor_sees_nothing_but_its_set_up(client, zoe):
    give_password(client, "zoe")
    assert [target for target in all_addresses() if not stopped(client, target)] == []
    assert client.get(SET_UP).status_code == 200


def test_nothing_that_is_posted_in_between_is_done(client, zoe):
    give_app(zoe)
    give_password(client, "zoe")
    before = LogEntry.objects.count()
    for name in names():
        assert client.post(address(name), posted(name)).status_code == 302
    assert LogEntry.objects.count() == before


def test_who_has_given_both_sees_the_desk(client, zoe):
    come_in(client, zoe)
    for target in ("/admin/", "/admin/digest/edition/", "/admin/auth/user/"):
        assert client.get(target).status_code == 200
    assert client.get("/admin/none/").status_code == 404


def test_page_that_is_not_there_names_no_owner_before_the_second_factor(client, zoe):
    give_app(zoe)
    give_password(client, "zoe")
    page = words(client.get("/admin/none/", follow=True))
    assert "zoe" not in page.replace("Sign in as somebody else than zoe", "")


def test_other_pages_ask_nobody_for_it(client, zoe):
    give_password(client, "zoe")
    for target in ("/", "/api/v1/papers", "/feeds/daily.atom", "/healthz", "/topics/"):
        assert client.get(target).status_code == 200, target
    assert client.post("/webhooks/smtp/tracking/").status_code != 302


def test_who_works_here_is_changed_by_a_code_of_just_now_alone(client, zoe):
    eve = make_operator("eve", roles.Role.EDITOR)
    come_in(client, zoe)
    one = f"/admin/auth/user/{eve.pk}"
    pages = [f"{one}/change/", f"{one}/delete/", f"{one}/password/", f"{one}/second-factor/"]
    pages = [*pages, "/admin/auth/user/add/"]
    assert [client.get(page).status_code for page in pages] == [200] * 5
    role = {"username": "eve", "role": "owner", "is_active": "on"}
    many = {"action": "delete_selected", "_selected_action": [eve.pk], "post": "yes"}
    with later(601):
        assert client.get("/admin/auth/user/").status_code == 200
        for page in pages:
            for answer in (client.get(page), client.post(page, role)):
                assert answer.status_code == 302
                assert answer["Location"] == f"{CODE}?next={page}"
        assert client.post("/admin/auth/user/", many)["Location"].startswith(CODE)
        asked = client.get(f"{CODE}?next={pages[0]}")
        assert "Nothing was saved" in words(asked)
        assert "To change who works at the desk, give a code again" in words(asked)
        assert roles.role_of(eve) == roles.Role.EDITOR
        given = client.post(CODE, {"code": code_now(), "next": pages[0]})
        assert given["Location"] == pages[0]
        assert client.post(pages[0], role).status_code == 302
    assert roles.role_of(User.objects.get(pk=eve.pk)) == roles.Role.OWNER
    assert ("zoe", "Gave a code of the app again") in entries(action_flag=logbook.SIGN_IN)


def test_site_below_a_prefix_asks_again_too(client, zoe):
    """As gunicorn and Django do it with SCRIPT_NAME, which the test's own client does not."""
    come_in(client, zoe)
    before = get_script_prefix()
    set_script_prefix("/papers-of-ours/")
    try:
        with later(601):
            answer = client.get("/admin/auth/user/add/")
    finally:
        set_script_prefix(before)
    assert answer["Location"].startswith(f"/papers-of-ours{CODE}")


def test_wrong_code_changes_nobody_and_is_counted(client, zoe):
    come_in(client, zoe)
    with later(601):
        wrong = client.post(CODE, {"code": "000000", "next": "/admin/auth/user/add/"})
        assert "not right" in words(wrong)
        assert "Leave it, and back to the desk" in words(wrong)
        assert client.get("/admin/auth/user/add/")["Location"].startswith(CODE)
        said = ("zoe", "Gave a wrong code where one is asked for again")
        assert entries(action_flag=logbook.SIGN_IN)[-1] == said


def test_recovery_code_that_is_given_again_is_in_the_log_and_says_how_many_are_left(client, zoe):
    come_in(client, zoe)
    (recovery, *_) = second_factor.new_codes(zoe)
    with later(601):
        given = client.post(CODE, {"code": recovery, "next": "/admin/auth/user/add/"}, follow=True)
        assert "You used a recovery code; 9 are left" in words(given)
    assert entries(action_flag=logbook.SIGN_IN)[-1] == ("zoe", "Gave a recovery code again")


def test_who_may_not_change_operators_is_refused_and_asked_for_no_code(client):
    eve = make_operator("eve", roles.Role.EDITOR)
    come_in(client, eve)
    with later(601):
        assert client.get("/admin/auth/user/add/").status_code == 403


def test_session_ends_twelve_hours_after_the_sign_in_whatever_is_done_in_it(client, zoe):
    come_in(client, zoe)
    for hours in (4, 8, 11.9):
        with later(3600 * hours):
            assert client.get("/admin/").status_code == 200
    with later(3600 * 12.1):
        assert client.get("/admin/")["Location"] == f"{LOGIN}?next=/admin/"


def test_session_of_before_this_version_ends(client, zoe):
    come_in(client, zoe)
    session = client.session
    del session["signed_in_at"]
    session.save()
    assert client.get("/admin/")["Location"].startswith(LOGIN)


def entries(**about):
    rows = LogEntry.objects.filter(**about).order_by("pk")
    return [(row.user.username, row.change_message.partition(logbook.FROM)[0]) for row in rows]


def test_log_tells_sign_ins_failures_and_lock_outs_by_whom_and_about_whom(zoe):
    client = Client()
    give_app(zoe)
    give_password(client, "zoe", "wrong")
    give_password(client, "nobody", "wrong")
    give_password(client, "zoe")
    give_code(client, "000000")
    with later():
        give_code(client, code_now())
    for _ in range(5):
        give_password(Client(), "zoe", "wrong")
    failed = (logbook.STRANGER, "Sign-in failed: wrong password")
    assert entries(object_id=zoe.pk, action_flag=logbook.SIGN_IN) == [
        failed,
        (logbook.STRANGER, "Sign-in failed: the password was right, the second factor wrong"),
        ("zoe", "Signed in, by password and a code of the app"),
        *[failed] * 5,
        (logbook.STRANGER, "Locked out for 15 minutes after failed sign-ins"),
    ]
    assert (logbook.STRANGER, "Sign-in failed: nobody has this name") in entries(object_id=None)


def test_log_page_shows_what_happened_at_the_door(client, zoe):
    give_password(Client(), "zoe", "wrong")
    come_in(client, zoe)
    page = client.get("/admin/admin/logentry/", {"kind": logbook.SIGN_IN}).content.decode()
    assert "Sign-in failed: wrong password" in page
    assert "Signed in, by password and a code of the app" in page
    assert "at the door" in page
    assert logbook.STRANGER in page


def test_role_that_is_given_is_in_the_log_with_the_one_before(client, zoe):
    come_in(client, zoe)
    eve = make_operator("eve", roles.Role.EDITOR)
    fields = {"username": "eve", "email": "eve@example.org", "role": "owner", "is_active": "on"}
    answer = client.post(f"/admin/auth/user/{eve.pk}/change/", fields)
    assert answer.status_code == 302
    assert ("zoe", "Role: editor → owner") in entries(object_id=eve.pk)


def test_nobody_changes_or_deletes_an_entry_of_the_log(client):
    root = User.objects.create_superuser("root", password="long-and-odd-1")
    come_in(client, root)
    entry = LogEntry.objects.latest("pk")
    page = f"/admin/admin/logentry/{entry.pk}"
    before = [*LogEntry.objects.values()]
    fields = {"change_message": "Nothing", "post": "yes", "user": root.pk}
    statuses = {
        client.post(target, fields).status_code
        for target in (f"{page}/change/", f"{page}/delete/", "/admin/admin/logentry/add/")
    }
    chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    client.post("/admin/admin/logentry/", chosen)
    assert statuses == {403}
    assert [*LogEntry.objects.values()] == before


def test_operator_with_entries_in_the_log_is_not_deleted_and_so_they_stay(client, zoe):
    come_in(client, zoe)
    eve = make_operator("eve")
    come_in(Client(), eve)
    client.post(f"/admin/auth/user/{eve.pk}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [eve.pk], "post": "yes"}
    client.post("/admin/auth/user/", chosen)
    assert User.objects.filter(pk=eve.pk).exists()
    assert LogEntry.objects.filter(user=eve).exists()


def test_strangers_and_commands_are_no_operators(client, zoe):
    give_password(Client(), "zoe", "wrong")
    come_in(client, zoe)
    assert logbook.STRANGER not in client.get("/admin/auth/user/").content.decode()
    stranger = User.objects.get(username=logbook.STRANGER)
    assert not stranger.is_active
    assert not stranger.has_usable_password()
    assert client.get(f"/admin/auth/user/{stranger.pk}/change/").status_code in (302, 404)
