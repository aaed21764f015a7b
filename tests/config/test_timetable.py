"""What beat asks for is done soon or not at all."""

import pytest
from django.conf import settings

from config import timetable

PERIODS = {"figures": 20, "events": 15, "dispatch": 60, "messages": 60, "watch": 60}
"""In seconds, of those that are asked for most often."""


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_every_message_of_beat_expires_within_the_night(name):
    assert 60 < timetable.SCHEDULE[name]["options"]["expires"] <= 6 * 3600


def test_day_without_a_worker_leaves_few_messages():
    asked = timetable.SCHEDULE
    left = [asked[name]["options"]["expires"] / period for name, period in PERIODS.items()]
    assert sum(left) < 60
