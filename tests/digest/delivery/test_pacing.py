"""SEND_RATE: all workers together stay under a provider's rate."""

from datetime import UTC, datetime

import pytest
import time_machine

from digest.delivery import pacing, providers

pytestmark = pytest.mark.django_db
MAILGUN = providers.PROVIDERS["mailgun"]


@pytest.fixture
def pauses(monkeypatch):
    taken = []
    monkeypatch.setattr(pacing.time, "sleep", taken.append)
    return taken


def test_messages_wait_for_those_booked_before(settings, pauses):
    settings.SEND_RATE = 10
    with time_machine.travel(datetime(2026, 8, 21, tzinfo=UTC), tick=False):
        for _ in range(3):
            pacing.wait(MAILGUN, 50)
    assert pauses == [0, 5, 10]


def test_no_rate_means_no_waiting(settings, pauses):
    settings.SEND_RATE = 0
    pacing.wait(MAILGUN, 1000)
    assert pauses == []


def test_claims_are_small_enough_to_be_offered_soon(settings):
    settings.SEND_RATE = 2
    assert pacing.claim_size(MAILGUN) == 60
