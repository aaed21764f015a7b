"""What commands change is in the log of the desk: who typed it, what it did, and why."""

import getpass
import os
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.urls import reverse

from digest.delivery.watching import watch
from digest.models import Batch, Edition
from tests.builders import make_subscriber
from tests.digest.builders import make_batch, make_edition, make_paper

pytestmark = pytest.mark.django_db
LOG = reverse("admin:admin_logentry_changelist")


@pytest.fixture(autouse=True)
def two_ways(settings):
    settings.EMAIL_PROVIDERS = ["outbox", "smtp"]
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def typed(monkeypatch):
    """Runs a command as somebody, and gives what it left in the log."""

    def run(*words, user="ada", **options):
        monkeypatch.setattr(getpass, "getuser", lambda: user)
        before = LogEntry.objects.count()
        call_command(*words, **options)
        entries = list(LogEntry.objects.order_by("pk"))[before:]
        assert {entry.user.username for entry in entries} <= {f"command, by {user}"}
        return [(entry.object_repr, entry.change_message) for entry in entries]

    return run


@pytest.fixture
def edition():
    make_batch([make_subscriber("ada@example.org")])
    return Edition.objects.get()


def held(edition):
    watch.hold(edition, because="too many bounces", now=datetime.now(UTC))


def test_holding_is_logged_once_with_its_reason(typed, edition):
    words = ("hold_edition", "--date", f"{edition.date}", "--because", "a wrong link")
    assert typed(*words) == [(edition.name, "Held: a wrong link")]
    assert typed(*words) == []


def test_releasing_is_logged(typed, edition):
    words = ("release_edition", "--date", f"{edition.date}")
    assert typed(*words) == []
    held(edition)
    said = "Released; it was held: too many bounces"
    assert typed(*words) == [(edition.name, said)]


def test_calling_off_is_logged_and_gives_up_what_waits(typed, edition):
    held(edition)
    Batch.objects.update(state=Batch.State.OPEN)
    said = "Called off; it was held: too many bounces"
    found = typed("release_edition", "--date", f"{edition.date}", "--drop")
    assert found == [(edition.name, said)]
    assert not Batch.objects.filter(state=Batch.State.OPEN).exists()


def test_pausing_and_resuming_are_logged(typed):
    assert typed("resume_provider", "smtp") == []
    found = typed("pause_provider", "smtp", "--because", "its bill")
    assert found == [("smtp", "paused, because: its bill")]
    assert typed("pause_provider", "smtp", "--because", "again") == []
    assert typed("resume_provider", "smtp") == [("smtp", "resumed")]


@pytest.mark.parametrize(
    ("way", "said"), [("--release", "will be sent again"), ("--drop", "are given up")]
)
def test_settling_is_logged_with_the_batch(typed, edition, way, said):
    batch = Batch.objects.get()
    words = ("settle_deliveries", way, "--batch", str(batch.pk))
    assert typed(*words) == [(str(batch), f"In doubt: 1 deliveries {said}.")]
    assert typed(*words) == []


def test_settling_everything_is_logged_without_a_name(typed, edition, tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("ada@example.org took it\n")
    found = typed("settle_deliveries", "--taken", str(file))
    assert found == [("", "In doubt: 1 deliveries are sent, as the file says.")]


def test_lists_that_come_in_are_logged_with_numbers(typed, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("email\nada@example.org\nbob@example.org\n")
    words = ("import_subscribers", str(file), "--confirmed", "--consent")
    assert typed(*words, "asked by ada@example.org", "--dry-run") == []
    [(_, said)] = typed(*words, "asked by ada@example.org")
    assert said.startswith("Imported a list: 2 added")
    assert said.endswith("they agreed: asked by (an address)")
    [(_, said)] = typed("import_suppressions", str(file))
    assert said.startswith("Took over a list: 2 never to be mailed now")


def test_new_operator_is_logged_by_number(typed, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO("long-and-odd-1\n"))
    found = typed("create_operator", "eve@example.org", "--role", "editor")
    eve = User.objects.get(username="eve@example.org")
    assert found == [(f"user {eve.pk}", "Made an operator with the role editor")]


def test_desk_shows_who_typed_it_and_what_it_is_about(typed, edition, admin_client):
    typed("hold_edition", "--date", f"{edition.date}", "--because", "a wrong link")
    typed("settle_deliveries", "--drop")
    page = admin_client.get(LOG).content.decode()
    assert page.count("<span>command, by ada</span>") == 2
    assert f'href="{reverse("admin:digest_edition_change", args=[edition.pk])}"' in page
    assert f'href="{reverse("admin:digest_edition_changelist")}">editions</a>' in page


def test_who_types_commands_cannot_sign_in_and_is_nobody_at_the_desk(
    typed, edition, admin_client, client
):
    typed("hold_edition", "--date", f"{edition.date}", "--because", "a wrong link")
    typist = User.objects.get(username="command, by ada")
    assert (typist.is_active, typist.is_staff, typist.has_usable_password()) == (False,) * 3
    people = admin_client.get(reverse("admin:auth_user_changelist")).content.decode()
    assert "command, by" not in people


def test_user_of_a_directory_is_named_without_the_domain(edition, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ada@corp.example")
    call_command("hold_edition", "--date", f"{edition.date}", "--because", "x")
    assert LogEntry.objects.get().user.username == "command, by ada"


def test_user_without_a_name_is_a_number(edition, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    call_command("hold_edition", "--date", f"{edition.date}", "--because", "x")
    assert LogEntry.objects.get().user.username == f"command, by user {os.getuid()}"


def test_restored_database_is_logged(typed):
    make_edition(datetime.now(UTC).date(), [make_paper()])
    [(_, said)] = typed("after_restore", "--stopped", "2026-08-20T00:00:00Z", "--offline")
    assert said.startswith(
        "Made the database of a backup safe; the lost one was stopped at 2026-08-20"
    )
