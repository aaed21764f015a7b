"""Readers and suppressions written to files."""

import csv
import json
import stat
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from subscriptions import importing, services
from subscriptions.importing import exporting
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db


def export(*arguments):
    output = StringIO()
    call_command("export_subscribers", *arguments, stdout=output)
    return output.getvalue()


def test_file_is_for_its_owner_alone_and_whole(tmp_path):
    path = tmp_path / "out.csv"
    make_subscriber("ada@example.org")
    assert export("--output", str(path)) == f"1 subscribers written to {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    said = export("--output", str(path), "--json")
    assert json.loads(said) == {"subscribers": 1, "output": str(path)}


def test_what_was_there_stays_where_writing_fails(tmp_path):
    def fail_at_the_topics(execute, sql, params, many, context):
        if "subscriptions_subscription" in sql:
            raise OSError("disk full")
        return execute(sql, params, many, context)

    path = tmp_path / "out.csv"
    path.write_text("earlier")
    make_subscriber("ada@example.org")
    with connection.execute_wrapper(fail_at_the_topics):  # noqa: SIM117
        with pytest.raises(CommandError, match="can't be written: disk full"):
            export("--output", str(path))
    assert path.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]


def test_some_states_alone_are_written():
    make_subscriber("ada@example.org")
    make_subscriber("left@example.org", state="unsubscribed")
    services.suppress(make_subscriber("dead@example.org"), Suppression.Reason.BOUNCED)

    def written(*states):
        arguments = [part for state in states for part in ("--status", state)]
        return {row["email"] for row in csv.DictReader(export(*arguments).splitlines())}

    assert written("active") == {"ada@example.org"}
    assert written("suppressed") == {"dead@example.org"}
    assert written("unsubscribed", "suppressed") == {"left@example.org", "dead@example.org"}


def test_suppressions_are_written_as_hashes():
    services.erase(make_subscriber("gone@example.org"))
    heading, row = export("--suppressions").splitlines()
    assert heading == "address_hash,reason,created_at"
    assert row.split(",")[:2] == [Suppression.objects.get().address_hash, "erased"]
    assert "gone" not in row


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--suppressions", "--status", "active"), "has none"), (("--json",), "is for --output")],
)
def test_wishes_that_do_not_go_together_are_one_clear_line(arguments, words):
    with pytest.raises(CommandError, match=words):
        export(*arguments)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "'x"])
def test_no_cell_is_run_by_a_spreadsheet(cell):
    assert importing.harmless(cell) == f"'{cell}"
    assert importing.harmless("ada@example.org") == "ada@example.org"


def test_number_of_queries_grows_with_pages_not_rows(django_assert_num_queries):
    topic = make_topic("agents")
    for _ in range(30):
        make_subscriber(topics=[topic])
    with django_assert_num_queries(3):
        assert len(list(importing.rows_of(Subscriber.objects.all()))) == 30


def test_topics_of_readers_between_those_of_a_sparse_export_are_not_read():
    topic = make_topic("agents")
    first, _, last = [make_subscriber(topics=[topic]).pk for _ in range(3)]
    assert exporting._slugs([first, last]) == {first: ["agents"], last: ["agents"]}
