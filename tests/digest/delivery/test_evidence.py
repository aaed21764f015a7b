"""Evidence: what a provider's events about other batches say of its silence about one."""

import itertools
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from digest.delivery import outbox, settling
from digest.delivery.esp import providers
from digest.delivery.feedback import events, evidence, intake
from digest.models import Batch, Delivery, Edition, Event, Notice
from subscriptions.models import TransactionalMessage
from tests.builders import make_subscriber
from tests.digest.builders import OFFERED_AT, make_batch

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
LATER = OFFERED_AT + timedelta(minutes=40)
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.UNCERTAIN_AFTER = 900
    settings.EMAIL_PROVIDERS = ["mailgun", "resend"]


def batch_of(size, *, deliveries="uncertain", **fields):
    made = make_batch([make_subscriber() for _ in range(size)], deliveries=deliveries, **fields)
    Delivery.objects.filter(batch=made).update(created_at=OFFERED_AT - 5 * MINUTE)
    Edition.objects.update(closed_at=OFFERED_AT - 60 * MINUTE)
    return made


def hear(batch, *, number=None, kind="delivered", after=MINUTE, is_applied=True, provider=None):
    """Events about the batch's first deliveries, so long after it was offered."""
    for row in batch.deliveries.order_by("pk")[:number]:
        event = Event.objects.create(
            provider=provider or batch.provider,
            event_id=str(next(_numbers)),
            type=kind,
            delivery=row,
            applied_at=LATER if is_applied else None,
        )
        Event.objects.filter(pk=event.pk).update(received_at=batch.offered_at + after)


def others(*, size=20, offered_at=OFFERED_AT + MINUTE, provider="mailgun", **heard):
    """A batch that the provider took, and told of."""
    made = batch_of(size, deliveries="sent", offered_at=offered_at, provider=provider)
    hear(made, **heard)
    return made


def settle(now=LATER):
    return {name: number for name, number in evidence.settle(now).items() if number}


def states(batch):
    return set(batch.deliveries.values_list("state", flat=True))


def test_silence_about_one_batch_while_others_are_told_of_sends_it_again():
    batch = batch_of(10)
    others()
    assert settle() == {"released": 10}
    assert states(batch) == {"pending"}
    claims = outbox.claim(LATER, size=10)
    assert [len(claim.readers) for claim in claims] == [10]


def test_batch_that_went_with_the_last_of_a_send_is_judged_by_those_just_before():
    batch_of(10)
    others(offered_at=OFFERED_AT - 2 * MINUTE, after=3 * MINUTE)
    assert settle() == {"released": 10}


def test_silence_of_a_whole_send_proves_nothing():
    others(offered_at=OFFERED_AT - timedelta(days=2))
    batch_of(10)
    batch_of(50, deliveries="sent")
    assert settle() == {"wait": 10}


def test_events_from_before_the_offer_prove_nothing():
    batch_of(10)
    others(offered_at=OFFERED_AT - 3 * MINUTE, after=MINUTE)
    assert settle() == {"wait": 10}


def test_events_about_batches_of_long_before_prove_nothing():
    batch_of(10)
    others(offered_at=OFFERED_AT - 30 * MINUTE, after=35 * MINUTE)
    assert settle() == {"wait": 10}


def test_events_about_what_was_offered_only_just_now_do_not_count_yet():
    batch_of(10)
    others(offered_at=LATER - 2 * MINUTE, after=MINUTE)
    assert settle() == {"wait": 10}


def test_events_of_another_provider_prove_nothing():
    batch_of(10)
    others(offered_at=OFFERED_AT - timedelta(days=2))
    others(provider="brevo")
    assert settle() == {"wait": 10}


def test_events_of_single_messages_prove_nothing(caplog):
    """They come by another stream, and perhaps another webhook."""
    batch_of(10)
    batch_of(50, deliveries="sent")
    for number in range(50):
        message = TransactionalMessage.objects.create(subscriber=make_subscriber(), kind="confirm")
        Event.objects.create(
            provider="mailgun", event_id=f"m{number}", type="sent", message=message
        )
    assert settle() == {"hopeless": 10}


def test_few_witnesses_prove_nothing():
    batch_of(10)
    others(size=evidence.WITNESSES - 1)
    assert settle() == {"wait": 10}


def test_nothing_is_done_before_the_patience_is_over():
    batch_of(10)
    others()
    assert settle(OFFERED_AT + 14 * MINUTE) == {"wait": 10}


def test_provider_whose_events_are_late_is_waited_for_three_times_as_long():
    batch_of(10)
    others(after=20 * MINUTE)
    assert settle(OFFERED_AT + 59 * MINUTE) == {"wait": 10}
    assert settle(OFFERED_AT + 61 * MINUTE) == {"released": 10}


def test_provider_that_tells_of_bounces_only_proves_nothing():
    batch_of(1000)
    others(size=200, number=20, kind="bounced")
    assert settle() == {"wait": 1000}


def test_silence_about_one_reader_weighs_less_than_about_many_of_one_call():
    others(size=100, number=90)
    many, one = batch_of(10), batch_of(1)
    assert settle() == {"released": 10, "wait": 1}
    assert (states(many), states(one)) == ({"pending"}, {"uncertain"})


def test_readers_of_calls_of_their_own_are_judged_one_by_one():
    batch_of(20, provider="postmark")
    witnesses = others(size=100, number=90, provider="postmark")
    assert settle() == {"wait": 20}
    hear(witnesses)
    assert settle() == {"released": 20}


@pytest.mark.parametrize("is_applied", [True, False])
def test_event_about_any_reader_of_the_call_keeps_the_batch(is_applied):
    batch = batch_of(10)
    others()
    hear(batch, number=1, kind="unknown", is_applied=is_applied)
    assert settle() == {"wait": 10}


def test_event_of_the_call_that_is_not_applied_yet_keeps_the_batch():
    batch = batch_of(10)
    others()
    Event.objects.create(provider="mailgun", event_id="b", type="queued", batch_id=batch.pk)
    assert settle() == {"wait": 10}
    events.apply_pending()
    assert states(batch) == {"sent"}


def test_settling_twice_does_it_once():
    batch_of(10)
    others()
    assert settle() == {"released": 10}
    assert settle() == {}


def store(kind, delivery, batch):
    metadata = {"delivery": str(delivery.pk), "batch": str(batch.pk)}
    report = intake.Report(provider="mailgun", event_id="late", type=kind, metadata=metadata)
    intake.store([report])
    events.apply_pending()


def test_late_event_after_the_release_stops_what_is_still_pending():
    batch = batch_of(10)
    others()
    settle()
    store("delivered", batch.deliveries.earliest("pk"), batch)
    assert states(batch) == {"sent"}
    assert outbox.claim(LATER, size=100) == []


def test_late_event_after_the_second_copy_is_out_changes_nothing():
    batch = batch_of(10)
    others()
    settle()
    outbox.claim(LATER, size=100)
    Delivery.objects.filter(batch=batch).update(state="sent")
    store("delivered", batch.deliveries.earliest("pk"), batch)
    assert states(batch) == {"sent"}


def test_late_event_finds_the_one_reader_whom_an_operator_released():
    batch = batch_of(10)
    first = batch.deliveries.earliest("pk")
    settling.release(Delivery.objects.filter(pk=first.pk))
    assert Delivery.objects.get(pk=first.pk).batch != batch
    store("delivered", first, batch)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


@pytest.fixture
def _with_keys(monkeypatch):
    resend = replace(providers.PROVIDERS["resend"], is_idempotent=True)
    monkeypatch.setitem(providers.PROVIDERS, "resend", resend)


@pytest.mark.usefixtures("_with_keys")
def test_provider_that_knows_its_calls_is_asked_again_after_a_minute_and_nobody_else():
    batch = batch_of(10, provider="resend")
    assert settle(OFFERED_AT + MINUTE / 2) == {"wait": 10}
    assert settle(OFFERED_AT + 2 * MINUTE) == {"asked": 10}
    batch.refresh_from_db()
    assert (batch.state, batch.only_provider) == (Batch.State.OPEN, "resend")


@pytest.mark.usefixtures("_with_keys")
@pytest.mark.parametrize("provider", ["resend", "mailgun"])
def test_nothing_is_sent_again_a_day_later(provider):
    batch_of(10, provider=provider)
    others(provider=provider)
    assert settle(OFFERED_AT + timedelta(hours=20)) == {"hopeless": 10}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"provider": "smtp"}, "smtp tells nothing"),
        ({"provider": "mailgun"}, "mailgun has never told"),
        ({"provider": "", "offered_at": None}, "not on record"),
    ],
)
def test_operator_is_told_once_of_what_nothing_will_settle(fields, words, caplog):
    batch_of(3, **fields)
    batch_of(4, **fields)
    for _ in range(2):
        assert settle() == {"hopeless": 7}
    (notice,) = Notice.objects.filter(kind="in_doubt")
    assert words in notice.what
    assert "settle_deliveries --date 2026-08-20" in notice.mend
    assert [each.levelno for each in caplog.records if each.levelno >= logging.ERROR] == [40]


def test_webhook_that_was_never_seen_to_work_is_told_once_a_day(caplog):
    batch_of(5, deliveries="sent")
    for _ in range(2):
        settle(OFFERED_AT + timedelta(hours=2))
    assert Notice.objects.get().key == f"mailgun {timezone.now().date()}"
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_webhook_that_works_and_way_that_was_not_used_are_not_told_of():
    others()
    settle(OFFERED_AT + timedelta(hours=2))
    assert not Notice.objects.exists()


def test_batch_without_anything_in_doubt_is_closed():
    batch = batch_of(2)
    Delivery.objects.filter(batch=batch).update(state="sent")
    settle()
    batch.refresh_from_db()
    assert batch.state == Batch.State.DONE
