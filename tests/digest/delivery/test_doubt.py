"""What is in doubt is put in words: how much, since when, and what evidence says so far."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from digest.delivery.feedback import doubt
from digest.models import Delivery, Event
from tests.builders import make_subscriber
from tests.digest.builders import OFFERED_AT
from tests.digest.delivery.test_evidence import LATER, MINUTE, batch_of, others

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.UNCERTAIN_AFTER = 900
    settings.EMAIL_PROVIDERS = ["mailgun", "resend", "smtp"]


def sentence(now=LATER):
    [group] = doubt.groups(now)
    [found] = group.shown
    return found.evidence


def test_group_says_how_many_by_provider_and_batch():
    batch = batch_of(3)
    Delivery.objects.filter(batch=batch).update(provider="mailgun", detail="ReadTimeout")
    other = batch_of(2, provider="smtp")
    Delivery.objects.filter(batch=other).update(provider="smtp")
    [group] = doubt.groups(LATER)
    assert (group.batches, group.number) == (2, "5 readers")
    assert [(d.provider, d.readers, d.said) for d in group.shown] == [
        ("mailgun", 3, "ReadTimeout"),
        ("smtp", 2, ""),
    ]
    assert group.shown[0].since == OFFERED_AT


def test_batch_of_two_providers_is_shown_by_each():
    batch = batch_of(3)
    first = batch.deliveries.order_by("pk")[0]
    Delivery.objects.filter(pk=first.pk).update(provider="smtp")
    batch.deliveries.exclude(pk=first.pk).update(provider="mailgun")
    [group] = doubt.groups(LATER)
    assert [(d.provider, d.readers) for d in group.shown] == [("mailgun", 2), ("smtp", 1)]


def test_provider_that_tells_nothing_leaves_it_to_the_operator():
    batch_of(3, provider="smtp")
    assert sentence() == "Only you can settle it: smtp tells nothing of what became of a mail."


def test_provider_that_knows_the_call_is_asked_by_itself():
    batch_of(3, provider="resend")
    assert sentence() == "resend is asked again by itself, under a key that it knows."


def test_event_about_it_says_that_it_was_taken():
    batch = batch_of(3)
    Event.objects.create(
        provider="mailgun", event_id="1", type="delivered", delivery=batch.deliveries.first()
    )
    assert sentence() == "mailgun has told of it: it was taken, at least in part."


def test_silence_is_not_weighed_too_early():
    batch_of(3)
    others(after=MINUTE)
    assert "its silence is weighed from 08:15 UTC on" in sentence(OFFERED_AT + 5 * MINUTE)


def test_silence_among_few_witnesses_says_nothing():
    batch_of(3)
    others(number=4)
    assert "It has told of 4 others since, and 10 are needed" in sentence()


def test_silence_that_proves_it_says_that_it_goes_again():
    batch_of(10)
    others()
    assert "it is sent again within 5 minutes" in sentence()


def test_silence_of_a_provider_that_tells_of_some_is_too_little():
    batch_of(1)
    others(size=40, number=20)
    assert "told of 20 of 40 others of that time: too few to be sure" in sentence()


def test_more_batches_than_are_looked_into_are_said_to_be_at_most(monkeypatch):
    monkeypatch.setattr(doubt, "MOST_BATCHES", 1)
    batch_of(3, provider="smtp")
    batch_of(2, provider="smtp")
    [group] = doubt.groups(LATER + timedelta(days=2))
    assert (group.is_cut, group.number, len(group.shown)) == (True, "at most 5 readers", 1)


def test_newest_editions_are_looked_into_first(monkeypatch):
    monkeypatch.setattr(doubt, "MOST_BATCHES", 1)
    batch_of(3)
    batch_of(2, day=date(2026, 8, 21))
    newer, older = doubt.groups(LATER)
    assert (len(newer.shown), len(older.shown)) == (1, 0)
    assert older.number == "at most 3 readers"


def test_number_of_queries_does_not_grow_with_the_batches():
    others()
    batch_of(1)
    with CaptureQueriesContext(connection) as few:
        doubt.groups(LATER)
    for n in range(20):
        batch_of(1, offered_at=OFFERED_AT + n * timedelta(seconds=2))
    with CaptureQueriesContext(connection) as many:
        [group] = doubt.groups(LATER)
    assert len(many) == len(few)
    assert {found.evidence for found in group.shown} == {group.shown[0].evidence}


def test_evidence_is_weighed_for_a_few_times_only(monkeypatch):
    monkeypatch.setattr(doubt, "MOST_WEIGHED", 1)
    others()
    batch_of(10)
    batch_of(10, offered_at=OFFERED_AT + 2 * MINUTE)
    [group] = doubt.groups(LATER)
    assert "sent again within" in group.shown[0].evidence
    assert "weighed every 5 minutes" in group.shown[1].evidence


def test_nothing_in_doubt_is_no_group():
    batch_of(3, deliveries="sent")
    make_subscriber()
    assert doubt.groups(LATER) == []
