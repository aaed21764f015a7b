"""Providers are paused and resumed by commands, too."""

import json

import pytest

from digest.delivery.esp import plans
from digest.models import ProviderPlan
from tests.digest.management.test_commands import refusal, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two(settings):
    settings.EMAIL_PROVIDERS = ["mailgun", "outbox"]


def test_provider_is_paused_with_a_reason_and_resumed():
    assert run("pause_provider", "mailgun", "--because", " status  red") == "mailgun is paused\n"
    assert ProviderPlan.objects.get().paused_because == "status red"
    assert run("pause_provider", "mailgun", "--because", "x") == "mailgun was paused already\n"
    assert run("resume_provider", "mailgun") == "mailgun is resumed\n"
    assert run("resume_provider", "mailgun") == "mailgun was not paused\n"


def test_pausing_the_last_one_says_that_nothing_goes_out():
    plans.pause("mailgun", because="x")
    said = run("pause_provider", "outbox", "--because", "x")
    assert "No digest goes out now" in said


def test_json_says_what_is_left():
    said = json.loads(run("pause_provider", "mailgun", "--because", "x", "--json"))
    assert said == {"provider": "mailgun", "paused": True, "in_use": ["outbox"]}
    said = json.loads(run("resume_provider", "mailgun", "--json"))
    assert said == {"provider": "mailgun", "paused": False, "in_use": ["mailgun", "outbox"]}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("pause_provider", "pigeon", "--because", "x"), "'pigeon' is not in EMAIL_PROVIDERS"),
        (("pause_provider", "mailgun", "--because", " "), "--because: Say why"),
        (("pause_provider", "mailgun", "--because", "for a@b.org"), "Leave addresses out"),
        (("pause_provider", "mailgun"), "--because"),
        (("resume_provider", "smtp"), "'smtp' is not in EMAIL_PROVIDERS"),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments, line):
    assert line in refusal(*arguments)
