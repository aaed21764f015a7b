"""What tests of the watch and of what it tells share: a clock that stands still, and a webhook."""

from datetime import UTC, datetime

import pytest
import time_machine

from tests.receiver import receiver

NOW = datetime(2026, 11, 3, 6, tzinfo=UTC)


@pytest.fixture
def clock():
    """It stands at NOW, until a test shifts it."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def hook(settings):
    """Where alarms are posted."""
    with receiver() as made:
        settings.ALARM_WEBHOOK_URL = f"{made.url}/hook"
        yield made
