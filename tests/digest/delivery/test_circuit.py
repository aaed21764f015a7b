"""Which providers may be called: after failures they rest, and one worker tries first."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from botocore.exceptions import NoCredentialsError

from digest.delivery.esp import answers, circuit, pacing, plans, providers
from digest.delivery.esp.answers import Answer
from digest.errors import ProviderSettingsError
from digest.models import Circuit, DayCount, Notice
from digest.records import Result

pytestmark = pytest.mark.django_db
MAILGUN = providers.PROVIDERS["mailgun"]
SMTP = providers.PROVIDERS["smtp"]
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
SENT = Answer(Result.SENT)
DOWN = Answer(Result.DEFERRED, "ConnectionRefusedError", is_provider_down=True)
SILENCE = Answer(Result.UNCERTAIN, "ReadTimeout")
REFUSED = Answer(Result.FAILED, "SMTP 550 5.1.1", is_dead_address=True)
BUSY = Answer(Result.DEFERRED, "HTTP 429", 600.0, is_provider_down=True)
NO_KEY = Answer(Result.DEFERRED, "HTTP 401: check the key", is_provider_down=True)


@pytest.fixture(autouse=True)
def clock():
    another_worker()
    pacing._uncounted.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock
    another_worker()
    pacing._uncounted.clear()


def another_worker():
    """A process knows only what stands in the database."""
    circuit.forget()
    plans.forget()


def call(answer, provider=MAILGUN, messages=10):
    is_admitted = circuit.admit(provider, messages)
    if is_admitted:
        circuit.report(provider, answer, messages=messages)
    return is_admitted


def is_available(provider=MAILGUN):
    return circuit.available([provider]) == [provider]


def test_provider_without_failures_costs_two_queries_a_second(clock, django_assert_num_queries):
    with django_assert_num_queries(2):
        circuit.available([MAILGUN, SMTP])
        for _ in range(50):
            call(SENT)


@pytest.mark.parametrize("answer", [DOWN, SILENCE])
def test_three_failures_in_a_row_give_it_a_rest(answer):
    assert [call(answer) for _ in range(4)] == [True, True, True, False]
    assert circuit.available([MAILGUN, SMTP]) == [SMTP]


def test_failures_that_are_not_in_a_row_change_nothing():
    for answer in (DOWN, DOWN, SENT, DOWN, DOWN, REFUSED, DOWN):
        assert call(answer)
    assert is_available()


def test_failures_of_several_workers_add_up():
    for _ in range(3):
        call(DOWN)
        another_worker()
    assert not is_available()


def test_refused_address_says_nothing_about_the_provider():
    assert all(call(REFUSED) for _ in range(10))


def test_one_worker_tries_after_the_rest_with_one_call(clock):
    for _ in range(3):
        call(DOWN)
    clock.shift(circuit.FIRST_REST + timedelta(seconds=1))
    mine = is_available()
    another_worker()
    assert (mine, is_available(), circuit.admit(MAILGUN, 10)) == (True, False, False)


def test_trial_is_one_call_until_its_answer_is_there(clock):
    for _ in range(3):
        call(DOWN)
    clock.shift(circuit.FIRST_REST + timedelta(seconds=1))
    circuit.available([MAILGUN])
    first, second = circuit.admit(MAILGUN, 10), circuit.admit(MAILGUN, 10)
    circuit.report(MAILGUN, SENT, messages=10)
    assert (first, second, circuit.admit(MAILGUN, 10)) == (True, False, True)
    assert circuit.is_closed(MAILGUN)


def test_trial_of_a_killed_worker_passes_to_another(clock):
    for _ in range(3):
        call(DOWN)
    clock.shift(circuit.FIRST_REST)
    assert is_available()
    another_worker()
    clock.shift(circuit.TRIAL)
    assert is_available()


def test_rests_grow_to_a_limit_and_a_success_ends_that(clock):
    for _ in range(3):
        call(DOWN)
    rests = []
    for _ in range(7):
        rests.append((Circuit.objects.get().open_until - datetime.now(UTC)).seconds)
        clock.shift(rests[-1])
        assert is_available()
        call(DOWN)
    assert rests == [30, 60, 120, 240, 480, 900, 900]


def test_busy_provider_rests_at_once_for_as_long_as_it_says(clock):
    call(BUSY)
    clock.shift(599)
    before = is_available()
    clock.shift(1)
    assert (before, is_available()) == (False, True)


def test_busy_provider_that_names_no_time_rests_at_once():
    call(Answer(Result.DEFERRED, "HTTP 503", is_provider_down=True))
    assert not is_available()


def test_calls_under_way_when_it_opens_do_not_prolong_the_rest():
    for _ in range(3):
        call(DOWN)
    until = Circuit.objects.get().open_until
    for answer in (DOWN, BUSY, SENT):
        circuit.report(MAILGUN, answer, messages=10)
    row = Circuit.objects.get()
    assert (row.open_until, row.openings) == (until, 1)


@pytest.mark.parametrize(
    "answer",
    [
        NO_KEY,
        Answer(Result.DEFERRED, "HTTP 403 AccessDenied: check the key", is_provider_down=True),
        Answer(Result.DEFERRED, "SMTPAuthenticationError", is_provider_down=True),
        Answer(Result.DEFERRED, "SMTP 535 5.7.8", is_provider_down=True),
        answers.down(ProviderSettingsError("smtp: SMTP_URL is not set")),
        answers.down(NoCredentialsError()),
    ],
)
def test_refused_key_rests_at_once_and_is_told_once(answer, clock, caplog):
    caplog.set_level(logging.ERROR)
    call(answer)
    clock.shift(circuit.SETTINGS_REST)
    assert is_available()
    call(answer)
    assert not is_available()
    assert [notice.kind for notice in Notice.objects.all()] == ["provider_settings"]
    assert [record.kind for record in caplog.records] == ["provider_settings"]


def test_used_up_day_leaves_digests_to_the_next_provider(settings, clock):
    settings.WARM_UP = {"mailgun": (NOW.date(), 25, 2.0)}
    assert [call(SENT) for _ in range(3)] == [True, True, False]
    assert circuit.available([MAILGUN, SMTP]) == [MAILGUN, SMTP]
    pacing.count(MAILGUN, 5)
    assert circuit.available([MAILGUN, SMTP]) == [SMTP]


def test_what_was_surely_not_taken_does_not_use_up_the_day(settings):
    settings.WARM_UP = {"mailgun": (NOW.date(), 25, 2.0)}
    for answer in (DOWN, REFUSED, SILENCE, SENT):
        call(answer)
    assert DayCount.objects.get().messages == 20


def test_crowded_provider_lets_nobody_claim_even_for_the_next_one(settings, monkeypatch):
    monkeypatch.setattr(pacing.time, "sleep", lambda seconds: None)
    settings.SEND_RATES = {"mailgun": 10.0}
    for _ in range(61):
        pacing.wait(MAILGUN, 10)
    assert circuit.available([MAILGUN, SMTP]) == []
    assert circuit.available([SMTP]) == [SMTP]


def test_circuit_that_opens_during_the_wait_refuses_the_call(settings, monkeypatch, clock):
    def meanwhile(seconds):
        clock.shift(5)
        Circuit.objects.create(name="mailgun", open_until=NOW + timedelta(hours=1))

    settings.SEND_RATE, settings.WARM_UP = 10, {"mailgun": (NOW.date(), 25, 2.0)}
    monkeypatch.setattr(pacing.time, "sleep", meanwhile)
    assert not circuit.admit(MAILGUN, 10)
    assert pacing.left_today(MAILGUN) == 25
