"""Signing in by two factors, setting one up, changing it, losing it."""

import base64
import re
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from subscriptions import logbook, roles
from subscriptions.door import second_factor

from .operators import (
    CODE,
    LOGIN,
    OWN,
    PASSWORD,
    SET_UP,
    code_now,
    come_in,
    give_app,
    give_code,
    give_password,
    later,
    make_operator,
)

pytestmark = pytest.mark.django_db
DESK = "/admin/"


@pytest.fixture
def olga():
    return make_operator()


@pytest.fixture
def required(settings):
    settings.SECOND_FACTOR = "required"


def secret_on(answer):
    text = re.search(r'door-secret">([A-Z2-7 ]+)<', answer.content.decode())[1]
    return base64.b32decode(text.replace(" ", "")).hex()


def codes_on(answer):
    return re.findall(r"<code>([a-z2-7-]{14})</code>", answer.content.decode())


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def entries():
    return [
        row.change_message.partition(logbook.FROM)[0] for row in LogEntry.objects.order_by("pk")
    ]


def is_in(client):
    return client.get(DESK).status_code == 200


def test_who_has_none_is_led_to_set_one_up_and_back_to_where_they_wanted(client, olga, required):
    answer = client.post(
        f"{LOGIN}?next=/admin/auth/user/", {"username": "olga", "password": PASSWORD}
    )
    answer = client.get(answer["Location"])
    assert answer["Location"] == f"{SET_UP}?next=/admin/auth/user/"
    page = client.get(answer["Location"])
    fields = {"code": code_now(secret_on(page)), "next": "/admin/auth/user/"}
    shown = client.post(SET_UP, fields)
    assert len(codes_on(shown)) == second_factor.CODES
    assert 'href="/admin/auth/user/"' in shown.content.decode()
    assert client.get("/admin/auth/user/").status_code == 200
    assert entries() == [
        "Signed in, by password and a second factor that was just set up",
        "Set up a second factor",
    ]


def test_wrong_code_shows_the_same_secret_again(client, olga, required):
    give_password(client)
    key = secret_on(client.get(SET_UP))
    answer = client.post(SET_UP, {"code": "000000"})
    assert "This code is not right." in text_of(answer)
    assert secret_on(answer) == key
    assert not is_in(client)


def test_another_session_of_who_knows_the_password_sees_another_secret(olga, required):
    one, other = Client(), Client()
    give_password(one)
    give_password(other)
    assert secret_on(one.get(SET_UP)) != secret_on(other.get(SET_UP))


def test_recovery_codes_are_shown_once_and_never_again(client, olga, required):
    give_password(client)
    key = secret_on(client.get(SET_UP))
    codes = codes_on(client.post(SET_UP, {"code": code_now(key)}))
    assert codes_on(client.post(SET_UP, {"code": code_now(key)})) == []
    assert codes[0] not in client.get(OWN).content.decode()


@pytest.mark.parametrize("setting", ["required", "optional"])
def test_who_has_one_is_asked_for_it_at_every_sign_in(olga, settings, setting):
    settings.SECOND_FACTOR = setting
    give_app(olga)
    for number in range(2):
        client = Client()
        with later(60 * number):
            give_password(client)
            assert client.get(DESK)["Location"] == f"{CODE}?next={DESK}"
            give_code(client, code_now())
            assert is_in(client)


def test_code_of_the_last_sign_in_is_not_taken_again(olga, required):
    come_in(Client(), olga)
    client = Client()
    give_password(client)
    answer = give_code(client, code_now())
    assert "is not right. Each is good once" in text_of(answer)
    assert not is_in(client)


def test_optional_lets_in_who_has_none(client, olga, settings):
    settings.SECOND_FACTOR = "optional"
    give_password(client)
    assert is_in(client)
    assert "You sign in by password alone" in text_of(client.get(OWN))
    assert entries() == ["Signed in, by password alone"]


def test_other_sessions_are_asked_once_one_is_set_up(olga, settings):
    settings.SECOND_FACTOR = "optional"
    one, other = Client(), Client()
    give_password(one)
    give_password(other)
    one.post(SET_UP, {"code": code_now(secret_on(one.get(SET_UP)))})
    assert is_in(one)
    assert other.get(DESK)["Location"].startswith(CODE)


def test_recovery_code_signs_in_once_and_says_how_many_are_left(olga, required):
    come_in(Client(), olga)
    [code, *_] = second_factor.new_codes(olga)
    client = Client()
    give_password(client)
    give_code(client, code)
    assert "You used a recovery code; 9 are left." in text_of(client.get(DESK))
    again = Client()
    give_password(again)
    with later():
        give_code(again, code)
        assert not is_in(again)
    assert "Signed in, by password and a recovery code" in entries()


def test_wrong_code_says_how_long_to_wait_and_the_right_one_waits_too(client, olga, required):
    give_app(olga)
    give_password(client)
    for _ in range(3):
        with later(10):
            give_code(client, "000000")
    answer = give_code(client, code_now())
    assert re.search(r"After wrong codes one has to wait: \d+ seconds? more.", text_of(answer))
    assert not is_in(client)


def test_who_wants_to_go_elsewhere_afterwards_stays_at_the_desk(client, olga, required):
    give_app(olga)
    give_password(client)
    for wanted in (
        "https://evil.example/", "//evil.example/", "/admin/\\evil", "/", "/admin/../", "/admin/..",
        "/admin/%2e%2e//evil.example", "/admin/x/.%2E/../", "/admin/\t//evil",
    ):  # fmt: skip
        answer = client.get(CODE, {"next": wanted})
        assert f'name="next" value="{DESK}"' in answer.content.decode()


def test_session_has_a_new_key_after_each_factor(client, olga, required):
    give_app(olga)
    client.get(LOGIN)
    keys = [client.session.session_key]
    give_password(client)
    keys.append(client.session.session_key)
    give_code(client, code_now())
    keys.append(client.session.session_key)
    assert len(set(keys)) == 3


def test_new_recovery_codes_ask_for_a_code_of_the_app(client, olga, required):
    come_in(client, olga)
    with later():
        assert codes_on(client.post(OWN, {"do": "codes", "code": "000000"})) == []
    with later(40):
        codes = codes_on(client.post(OWN, {"do": "codes", "code": code_now()}))
    assert len(codes) == second_factor.CODES
    assert "Made new recovery codes" in entries()


def test_who_asks_for_new_recovery_codes_by_an_old_one_stays_in(client, olga, required):
    come_in(client, olga)
    other = Client()
    give_password(other)
    codes = second_factor.new_codes(olga)
    give_code(other, codes[0])
    shown = client.post(OWN, {"do": "codes", "code": codes[1]})
    assert len(codes_on(shown)) == second_factor.CODES
    assert is_in(client)
    assert not is_in(other), "Its code may be a stolen one."


@pytest.mark.parametrize("wish", ["codes", "off"])
def test_message_on_recovery_codes_that_are_left_is_for_sign_ins(client, olga, settings, wish):
    settings.SECOND_FACTOR = "optional"
    come_in(client, olga)
    [code, *_] = second_factor.new_codes(olga)
    client.post(OWN, {"do": wish, "code": code})
    assert "You used a recovery code" not in text_of(client.get(DESK))


def test_one_recovery_code_that_is_left_is_told_in_the_singular(client, olga, required):
    give_app(olga)
    [code, *_] = second_factor.new_codes(olga)
    kept = StaticToken.objects.order_by("pk").values_list("pk", flat=True)[:2]
    StaticToken.objects.exclude(pk__in=list(kept)).delete()
    give_password(client)
    give_code(client, code)
    assert "You used a recovery code; 1 is left." in text_of(client.get(DESK))


def test_another_phone_is_set_up_by_a_code_of_the_first(client, olga, required):
    come_in(client, olga)
    assert client.get(SET_UP)["Location"] == OWN
    with later():
        assert client.post(OWN, {"do": "replace", "code": code_now()})["Location"] == SET_UP
        key = secret_on(client.get(SET_UP))
        assert len(codes_on(client.post(SET_UP, {"code": code_now(key)}))) == second_factor.CODES
    assert second_factor.device_of(olga).key == key
    assert TOTPDevice.objects.count() == 1
    assert is_in(client)
    assert "Replaced the second factor" in entries()


def test_secret_that_was_shown_and_not_taken_is_not_shown_again(client, olga, required):
    come_in(client, olga)
    shown = []
    for seconds in (31, 62):
        with later(seconds):
            client.post(OWN, {"do": "replace", "code": code_now()})
            shown.append(secret_on(client.get(SET_UP)))
    assert shown[0] != shown[1]


def test_permission_to_set_another_up_is_used_up_by_it(client, olga, required):
    come_in(client, olga)
    with later():
        client.post(OWN, {"do": "replace", "code": code_now()})
        client.post(SET_UP, {"code": code_now(secret_on(client.get(SET_UP)))})
        assert client.get(SET_UP)["Location"] == OWN


def test_permission_to_set_another_up_ends_after_ten_minutes(client, olga, required):
    come_in(client, olga)
    with later():
        client.post(OWN, {"do": "replace", "code": code_now()})
    with later(700):
        assert client.get(SET_UP)["Location"] == OWN


def test_it_is_taken_away_where_it_is_optional_only(client, olga, settings):
    settings.SECOND_FACTOR = "required"
    come_in(client, olga)
    with later():
        client.post(OWN, {"do": "off", "code": code_now()})
    assert second_factor.device_of(olga)
    settings.SECOND_FACTOR = "optional"
    with later(90):
        client.post(OWN, {"do": "off", "code": code_now()})
        assert is_in(client)
    assert second_factor.device_of(olga) is None
    assert "Took their second factor away" in entries()


def test_who_is_signed_in_elsewhere_is_out_once_the_device_is_gone(client, olga, settings):
    settings.SECOND_FACTOR = "optional"
    come_in(client, olga)
    second_factor.remove(olga)
    assert client.get(DESK)["Location"].startswith(LOGIN)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("setting", ["required", "optional"])
@pytest.mark.parametrize("target", [DESK, CODE, SET_UP])
def test_session_that_owes_a_code_is_over_once_the_device_is_gone(
    client, olga, settings, setting, target
):
    settings.SECOND_FACTOR = setting
    give_app(olga)
    give_password(client)
    second_factor.remove(olga)
    assert client.get(target)["Location"].startswith(LOGIN)
    assert "_auth_user_id" not in client.session


def test_session_that_was_asked_for_a_later_device_is_over_once_that_is_gone(
    client, olga, settings
):
    settings.SECOND_FACTOR = "optional"
    give_password(client)
    give_app(olga)
    assert client.get(DESK)["Location"].startswith(CODE)
    second_factor.remove(olga)
    assert client.get(DESK)["Location"].startswith(LOGIN)


def test_session_that_came_in_is_over_whoever_looked_at_it_first(client, olga, settings):
    """django_otp takes its own note out of the session where any page asks who is there."""
    settings.SECOND_FACTOR = "optional"
    come_in(client, olga)
    second_factor.remove(olga)
    session = client.session
    del session[DEVICE_ID_SESSION_KEY]
    session.save()
    assert client.get(DESK)["Location"].startswith(LOGIN)


def test_password_that_is_given_again_asks_for_a_code_again(client, olga, required):
    come_in(client, olga)
    give_password(client)
    assert client.get(DESK)["Location"].startswith(CODE)


def test_owner_resets_that_of_somebody_else(client, olga, required):
    come_in(client, olga)
    eve = make_operator("eve", roles.Role.EDITOR)
    second_factor.set_up(eve, second_factor.new_key(), "0")
    give_app(eve)
    address = f"/admin/auth/user/{eve.pk}/second-factor/"
    assert address in client.get(f"/admin/auth/user/{eve.pk}/change/").content.decode()
    assert "Reset the second factor of eve?" in text_of(client.get(address))
    assert second_factor.device_of(eve)
    client.post(address)
    assert second_factor.device_of(eve) is None
    entry = LogEntry.objects.latest("pk")
    assert [entry.user, entry.object_id] == [olga, str(eve.pk)]
    assert entries()[-1] == "Reset the second factor"


def test_owner_does_not_reset_their_own_without_a_code(client, olga, required):
    come_in(client, olga)
    assert client.post(f"/admin/auth/user/{olga.pk}/second-factor/")["Location"] == OWN
    assert second_factor.device_of(olga)


def test_command_resets_it_and_the_log_says_so(client, olga, required):
    come_in(client, olga)
    out = StringIO()
    call_command("reset_second_factor", "olga", stdout=out)
    assert out.getvalue() == "olga has no second factor any more\n"
    assert second_factor.device_of(olga) is None
    assert not is_in(client)
    entry = LogEntry.objects.latest("pk")
    assert entry.user.username.startswith(logbook.BY_COMMAND)
    assert entry.change_message == "Reset the second factor"


def test_command_says_in_a_line_what_is_wrong(olga):
    with pytest.raises(CommandError, match="Nobody logs in with this name"):
        call_command("reset_second_factor", "olha")
    with pytest.raises(CommandError, match="They have no second factor"):
        call_command("reset_second_factor", "olga")


def test_password_is_changed_as_before_and_ends_other_sessions(client, olga, required):
    other = Client()
    come_in(other, olga)
    with later():
        give_password(client)
        give_code(client, code_now())
        before = client.session.session_key
        change_password(client, "wrong")
        assert "Changed their password" not in entries()
        assert change_password(client, PASSWORD)["Location"].endswith("/done/")
        assert entries()[-1] == "Changed their password"
        assert client.session.session_key != before
        assert is_in(client)
        assert other.get(DESK)["Location"].startswith(LOGIN)


def change_password(client, old):
    fields = {
        "old_password": old,
        "new_password1": "new-and-odd-2",
        "new_password2": "new-and-odd-2",
    }
    return client.post("/admin/password_change/", fields)


def test_guesses_at_the_password_by_who_found_a_session_lock_it_out(client, olga, required):
    come_in(client, olga)
    statuses = [change_password(client, f"wrong-{number}").status_code for number in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    assert change_password(client, PASSWORD).status_code == 429
    assert is_in(client)
    wrong = "Gave a wrong password where one changes it"
    assert entries()[-6:] == [*[wrong] * 5, "Locked out for 15 minutes after failed sign-ins"]
    assert "odd-2" not in str([*AccessAttempt.objects.values()])
    assert "wrong-" not in str([*AccessAttempt.objects.values()])


def test_second_factor_is_no_page_of_who_is_no_operator(client):
    for address in (CODE, SET_UP, OWN):
        assert client.get(address)["Location"].startswith(LOGIN)
    User.objects.create_user("ada", password=PASSWORD)
    client.force_login(User.objects.get(username="ada"))
    for address in (CODE, SET_UP, OWN):
        assert client.get(address)["Location"].startswith(LOGIN)


def test_who_lost_the_role_between_the_factors_does_not_come_in(client, olga, required):
    give_app(olga)
    give_password(client)
    User.objects.update(is_staff=False)
    assert give_code(client, code_now())["Location"] == LOGIN


def test_forms_take_nothing_without_their_token(olga, required):
    client = Client(enforce_csrf_checks=True)
    client.force_login(olga)
    give_app(olga)
    assert give_code(client, code_now()).status_code == 403


def test_devices_and_attempts_have_no_pages_of_their_own():
    labels = {model._meta.app_label for model in admin.site._registry}
    assert labels.isdisjoint({"axes", "otp_totp", "otp_static"})


def test_signing_out_works_between_the_factors(client, olga, required):
    give_password(client)
    client.post("/admin/logout/")
    assert "_auth_user_id" not in client.session
