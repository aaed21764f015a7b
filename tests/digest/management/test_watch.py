"""`manage.py watch`: one look, and an answer for scripts."""

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

import digest
from digest.delivery import notices
from digest.delivery.notices import Trouble
from digest.delivery.watching import report, signs, vigil

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


def looked(*arguments):
    status, text = look("--json", *arguments)
    return status, json.loads(text)


def live():
    for key in (signs.BEAT_SEEN, signs.WORKER_SEEN):
        signs.note(key, timezone.now())


def test_all_signs_are_well_for_a_program():
    live()
    status, found = looked()
    assert (status, found["is_well"]) == (0, True)
    assert [sign["name"] for sign in found["signs"]] == ["watch", *report.SIGNS]
    assert all(sign["is_well"] for sign in found["signs"])


def test_sign_that_is_not_well_says_since_when_and_how_it_is_mended():
    live()
    since = timezone.now() - timedelta(hours=2)
    late = {key: Trouble(what=f"Edition {key}.", mend="Type.", link="/admin/") for key in "12"}
    notices.stand("some_kind", late, now=timezone.now())
    notices.open_notices().update(created_at=since)
    status, found = looked()
    wrong = [sign for sign in found["signs"] if not sign["is_well"]]
    assert (status, found["is_well"]) == (1, False)
    assert [(s["name"], s["what"], s["mend"], s["link"]) for s in wrong] == [
        ("some_kind", f"Edition {key}.", "Type.", "/admin/") for key in "12"
    ]
    assert {parse_datetime(sign["since"]) for sign in wrong} == {since}


def test_without_the_database_nobody_knows_of_the_rest(monkeypatch):
    def fail(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(notices, "open_notices", fail)
    status, found = looked()
    first, *rest = found["signs"]
    assert (status, found["is_well"], first["name"]) == (1, False, "database_away")
    assert (first["is_well"], first["mend"]) == (False, vigil.DATABASE_AWAY.mend)
    assert {sign["is_well"] for sign in rest} == {None}


def test_look_that_fails_is_a_sign_itself(monkeypatch):
    def fail(*_):
        raise ValueError("a mistake")

    monkeypatch.setattr(vigil, "_look", fail)
    status, found = looked()
    assert status == 1
    assert found["signs"][0]["name"] == "watch"
    assert "ValueError" in found["signs"][0]["what"]


def test_every_notice_that_lasts_is_a_sign():
    code = "".join(path.read_text() for path in Path(digest.__path__[0]).rglob("*.py"))
    kinds = set(re.findall(r'notices\.(?:stand|begin)\(\s*"(\w+)"', code))
    assert len(kinds) > 15
    assert kinds | {"held", "database_away"} == set(report.SIGNS)


def test_json_is_for_one_look():
    with pytest.raises(CommandError, match="--json is for --once"):
        call_command("watch", "--json")
