"""The watch sees what beat and the workers can't tell, and calls the heartbeat."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection

from digest.delivery import notices
from digest.delivery.watching import signs, vigil, watch
from digest.models import Edition, Notice
from tests.builders import make_subscriber
from tests.digest.builders import make_batch
from tests.digest.delivery.conftest import NOW
from tests.receiver import receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def alone(clock, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.PAPER_SOURCES = []
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def pulse(settings):
    with receiver() as made:
        settings.HEARTBEAT_URL = f"{made.url}/uuid"
        yield made


@pytest.fixture
def mind():
    return vigil.Vigil(since=NOW)


def live(*, beat=True, worker=True):
    for key, lives in ((signs.BEAT_SEEN, beat), (signs.WORKER_SEEN, worker)):
        if lives:
            signs.note(key, datetime.now(UTC))


def look(mind, clock, *, minutes=1, **lives):
    """A look each minute, with signs of life before it."""
    for _ in range(minutes):
        clock.shift(timedelta(minutes=1))
        live(**lives)
        wrong = vigil.look(mind, datetime.now(UTC))
    return wrong


def kinds(hook):
    return [(each["kind"], each["state"]) for each in hook.posted]


def test_all_is_well_where_all_live(mind, clock, hook):
    assert look(mind, clock, minutes=30) == []
    assert hook.calls == []


def test_beat_that_is_silent_is_told_once_and_again_when_it_was_well(mind, clock, hook):
    look(mind, clock, minutes=5)
    look(mind, clock, minutes=5, beat=False)
    before = kinds(hook)
    look(mind, clock, minutes=20, beat=False)
    look(mind, clock, minutes=5)
    look(mind, clock, minutes=10, beat=False)
    silent = [("beat_silent", "failing"), ("beat_silent", "well"), ("beat_silent", "failing")]
    assert (before, kinds(hook)) == ([], silent)
    assert "celery -A config beat" in hook.posted[0]["mend"]


def test_beat_that_never_was_there_is_told_too(mind, clock, hook):
    look(mind, clock, minutes=6, beat=False)
    assert kinds(hook) == [("beat_silent", "failing")]


def test_watch_that_begins_waits_for_a_sign_before_it_tells(clock, hook):
    live()
    clock.shift(timedelta(hours=2))
    late = vigil.Vigil(since=datetime.now(UTC))
    look(late, clock, minutes=5, beat=False, worker=False)
    assert hook.calls == []


def test_emptied_cache_is_no_silence(mind, clock, hook):
    look(mind, clock, minutes=10)
    cache.clear()
    look(mind, clock, minutes=3, beat=False, worker=False)
    assert hook.calls == []


def test_worker_that_is_stuck_is_told_and_beat_is_not(mind, clock, hook):
    look(mind, clock, minutes=20, worker=False)
    before = kinds(hook)
    look(mind, clock, worker=False)
    assert (before, kinds(hook)) == ([], [("worker_silent", "failing")])


def test_broker_that_is_away_is_told_on_the_second_look(mind, clock, hook, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    look(mind, clock)
    before = kinds(hook)
    look(mind, clock, minutes=2, beat=False, worker=False)
    assert (before, kinds(hook)) == ([], [("broker_away", "failing")])


def test_broker_that_returns_leaves_beat_and_worker_the_time_to_show_that_they_live(
    mind, clock, settings
):
    look(mind, clock)
    known, settings.CELERY_BROKER_URL = settings.CELERY_BROKER_URL, "redis://127.0.0.1:9/0"
    clock.shift(timedelta(hours=1))
    look(mind, clock, minutes=2, beat=False, worker=False)
    settings.CELERY_BROKER_URL = known
    look(mind, clock, beat=False, worker=False)
    assert set(notices.open_notices().values_list("kind", flat=True)) == {"broker_away"}
    assert look(mind, clock, minutes=5) == []


def test_disk_that_is_nearly_full_is_told(mind, clock, hook, monkeypatch):
    monkeypatch.setattr(vigil, "LEAST_FREE", 1.0)
    look(mind, clock)
    assert kinds(hook) == [("disk_full", "failing")]


def test_database_that_is_away_is_told_without_it_and_its_return_too(mind, clock, hook):
    def refuse(*_):
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        look(mind, clock)
        before = kinds(hook)
        wrong = look(mind, clock, minutes=5)
        look(vigil.Vigil(since=NOW), clock, minutes=3)
    look(mind, clock, minutes=3)
    assert before == []
    assert wrong[0].startswith("The database can't be used")
    assert kinds(hook) == [("database_away", "failing"), ("database_away", "well")]


def test_full_disk_ends_no_watch_and_the_database_is_told_once(
    clock, hook, pulse, settings, tmp_path
):
    def refuse(*_):
        raise OperationalError("could not extend file: No space left on device")

    # No file can be written under a name that is a file itself.
    settings.VAR_DIR = tmp_path / "full"
    settings.VAR_DIR.touch()
    with connection.execute_wrapper(refuse):
        wrong = look(vigil.Vigil(since=NOW), clock, minutes=5)
    assert wrong[0].startswith("The database can't be used")
    assert (kinds(hook), pulse.paths) == ([("database_away", "failing")], ["/uuid/fail"])


def test_database_that_is_away_is_told_when_the_way_opens(mind, clock, hook):
    def refuse(*_):
        raise OperationalError("no")

    hook.status = 500
    with connection.execute_wrapper(refuse):
        look(mind, clock, minutes=3)
        hook.status = 200
        look(mind, clock, minutes=3)
    assert kinds(hook) == [("database_away", "failing")]


def test_mistake_of_ours_ends_no_watch(mind, clock, monkeypatch, caplog, pulse):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(watch, "check", fail)
    wrong = look(mind, clock)
    assert wrong == ["The watch itself failed: ZeroDivisionError; its log says why."]
    assert pulse.paths == ["/uuid/fail"]


def test_heartbeat_is_called_every_five_minutes_while_all_is_well(mind, clock, pulse):
    look(mind, clock, minutes=11)
    assert pulse.calls == [("/uuid", "")] * 3


def test_heartbeat_is_told_at_once_what_is_wrong_and_when_it_is_well(mind, clock, pulse):
    look(mind, clock, minutes=6)
    look(mind, clock, minutes=12, beat=False)
    look(mind, clock, minutes=6)
    paths = pulse.paths
    assert (
        paths == ["/uuid", "/uuid", *["/uuid/fail"] * 2, "/uuid"] or paths.count("/uuid/fail") >= 2
    )
    assert "Beat is silent" in dict(pulse.calls)["/uuid/fail"]
    assert paths[-1] == "/uuid"


def test_held_send_is_not_well(mind, clock, pulse):
    batch = make_batch([make_subscriber()], deliveries="pending")
    watch.hold(batch.edition, because="a typo", now=NOW)
    wrong = look(mind, clock)
    assert wrong == ["The daily edition 2026-08-20 is held: a typo."]
    assert pulse.paths == ["/uuid/fail"]


def test_heartbeat_that_is_away_is_called_again_on_the_next_look(mind, clock, pulse, caplog):
    pulse.status = 503
    look(mind, clock, minutes=2)
    pulse.status = 200
    look(mind, clock)
    assert pulse.paths == ["/uuid"]
    assert "uuid" not in caplog.text


def test_without_any_way_nobody_is_called_and_the_table_has_it(mind, clock):
    look(mind, clock, minutes=10, beat=False)
    assert list(notices.open_notices().values_list("kind", flat=True)) == ["beat_silent"]
    assert (Notice.objects.get().mailed_at, Edition.objects.count()) == (None, 0)
