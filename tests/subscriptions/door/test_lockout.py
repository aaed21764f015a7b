"""Who fails to sign in too often waits; an attacker's failures do not keep the operator out."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from digest import forgetting
from subscriptions import logbook
from subscriptions.door import lockout

from .operators import (
    CODE,
    PASSWORD,
    code_now,
    give_app,
    give_code,
    give_password,
    later,
    make_operator,
)

pytestmark = pytest.mark.django_db
HERE, THERE = "192.0.2.1", "198.51.100.2"


@pytest.fixture(autouse=True)
def olga():
    return make_operator()


def fail(times, *, name="olga", start=0, ip=HERE, **headers):
    """The statuses of so many wrong sign-ins."""
    return [
        give_password(
            Client(), name, f"wrong-{start + number}", REMOTE_ADDR=ip, **headers
        ).status_code
        for number in range(times)
    ]


def comes_in(ip=HERE, **headers):
    answer = give_password(Client(), REMOTE_ADDR=ip, **headers)
    return answer.status_code == 302


def test_fifth_failure_locks_out_and_the_right_password_does_not_help():
    assert fail(5) == [200, 200, 200, 200, 429]
    assert not comes_in()


def test_locked_page_says_when_in_one_line_in_the_look_of_the_desk():
    fail(5)
    answer = give_password(Client(), REMOTE_ADDR=HERE)
    said = answer.content.decode()
    assert answer.status_code == 429
    assert 14 * 60 < int(answer["Retry-After"]) <= 15 * 60
    assert said.count('role="alert"') == 1
    assert "Try again in 15 minutes" in said
    assert "daily_papers/desk.css" in said
    assert "no-store" in answer["Cache-Control"]


def test_lock_is_over_after_a_quarter_of_an_hour():
    with time_machine.travel(datetime(2026, 11, 2, 8, 0, tzinfo=UTC)):
        fail(5)
    with time_machine.travel(datetime(2026, 11, 2, 8, 14, tzinfo=UTC)):
        assert not comes_in()
    with time_machine.travel(datetime(2026, 11, 2, 8, 16, tzinfo=UTC)):
        assert comes_in()


def test_trying_on_while_locked_out_makes_it_no_longer():
    with time_machine.travel(datetime(2026, 11, 2, 8, 0, tzinfo=UTC)):
        fail(5)
    with time_machine.travel(datetime(2026, 11, 2, 8, 14, tzinfo=UTC)):
        assert fail(3) == [429, 429, 429]
    with time_machine.travel(datetime(2026, 11, 2, 8, 16, tzinfo=UTC)):
        assert comes_in()


def test_operator_comes_in_from_elsewhere_while_an_attacker_is_locked_out():
    fail(5, ip=THERE)
    assert comes_in(HERE)


def test_one_address_is_locked_out_for_all_names_after_twenty():
    make_operator("eve")
    statuses = [fail(1, name=f"name-{number}")[0] for number in range(20)]
    assert statuses == [200] * 19 + [429]
    assert not comes_in()
    assert comes_in(THERE)


def test_many_addresses_that_guess_one_name_are_refused_but_not_who_came_from_there_before():
    assert comes_in(HERE)
    statuses = [fail(1, ip=f"203.0.113.{number}")[0] for number in range(60)]
    assert statuses == [200] * 59 + [429]
    assert not comes_in("203.0.113.200")
    assert comes_in(HERE)


def test_known_address_that_guesses_itself_is_locked_out():
    assert comes_in(HERE)
    assert fail(5)[-1] == 429


def test_clients_of_one_ipv6_network_are_one():
    tries = [fail(1, ip=f"2001:db8:1:2::{number}")[0] for number in range(1, 6)]
    assert tries[-1] == 429
    assert not comes_in("2001:db8:1:2:ffff::9")
    assert comes_in("2001:db8:1:3::1")


def test_forwarded_addresses_count_as_far_as_trusted_proxies_say(settings):
    fail(5, HTTP_X_FORWARDED_FOR="203.0.113.7")
    assert not comes_in(HTTP_X_FORWARDED_FOR="203.0.113.8"), "Nobody is believed."
    settings.TRUSTED_PROXIES = 1
    assert comes_in(HTTP_X_FORWARDED_FOR="203.0.113.8")
    fail(5, HTTP_X_FORWARDED_FOR="10.0.0.1, 203.0.113.9")
    assert not comes_in(HTTP_X_FORWARDED_FOR="10.9.9.9, 203.0.113.9")


def test_without_an_address_only_the_name_is_locked_out():
    make_operator("eve")
    assert fail(5, ip="")[-1] == 429
    statuses = fail(20, name="nobody", ip="")
    assert statuses[:5] == [200, 200, 200, 200, 429]
    assert give_password(Client(), "eve", REMOTE_ADDR="").status_code == 302


def test_without_an_address_failures_at_once_are_counted_in_one_row():
    """The database's key holds for no NULL; of twins each further failure was an error, and no count."""
    fail(1, ip="")
    twin = AccessAttempt.objects.get()
    twin.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)
    assert fail(4, ip="")[-1] == 429


def test_clients_of_this_machine_are_not_those_without_an_address():
    fail(5, ip="")
    assert not comes_in("")
    assert comes_in("::1")


def test_emptied_cache_forgets_no_failure():
    fail(4)
    cache.clear()
    assert fail(1) == [429]


def test_right_password_clears_failures_only_once_the_second_factor_is_given(olga):
    give_app(olga)
    fail(3)
    client = Client()
    give_password(client, REMOTE_ADDR=HERE)
    assert AccessAttempt.objects.exists()
    give_code(client, code_now(), REMOTE_ADDR=HERE)
    assert not AccessAttempt.objects.exists()


def test_wrong_codes_lock_out_as_wrong_passwords_do(olga):
    give_app(olga)
    client = Client()
    give_password(client, REMOTE_ADDR=HERE)
    statuses = []
    for number in range(5):
        with later(60 * number):
            statuses.append(give_code(client, "000000", REMOTE_ADDR=HERE).status_code)
    assert statuses == [200, 200, 200, 200, 429]
    assert client.get(CODE, REMOTE_ADDR=HERE).status_code == 429


def test_command_lets_the_operator_in_again():
    fail(5)
    call_command("axes_reset_username", "olga")
    assert comes_in()


def test_no_password_is_kept_and_no_address_logged(caplog):
    caplog.set_level(logging.DEBUG)
    secret = "my-password-in-the-wrong-field"
    Client().post(
        "/admin/login/?next=/admin/",
        {"username": secret, "password": "the-password-itself", "next": "/admin/x"},
        REMOTE_ADDR=HERE,
    )
    fail(5)
    kept = str([*AccessAttempt.objects.values()]) + str([*LogEntry.objects.values()])
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for word in (secret, "the-password-itself", "wrong-0"):
        assert word not in kept
        assert word not in logged
    assert HERE not in logged


def test_night_forgets_attempts_that_count_no_more_and_networks_of_long_ago():
    fail(1)
    assert comes_in(THERE)
    now = timezone.now()
    assert forgetting.forget(now)["sign_in_attempts"] == 0
    assert forgetting.forget(now + timedelta(minutes=16))["sign_in_attempts"] == 1
    later = now + lockout.KNOWN_FOR + timedelta(minutes=1)
    assert forgetting.forget(later)["sign_in_attempts"] == 1
    assert not AccessLog.objects.exists()


def test_known_network_is_kept_without_the_browser():
    assert comes_in()
    [row] = AccessLog.objects.all()
    assert [row.username, row.ip_address] == ["olga", HERE]
    assert [row.user_agent, row.http_accept, row.path_info, row.session_hash] == [""] * 4


def entries(about):
    """What the log has of strangers and somebody, or nobody."""
    rows = LogEntry.objects.filter(user__username=logbook.STRANGER, object_id=about and about.pk)
    found = rows.order_by("pk").values_list("change_message", flat=True)
    return [what.partition(logbook.FROM)[0] for what in found]


def test_log_tells_from_where_and_nothing_where_there_is_no_address():
    for ip in ("203.0.113.9", "2001:db8:1:2::9", ""):
        fail(1, ip=ip)
    told = [row.change_message for row in LogEntry.objects.order_by("pk")]
    failed = "Sign-in failed: wrong password"
    assert told == [f"{failed} · from 203.0.113.9", f"{failed} · from 2001:db8:1:2::", failed]


def test_flood_of_names_that_nobody_has_does_not_fill_the_log(monkeypatch):
    monkeypatch.setattr(logbook, "MOST_STRANGERS", 3)
    for number in range(6):
        fail(1, name=f"name-{number}")
    assert len(entries(None)) == 3


def test_flood_of_names_that_nobody_has_hides_nothing_about_operators(olga, monkeypatch):
    monkeypatch.setattr(logbook, "MOST_STRANGERS", 1)
    fail(3, name="nobody", ip=THERE)
    give_app(olga)
    client = Client()
    give_password(client, REMOTE_ADDR=HERE)
    give_code(client, "000000", REMOTE_ADDR=HERE)
    fail(4)
    wrong = "Sign-in failed: wrong password"
    assert entries(olga) == [
        "Sign-in failed: the password was right, the second factor wrong",
        *[wrong] * 4,
        "Locked out for 15 minutes after failed sign-ins",
    ]


def test_flood_on_one_operator_is_in_the_log_as_far_as_it_is_counted(olga, monkeypatch):
    monkeypatch.setattr(lockout, "PER_NAME", 6)
    for number in range(9):
        fail(1, ip=f"203.0.113.{number}")
    assert entries(olga).count("Sign-in failed: wrong password") == 6


def test_names_of_any_bytes_are_refused_and_not_stumbled_over():
    for name in ("ü" * 500, "'; --", "💥"):
        assert fail(1, name=name) == [200]
    assert fail(1, name="\0") == [404]
    assert give_password(Client(), password=PASSWORD + "\0").status_code == 404
