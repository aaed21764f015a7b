"""Codes are good once, recovery codes are kept as hashes, and wrong ones have to wait."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from subscriptions.door import second_factor

from .operators import KEY, code_now, give_app, later, make_operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga():
    return make_operator()


def test_code_is_good_once(olga):
    give_app(olga)
    code = code_now()
    assert second_factor.verify(olga, code)
    with later(2):
        assert second_factor.verify(olga, code) is None


def test_older_code_is_not_good_after_a_newer_one(olga):
    give_app(olga)
    older = code_now(steps=-1)
    assert second_factor.verify(olga, code_now())
    assert second_factor.verify(olga, older) is None


def test_code_that_set_the_app_up_signs_nobody_in(olga):
    code = code_now()
    assert second_factor.set_up(olga, KEY, code)
    assert second_factor.verify(olga, code) is None


def test_code_with_spaces_is_read(olga):
    give_app(olga)
    code = code_now()
    assert second_factor.verify(olga, f" {code[:3]} {code[3:]} ")


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "1_2345", "１２３４５６", "abc", "-12345"]
)
def test_what_is_no_code_is_wrong_and_counts_for_no_device(olga, text):
    give_app(olga)
    assert second_factor.verify(olga, text) is None
    assert TOTPDevice.objects.get().throttling_failure_count == 0


def test_wrong_code_sets_nothing_up(olga):
    assert second_factor.set_up(olga, KEY, "000000") is None
    assert second_factor.device_of(olga) is None
    assert not StaticToken.objects.exists()


def test_app_that_was_set_up_meanwhile_stays(olga):
    assert second_factor.set_up(olga, KEY, code_now())
    other = second_factor.new_key()
    assert second_factor.set_up(olga, other, code_now(other)) is None
    assert second_factor.device_of(olga).key == KEY


def test_recovery_code_is_good_once(olga):
    codes = second_factor.set_up(olga, KEY, code_now())
    assert len(set(codes)) == second_factor.CODES
    assert second_factor.verify(olga, codes[3].upper())
    assert second_factor.codes_left(olga) == second_factor.CODES - 1
    assert second_factor.verify(olga, codes[3]) is None


def test_recovery_codes_are_kept_as_hashes(olga):
    codes = second_factor.set_up(olga, KEY, code_now())
    kept = " ".join(StaticToken.objects.values_list("token", flat=True)).lower()
    for code in codes:
        assert code not in kept
        assert code.replace("-", "") not in kept


def test_new_recovery_codes_end_the_old_ones(olga):
    [old, *_] = second_factor.set_up(olga, KEY, code_now())
    [new, *_] = second_factor.new_codes(olga)
    assert second_factor.verify(olga, old) is None
    with later(5):
        assert second_factor.verify(olga, new)


def test_code_of_somebody_else_is_wrong(olga):
    eve = make_operator("eve")
    [code, *_] = second_factor.set_up(eve, KEY, code_now())
    give_app(olga)
    assert second_factor.verify(olga, code) is None


def test_wrong_codes_have_to_wait_longer_and_longer_but_half_an_hour_at_most(olga):
    give_app(olga)
    waits, now = [], timezone.now()
    for _ in range(16):
        with time_machine.travel(now):
            assert second_factor.wait(olga, "000000") == 0
            assert second_factor.verify(olga, "000000") is None
            waits.append(second_factor.wait(olga, "000000"))
        now += timedelta(seconds=waits[-1] + 1)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) == waits[-1] == 2 ** (second_factor.MOST_DOUBLED - 1)


def test_right_code_within_the_wait_is_not_looked_at(olga):
    give_app(olga)
    for _ in range(3):
        second_factor.verify(olga, "000000")
    assert second_factor.verify(olga, code_now()) is None


def test_wrong_codes_of_the_app_leave_recovery_codes_alone(olga):
    codes = second_factor.set_up(olga, KEY, code_now())
    second_factor.verify(olga, "000000")
    assert second_factor.verify(olga, codes[0])


def test_picture_is_drawn_here_and_holds_the_secret(olga):
    uri = second_factor.uri(olga, KEY)
    assert uri.startswith("otpauth://totp/Daily%20Papers")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in uri
    svg = second_factor.picture(uri)
    assert svg.startswith("<svg")
    assert "http" not in svg
    assert second_factor.readable(KEY).replace(" ", "") in uri


@pytest.mark.django_db(transaction=True)
def test_of_two_who_give_the_same_code_at_once_one_comes_in(olga):
    give_app(olga)
    code, found = code_now(), []

    def give():
        found.append(second_factor.verify(olga, code))
        connection.close()

    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([device for device in found if device]) == 1
