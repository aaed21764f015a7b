"""`manage.py watch`: one look, and an answer for scripts."""

from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from digest.delivery.watching import signs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def alone(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    cache.clear()
    yield
    cache.clear()


def look(*arguments):
    output = StringIO()
    try:
        call_command("watch", "--once", *arguments, stdout=output)
    except SystemExit as end:
        return end.code, output.getvalue()
    return 0, output.getvalue()


def test_one_look_says_that_all_is_well():
    for key in (signs.BEAT_SEEN, signs.WORKER_SEEN):
        signs.note(key, timezone.now())
    assert look() == (0, "All is well.\n")


def test_one_look_says_what_is_wrong_and_has_status_one():
    status, text = look()
    assert status == 1
    assert text.startswith("Beat is silent")


def test_one_look_believes_that_the_broker_is_away(settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    status, text = look()
    assert status == 1
    assert text.startswith("The broker (Redis) can't be reached")


@pytest.mark.parametrize("every", ["0", "-1", "601", "soon", "1.5"])
def test_wrong_pause_is_one_line(every):
    with pytest.raises(CommandError, match="is no number of seconds from 1 to 600"):
        call_command("watch", "--every", every)
