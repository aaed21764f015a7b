"""Two who take the role from each other at the same moment: one of them stays an owner."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import StringIO
from threading import Barrier, BrokenBarrierError

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from subscriptions import roles
from tests.subscriptions.door.operators import make_operator

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]
PEOPLE = "/admin/auth/user/"
ADA, EVE = "ada@example.org", "eve@example.org"
REFUSED = 403


def posted(whose, page, **fields):
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username=whose))
    return lambda: client.post(page, fields).status_code


def demote(by, other):
    page = f"{PEOPLE}{User.objects.get(username=other).pk}/change/"
    return posted(by, page, username=other, email=other, is_active="on", role="")


def deactivate(by, other):
    page = f"{PEOPLE}{User.objects.get(username=other).pk}/change/"
    return posted(by, page, username=other, email=other, role="owner")


def delete(by, other):
    return posted(by, f"{PEOPLE}{User.objects.get(username=other).pk}/delete/", post="yes")


def delete_selected(by, other):
    chosen = {
        "action": "delete_selected",
        "_selected_action": [User.objects.get(username=other).pk],
    }
    return posted(by, PEOPLE, post="yes", **chosen)


def command(_by, other):
    def run():
        try:
            call_command("create_operator", other, role="support", stdout=StringIO())
        except CommandError:
            return REFUSED
        return 302

    return run


def once_both_are_about_to_write(barrier, act):
    """What the act answers. Before it first changes who works here it waits for the other, which may
    not get so far."""
    told = []

    def wait(execute, sql, *rest):
        writes = sql.startswith(("UPDATE", "INSERT", "DELETE"))
        if writes and ("auth_user" in sql or "admin_log" in sql) and not told:
            told.append(sql)
            with suppress(BrokenBarrierError):
                barrier.wait(timeout=1)
        return execute(sql, *rest)

    try:
        with connection.execute_wrapper(wait):
            return act()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (demote, demote),
        (deactivate, deactivate),
        (delete, delete),
        (delete_selected, delete_selected),
        (delete, demote),
        (command, demote),
        (command, command),
    ],
)
def test_two_owners_who_take_it_from_each_other_leave_one(first, second):
    for name in (ADA, EVE):
        make_operator(name)
    acts, barrier = [first(ADA, EVE), second(EVE, ADA)], Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(once_both_are_about_to_write, barrier, act) for act in acts]
        assert sorted(each.result(timeout=20) for each in found) == [302, REFUSED]
    assert [roles.is_owner(user) for user in User.objects.all()].count(True) == 1
