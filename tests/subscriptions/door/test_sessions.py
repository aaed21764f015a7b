"""Keys of sessions as anybody may send them: what can't be one of ours is none."""

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session

from subscriptions.door.sessions import SessionStore

from .operators import LOGIN, come_in, make_operator

pytestmark = pytest.mark.django_db
OURS = "a1" * 16
OTHERS = ["\0aaaaaaaaaaaa", f"{OURS}\n", OURS.upper(), "a" * 7, "a" * 41, "é" * 32, "", None]


def test_key_of_ours_is_asked_for():
    assert SessionStore(OURS).session_key == OURS


@pytest.mark.parametrize("key", OTHERS)
def test_key_that_can_not_be_ours_is_none(key):
    assert SessionStore(key).session_key is None


@pytest.mark.parametrize("key", [r"\000aaaaaaaaaaaa", r"\377aaaaaaaaaaaa", r"aaaaaaaa\012"])
def test_cookie_with_escapes_is_nobody_and_no_error_of_ours(client, key):
    """Django undoes them in what stands between quotes; PostgreSQL takes no NUL."""
    client.cookies.clear()
    answer = client.get(LOGIN, headers={"Cookie": f'{settings.SESSION_COOKIE_NAME}="{key}"'})
    assert answer.status_code == 200


def test_session_of_an_operator_is_kept_where_it_was(client):
    come_in(client, make_operator())
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert Session.objects.get().pk == key
    assert Session.objects.get().get_decoded() == dict(SessionStore(key).items())
    assert client.get("/admin/").status_code == 200
