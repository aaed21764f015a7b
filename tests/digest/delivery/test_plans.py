"""What an operator decides for a provider holds over the settings, for all workers soon."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage, get_connection
from django.db import IntegrityError, transaction

from digest.delivery import sending
from digest.delivery.due import planning
from digest.delivery.esp import circuit, local_outbox, pacing, plans, providers
from digest.delivery.esp.answers import Answer
from digest.models import Circuit, DayCount, Delivery, Lease, ProviderPlan
from digest.records import Result
from subscriptions.emails import TransactionalMail
from subscriptions.errors import NotNowError
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
DAY = date(2026, 11, 2)
MAILGUN, SMTP = providers.PROVIDERS["mailgun"], providers.PROVIDERS["smtp"]


@pytest.fixture(autouse=True)
def clock(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "smtp", "outbox"]
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def order():
    return [way.name for way in plans.ordered()]


def test_settings_hold_where_nothing_is_decided(settings):
    settings.SEND_RATES = {"mailgun": 100.0}
    settings.WARM_UP = {"mailgun": (NOW.date(), 500, 2.0)}
    plan = plans.of("mailgun")
    assert (plan.rate, plan.cap(NOW.date()), plan.is_paused) == (100.0, 500, False)
    assert order() == ["mailgun", "smtp", "outbox"]


def test_rate_of_the_desk_holds_over_the_setting_and_zero_lifts_it(settings):
    settings.SEND_RATE = 10
    plans.decide("mailgun", rate=2.5)
    assert (pacing.rate_of(MAILGUN), pacing.rate_of(SMTP)) == (2.5, 10)
    plans.decide("mailgun", rate=0)
    assert pacing.rate_of(MAILGUN) == 0


def test_smaller_of_daily_cap_and_warm_up_holds(settings):
    settings.WARM_UP = {"mailgun": (NOW.date(), 500, 2.0)}
    plans.decide("mailgun", daily_cap=700)
    days = [NOW.date() + timedelta(days=n) for n in range(2)]
    assert [pacing.cap_of(MAILGUN, day) for day in days] == [500, 700]


def test_warm_up_of_the_desk_or_none_holds_over_the_setting(settings):
    settings.WARM_UP = {"mailgun": (NOW.date(), 500, 2.0)}
    own = {"warm_up_from": date(2026, 11, 1), "warm_up_messages": 10, "warm_up_growth": 3}
    plans.decide("mailgun", warm_up="own", **own)
    assert pacing.cap_of(MAILGUN, NOW.date()) == 90
    plans.decide("mailgun", warm_up="none")
    assert pacing.cap_of(MAILGUN, NOW.date()) is None


def test_cap_that_is_reached_makes_the_provider_unavailable():
    plans.decide("mailgun", daily_cap=25)
    DayCount.objects.create(provider="mailgun", day=NOW.date(), messages=25)
    assert circuit.available([MAILGUN, SMTP]) == [SMTP]


@pytest.mark.parametrize("wrong", [{"rate": -1}, {"warm_up": "own"}])
def test_database_takes_no_plan_that_makes_no_sense(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        ProviderPlan.objects.create(name="mailgun", **wrong)


def test_order_changes_step_by_step_and_back():
    assert plans.move("outbox", up=True)
    assert order() == ["mailgun", "outbox", "smtp"]
    assert not plans.move("mailgun", up=True)
    assert not plans.move("smtp", up=False)
    plans.forget_order()
    assert order() == ["mailgun", "smtp", "outbox"]


def test_provider_that_is_new_in_the_settings_comes_last(settings):
    plans.move("smtp", up=True)
    settings.EMAIL_PROVIDERS = ["postmark", "mailgun", "smtp", "outbox"]
    assert order() == ["smtp", "mailgun", "outbox", "postmark"]


def test_other_processes_follow_within_a_second(clock):
    assert not plans.of("mailgun").is_paused
    ProviderPlan.objects.create(name="mailgun", paused_at=NOW)
    assert not plans.of("mailgun").is_paused
    clock.shift(1.1)
    assert plans.of("mailgun").is_paused


def test_plans_cost_a_query_a_second_however_many_ask(django_assert_num_queries):
    with django_assert_num_queries(1):
        for _ in range(100):
            plans.of("mailgun")
            plans.ordered()


def test_paused_provider_takes_no_digest_and_no_further_call():
    assert circuit.admit(MAILGUN, 1)
    assert plans.pause("mailgun", because="their status page is red")
    assert not circuit.admit(MAILGUN, 1)
    assert circuit.available([MAILGUN, SMTP]) == [SMTP]
    assert [way.name for way in sending.ways_out()] == ["smtp", "outbox"]


def test_pausing_twice_keeps_the_first_reason():
    assert plans.pause("mailgun", because="first")
    assert not plans.pause("mailgun", because="second")
    assert ProviderPlan.objects.get().paused_because == "first"
    assert plans.resume("mailgun")
    assert not plans.resume("mailgun")


def test_pause_outlives_a_rest_and_a_return_to_the_settings():
    plans.pause("mailgun", because="x")
    plans.decide("mailgun", rate=5)
    plans.back_to_settings("mailgun")
    circuit.report(MAILGUN, Answer(Result.SENT), messages=1)
    assert (plans.of("mailgun").is_paused, plans.of("mailgun").rate) == (True, 0)
    assert not Circuit.objects.exists()


@pytest.fixture
def waiting(settings):
    settings.EMAIL_PROVIDERS = ["outbox"]
    local_outbox.maildir().clear()
    make_edition(DAY, [make_paper()])
    make_subscriber()
    planning.plan(NOW, day=DAY)


def test_digests_wait_while_all_are_paused_and_go_when_one_is_resumed(waiting):
    plans.pause("outbox", because="x")
    assert (sending.send_pending(), sending.batch_size() > 0) == (0, True)
    assert Delivery.objects.get().state == "pending"
    plans.resume("outbox")
    assert sending.send_pending() == 1


def send_single():
    link = get_connection("digest.delivery.esp.transactional.EmailBackend")
    link.send_messages([EmailMessage("Confirm", "x", to=["ada@example.org"])])
    pacing.write_counts()
    return set(DayCount.objects.filter(messages__gt=0).values_list("provider", flat=True))


def send_patient():
    message = TransactionalMail("Confirm", "x", to=["ada@example.org"])
    message.can_wait = True
    return get_connection("digest.delivery.esp.transactional.EmailBackend").send_messages([message])


@pytest.fixture
def outbox(settings):
    settings.EMAIL_PROVIDERS = ["outbox"]
    return providers.PROVIDERS["outbox"]


def test_messages_that_can_wait_leave_half_of_the_daily_number_and_sign_ups_are_sent(outbox):
    plans.decide("outbox", daily_cap=4)
    assert send_patient() == send_patient() == 1
    with pytest.raises(NotNowError):
        send_patient()
    assert send_single() == {"outbox"}
    assert DayCount.objects.get().messages == 3


def test_message_that_can_wait_takes_its_turn_at_the_rate(outbox, clock):
    plans.decide("outbox", rate=1)
    assert send_patient() == 1
    assert Lease.objects.get(name="send:outbox").free_at == NOW + timedelta(seconds=1)


def test_message_that_can_wait_leaves_the_turns_to_digests(outbox):
    plans.decide("outbox", rate=1)
    pacing.book(outbox, 30)
    with pytest.raises(NotNowError):
        send_patient()
    assert send_single() == {"outbox"}


def test_message_that_can_wait_goes_by_no_paused_or_resting_provider(outbox):
    Circuit.objects.create(name="outbox", open_until=NOW + timedelta(minutes=5))
    with pytest.raises(NotNowError):
        send_patient()
    Circuit.objects.all().delete()
    circuit.forget()
    plans.pause("outbox", because="x")
    with pytest.raises(NotNowError):
        send_patient()


def test_single_message_goes_by_another_than_the_paused_one(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "outbox"]
    plans.pause("mailgun", because="x")
    assert send_single() == {"outbox"}
    assert mail.outbox == []


def test_single_message_goes_by_a_paused_one_where_all_are(settings):
    settings.EMAIL_PROVIDERS = ["outbox"]
    plans.pause("outbox", because="x")
    assert send_single() == {"outbox"}
