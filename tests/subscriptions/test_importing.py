"""Readers as CSV: in, out, and in again."""

import csv
import json
import stat
import sys
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from subscriptions import addresses, importing, services
from subscriptions.management.commands import import_subscribers
from subscriptions.models import ConsentRecord, Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db
HEAD = "email,topics,frequency,timezone,hour\n"
CONSENT = ("--confirmed", "--consent", "on paper, 2026")


class Terminal(StringIO):
    def isatty(self):
        return True


def stderr_as_terminal(monkeypatch):
    """To be called in a test: after the set-up pytest puts its own stderr in place again."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    return sys.stderr


@pytest.fixture
def path(tmp_path):
    return tmp_path / "readers.csv"


@pytest.fixture
def bring(path):
    def run(text, *arguments):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        output, errors = StringIO(), StringIO()
        call_command("import_subscribers", str(path), *arguments, stdout=output, stderr=errors)
        return output.getvalue(), errors.getvalue()

    return run


def export():
    output = StringIO()
    call_command("export_subscribers", stdout=output)
    return output.getvalue()


def test_each_new_address_is_asked_to_confirm(bring):
    printed, _ = bring(HEAD + "ada@example.org,agents;robotics,weekly,Europe/Berlin,9\n")
    assert printed == "1 added, 0 known before, 0 never to be mailed, 0 bad\n"
    reader = Subscriber.objects.get()
    assert (reader.state, reader.frequency, reader.timezone, reader.hour) == (
        "pending", "weekly", "Europe/Berlin", 9,
    )  # fmt: skip
    assert set(reader.topics.values_list("slug", flat=True)) == {"agents", "robotics"}
    message = TransactionalMessage.objects.get()
    assert (message.kind, message.can_wait) == ("confirm", True)


def test_confirmed_readers_are_active_with_their_consent_on_record(bring):
    bring("email\nada@example.org\n", *CONSENT)
    reader = Subscriber.objects.get()
    assert (reader.state, reader.next_digest_at is not None) == ("active", True)
    assert ConsentRecord.objects.get().text == "on paper, 2026"
    assert not TransactionalMessage.objects.exists()


def test_second_import_changes_nothing(bring):
    text = HEAD + "".join(f"reader{n}@example.org,,,,\n" for n in range(1100))
    bring(text, *CONSENT)
    before = list(Subscriber.objects.order_by("pk").values())
    printed, _ = bring(text.upper().replace("EMAIL,TOPICS,FREQUENCY,TIMEZONE,HOUR", HEAD.strip()))
    assert printed == "0 added, 1100 known before, 0 never to be mailed, 0 bad\n"
    assert list(Subscriber.objects.order_by("pk").values()) == before


def test_who_was_forgotten_is_asked_again_as_help_and_docs_say(bring):
    bring("email\nada@example.org\n")
    TransactionalMessage.objects.update(state="sent", sent_at=timezone.now())
    services.purge(timezone.now() + timedelta(days=settings.KEEP_UNCONFIRMED_DAYS + 1))
    assert bring("email\nada@example.org\n")[0].startswith("1 added, 0 known")
    page = (settings.BASE_DIR / "docs" / "readers.md").read_text()
    for text in (import_subscribers.Command.help, page):
        assert "KEEP_UNCONFIRMED_DAYS" in text
        assert "KEEP_LEFT_DAYS" in text


BAD = {
    "nobody": "does not look like an email address",
    "x@example.org,none": "no topic 'none'",
    "x@example.org,,hourly": "frequency 'hourly'",
    "x@example.org,,,Mars/Base": "no time zone 'Mars/Base'",
    "x@example.org,,,,24": "hour '24'",
    "x@example.org,,,," + "9" * 5000: "is not a number from 0 to 23",
    '"x@example.org,y@example.org"': "does not look like",
    '"a b@example.org"': "does not look like",
    "caf\xe9@example.org": "plain letters",
    '"x@example.org': "quote",
    '"x"y@example.org': "quote",
    'x@example.org,,"daily': "quote",
}


@pytest.mark.parametrize("row", BAD)
def test_bad_row_is_named_by_its_line_and_the_rest_goes_in(bring, row):
    text = (HEAD + "one@example.org\n").encode() + row.encode("latin-1") + b"\ntwo@example.org\n"
    printed, errors = bring(text)
    assert printed == "2 added, 0 known before, 0 never to be mailed, 1 bad\n"
    assert errors.startswith("line 3: ")
    assert BAD[row] in errors
    assert len(errors.splitlines()) == 1


def test_unclosed_quote_spoils_its_own_line_only(bring):
    rows = [f"reader{n}@example.org,,,,\n" for n in range(600)]
    rows[3] = '"' + rows[3]
    printed, errors = bring(HEAD + "".join(rows))
    assert printed == "599 added, 0 known before, 0 never to be mailed, 1 bad\n"
    assert errors.startswith("line 5: ")
    assert len(errors.splitlines()) == 1


def test_cell_beyond_the_limit_of_csv_spoils_its_own_line_only(bring):
    printed, errors = bring("email\n" + "x" * 200_000 + "\nada@example.org\n")
    assert printed.startswith("1 added")
    assert errors.startswith("line 2: ")


def test_empty_lines_count_but_are_no_rows(bring):
    printed, errors = bring("email\r\n\r\nada@example.org\r\n \r\nnobody\r\n")
    assert printed == "1 added, 0 known before, 0 never to be mailed, 1 bad\n"
    assert errors.startswith("line 5: ")


HEADINGS = [
    "Email,Topics",
    " email , topics ",
    "\ufeffEMAIL,TOPICS",
    '\ufeff"Email","Topics"',
    "eMail,topics,Name",
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_headings_may_be_in_any_case_and_with_spaces(bring, heading):
    bring(f"{heading}\nada@example.org,agents\n")
    assert Subscriber.objects.get().topics.get().slug == "agents"


def test_failure_midway_still_names_bad_rows_and_wakes_the_sender(
    path, capsys, django_capture_on_commit_callbacks
):
    def fail_in_the_second_page(execute, sql, params, many, context):
        if "last@example.org" in (params or ()):
            raise OperationalError("disk full")
        return execute(sql, params, many, context)

    rows = "".join(f"reader{n}@example.org\n" for n in range(1000))
    path.write_text(f"email\nnobody\n{rows}last@example.org\n")
    with django_capture_on_commit_callbacks() as callbacks:  # noqa: SIM117
        with connection.execute_wrapper(fail_in_the_second_page), pytest.raises(OperationalError):
            call_command("import_subscribers", str(path))
    assert capsys.readouterr().err.startswith("line 2: ")
    assert Subscriber.objects.count() == 999
    assert len(callbacks) == 1


def test_who_signs_up_between_look_up_and_insert_is_known(bring):
    def sign_up_after_the_look_up(execute, sql, params, many, context):
        if "subscriptions_suppression" in sql:
            make_subscriber("ada@example.org")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(sign_up_after_the_look_up):
        printed, _ = bring("email,topics\nAda@example.org,agents\nbob@example.org,robotics\n")
    assert printed == "1 added, 1 known before, 0 never to be mailed, 0 bad\n"
    assert TransactionalMessage.objects.get().subscriber.email == "bob@example.org"
    assert ConsentRecord.objects.get().subscriber.topics.get().slug == "robotics"
    assert not Subscriber.objects.get(email="ada@example.org").topics.exists()


def test_suppressed_address_stays_out(bring):
    reader = make_subscriber("gone@example.org")
    services.erase(reader)
    assert "1 never to be mailed" in bring("email\nGone@example.org\n", *CONSENT)[0]
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--confirmed",), "--confirmed demands --consent"),
        (("--consent", "x"), "--consent is for --confirmed"),
    ],
)
def test_consent_note_and_confirmed_belong_together(bring, arguments, words):
    with pytest.raises(CommandError, match=words):
        bring("email\n", *arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is nothing in it"),
        ("\ufeff\n;;\n", "There is nothing in it"),
        ("name,street\nx,y\n", "has no column named email"),
        ('"email\nada@example.org\n', "a quote left open"),
    ],
)
def test_file_without_addresses_is_one_clear_line(bring, text, said):
    with pytest.raises(CommandError, match=said):
        bring(text)


@pytest.mark.parametrize("name", ["address", "Recipient", "subscriber", "Contact"])
def test_column_that_may_be_another_is_the_address_where_no_other_is(bring, name):
    bring(f"{name},id\nada@example.org,1\n")
    bring(f"{name},id,E-Mail\nElm Street 4,1,bob@example.org\n")
    found = Subscriber.objects.values_list("email", flat=True)
    assert set(found) == {"ada@example.org", "bob@example.org"}


def test_missing_file_is_one_clear_line():
    for command in ("import_subscribers", "import_suppressions"):
        said = "^/nowhere/readers.csv can't be read: No such file or directory$"
        with pytest.raises(CommandError, match=said):
            call_command(command, "/nowhere/readers.csv")


def test_export_into_a_missing_folder_is_one_clear_line():
    said = "^/nowhere/out.csv can't be written: No such file or directory$"
    with pytest.raises(CommandError, match=said):
        call_command("export_subscribers", "--output", "/nowhere/out.csv")


def test_export_names_who_must_not_be_mailed_and_import_leaves_them_out(bring):
    topic = make_topic("agents")
    make_subscriber("active@example.org", topics=[topic], hour=9)
    make_subscriber("left@example.org", state="unsubscribed")
    make_subscriber("asked@example.org", state="pending")
    services.suppress(make_subscriber("dead@example.org"), Suppression.Reason.BOUNCED)
    written = export()
    assert written.splitlines() == [
        "email,topics,frequency,timezone,hour,status",
        "active@example.org,agents,weekdays,UTC,9,active",
        "left@example.org,,weekdays,UTC,7,unsubscribed",
        "asked@example.org,,weekdays,UTC,7,pending",
        "dead@example.org,,weekdays,UTC,7,suppressed",
    ]
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    printed, errors = bring(written, *CONSENT)
    assert printed.startswith("1 added, 0 known before, 0 never to be mailed, 0 bad, 2 left out")
    assert "1 left out, as they have not confirmed" in printed
    assert "who may be mailed: status" in printed
    assert errors == ""
    assert export().splitlines()[1] == written.splitlines()[1]


@pytest.mark.parametrize(
    "email", ["=1+1@example.org", "+x@example.org", "'x@example.org", "-@a.org"]
)
def test_no_cell_is_a_formula_and_each_comes_back_as_it_was(bring, email):
    make_subscriber(email)
    written = export()
    assert f"\n'{email}," in written.replace("\r", "")
    Subscriber.objects.all().delete()
    bring(written, *CONSENT)
    assert Subscriber.objects.get().email == email


def test_export_shows_a_bar_and_leaves_the_csv_alone(capsys, monkeypatch):
    terminal = stderr_as_terminal(monkeypatch)
    make_subscriber("ada@example.org")
    call_command("export_subscribers")
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr().out.splitlines() == [
        "email,topics,frequency,timezone,hour,status",
        "ada@example.org,,weekdays,UTC,7,active",
    ]


def test_import_shows_a_bar(path, capsys, monkeypatch):
    terminal = stderr_as_terminal(monkeypatch)
    path.write_text("email\nada@example.org\n")
    call_command("import_subscribers", str(path))
    assert "Reading" in terminal.getvalue()
    assert capsys.readouterr().out.startswith("1 added")


def test_no_bar_runs_through_a_csv_on_the_terminal(monkeypatch):
    terminal = stderr_as_terminal(monkeypatch)
    monkeypatch.setattr("sys.stdout", Terminal())
    call_command("export_subscribers")
    assert terminal.getvalue() == ""


def test_no_bar_without_a_terminal(path, capsys):
    call_command("export_subscribers", output=path)
    call_command("import_subscribers", str(path))
    assert capsys.readouterr().err == ""


def test_number_of_queries_grows_with_pages_not_rows(django_assert_max_num_queries):
    lines = ["email\n", *(f"r{n}@example.org\n" for n in range(1000))]
    outcome = importing.Outcome()
    with django_assert_max_num_queries(60):
        importing.add(importing.table(lines), outcome, consent="x")
    assert outcome.added == 1000


def test_dry_run_counts_and_changes_nothing(bring):
    make_subscriber("known@example.org")
    rows = "".join(f"reader{n}@example.org\n" for n in range(1100))
    printed, _ = bring(f"email\nknown@example.org\n{rows}reader3@example.org\n", "--dry-run")
    assert printed.startswith("Nothing was changed. It would be: 1100 added, 2 known before")
    assert Subscriber.objects.count() == 1
    assert not TransactionalMessage.objects.exists()


def test_counts_are_told_as_json(bring):
    printed, _ = bring("email,status\nada@example.org,\nnobody,\nx@example.org,bounced\n", "--json")
    assert json.loads(printed) == {
        "added": 1, "known": 0, "suppressed": 0, "left_out": 1, "unconfirmed": 0, "bad": 1, "dry_run": False,
        "status_columns": ["status"],
        "first_bad_rows": [{"line": 3, "reason": str(addresses.NOT_AN_ADDRESS)}],
    }  # fmt: skip


def test_of_many_bad_rows_the_first_are_named(bring):
    _, errors = bring("email\n" + "nobody\n" * 1500)
    assert len(errors.splitlines()) == 21
    assert errors.splitlines()[-1] == "and 1,480 more: --errors FILE.csv writes them all"


def test_bad_rows_go_to_a_file_for_mending_that_only_its_owner_reads(bring, tmp_path):
    bad = tmp_path / "bad.csv"
    text = "email,topics,Name\nada@example.org,agents,Ada\nbob@example.org,nothing,=1+1\n"
    bring(text, "--errors", str(bad))
    assert stat.S_IMODE(bad.stat().st_mode) == 0o600
    (row,) = csv.DictReader(bad.read_text().splitlines())
    assert (row["line"], row["reason"]) == ("3", "There is no topic 'nothing'.")
    assert (row["email"], row["Name"]) == ("bob@example.org", "'=1+1")
    printed, _ = bring(bad.read_text().replace(",nothing,", ",agents,"))
    assert printed.startswith("1 added")


def test_file_of_bad_rows_is_not_written_over_the_one_that_is_read(bring, path):
    with pytest.raises(CommandError, match="would be written over"):
        bring("email\nnobody\n", "--errors", str(path))
    assert path.read_text() == "email\nnobody\n"


def test_file_of_bad_rows_in_no_folder_is_one_clear_line_before_anybody_is_added(bring, tmp_path):
    with pytest.raises(CommandError, match=r"bad\.csv can't be written"):
        bring("email\nada@example.org\n", "--errors", str(tmp_path / "none" / "bad.csv"))
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("command", ["import_subscribers", "import_suppressions"])
def test_folder_for_bad_rows_is_named_before_anything_is_changed(path, tmp_path, command):
    path.write_text("email\nada@example.org\n")
    with pytest.raises(CommandError, match=f"^{tmp_path} can't be written: it is a folder"):
        call_command(command, str(path), "--errors", str(tmp_path))
    assert not Subscriber.objects.exists()
    assert not Suppression.objects.exists()


def test_rows_come_from_stdin(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"email\nada@example.org\n")))
    call_command("import_subscribers", "-")
    assert capsys.readouterr().out.startswith("1 added")


def test_ctrl_c_says_how_far_it_came(path):
    def interrupt_the_second_page(execute, sql, params, many, context):
        if "last@example.org" in (params or ()):
            raise KeyboardInterrupt
        return execute(sql, params, many, context)

    rows = "".join(f"reader{n}@example.org\n" for n in range(1000))
    path.write_text(f"email\n{rows}last@example.org\n")
    with connection.execute_wrapper(interrupt_the_second_page):  # noqa: SIM117
        with pytest.raises(
            CommandError, match=r"Stopped\. 1000 added.*goes on from here"
        ) as caught:
            call_command("import_subscribers", str(path))
    assert caught.value.returncode == 130
    assert Subscriber.objects.count() == 1000


FILES = {
    "Mailchimp": (
        '"Email Address","First Name",OPTIN_TIME,TIMEZONE,CLEAN_TIME,UNSUB_TIME,NOTES\n'
        'in@example.org,Ada,"2026-01-01 10:00:00",Europe/Berlin,,,\n'
        'out@example.org,Bob,,,"2026-02-01 10:00:00",,\n'
        'out2@example.org,Eve,,,,"2026-02-01 10:00:00",\n'
    ),
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        '5f,in@example.org,Ada,"{""city"": ""Berlin""}",enabled,2026-01-01,2026-01-01\n'
        "6f,out@example.org,Bob,{},blocklisted,2026-01-01,2026-01-01\n"
        "7f,out2@example.org,Eve,{},disabled,2026-01-01,2026-01-01\n"
    ),
    "Ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
        "deleted_at,labels,tiers\n"
        '1,in@example.org,Ada,"two\nlines",true,false,,2026-01-01,,,\n'
        "2,out@example.org,Bob,,false,false,,2026-01-01,,,\n"
        "3,out2@example.org,Eve,,true,false,,2026-01-01,2026-02-01,,\n"
    ),
}


@pytest.mark.parametrize("service", FILES)
def test_export_of_another_service_brings_who_wants_mail_and_no_others(bring, service):
    printed, errors = bring(FILES[service], *CONSENT)
    assert printed.startswith("1 added, 0 known before, 0 never to be mailed, 0 bad, 2 left out")
    assert errors == ""
    assert Subscriber.objects.get().email == "in@example.org"


REFUSALS = [
    "unsubscribed,true", "hard_bounced,yes", "bounced_at,2024", "Bounced,1", "unsubscribe,yes",
    "opted_out,true", "Has Opted Out of Email,1", "active,false", "Is Active,0", "enabled,no",
    "type,unsubscribed", "Unsubscribed Time,2024-05-01 10:00", "unsubscribed_on,01/05/2024",
    "status,Cleaned", "status,hard-bounced", "subscribed,no", "subscribed,0", "Opt-In,never",
    "spam_complaint,x", "Do not email,yes", "subscription_status,not subscribed",
]  # fmt: skip


@pytest.mark.parametrize("sign", REFUSALS)
def test_row_that_says_no_in_whatever_words_is_left_out(bring, sign):
    name, value = sign.split(",")
    printed, _ = bring(f"email,{name}\nada@example.org,{value}\n", *CONSENT)
    assert printed.startswith("0 added, 0 known before, 0 never to be mailed, 0 bad, 1 left out")
    assert printed.endswith(f"who may be mailed: {name}\n")


WELCOMES = [
    "subscribed,2024-05-01", "Subscribed,01/05/2024 10:00", "subscribed_at,1714557600",
    "subscribed,5/1/24", "subscription_status,opted_in", "status,Opted-In", "opt_in,yes",
    "unsubscribed,0", "bounced_at,", "hard_bounced,No", "active,TRUE", "enabled,1", "type,html",
    "Unsubscribed Time,", "Opted Out,never", "bounce count,0", "status,ACTIVE",
]  # fmt: skip


@pytest.mark.parametrize("sign", WELCOMES)
def test_row_that_says_yes_in_whatever_words_is_taken(bring, sign):
    name, value = sign.split(",")
    assert bring(f"email,{name}\nada@example.org,{value}\n", *CONSENT)[0].startswith("1 added")


@pytest.mark.parametrize("order", [("unsubscribed", "subscribed"), ("subscribed", "unsubscribed")])
def test_one_row_that_says_no_counts_for_all_of_its_address(bring, order):
    text = "email,status\nAda@example.org,{}\nada@example.org,{}\n".format(*order)
    printed, _ = bring(text, *CONSENT)
    assert printed.startswith("0 added, 0 known before, 0 never to be mailed, 0 bad, 2 left out")
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna", "punycode", "undefined"])
def test_file_in_another_encoding_than_was_said_is_one_line(bring, encoding):
    with pytest.raises(CommandError, match=f"can't be read: .*'{encoding}'"):
        bring("email\nada@exämple.org\n", "--encoding", encoding)


@pytest.mark.parametrize("status", ["pending", "Unconfirmed", "unactivated"])
def test_who_has_not_confirmed_elsewhere_is_asked_and_never_taken_as_confirmed(bring, status):
    text = f"email,status\nada@example.org,{status}\n"
    assert "1 left out, as they have not confirmed" in bring(text, *CONSENT)[0]
    assert not Subscriber.objects.exists()
    assert bring(text)[0].startswith("1 added")
    assert Subscriber.objects.get().state == "pending"


def test_times_of_day_as_spreadsheets_make_them_are_hours(bring):
    bring("email;hour;timezone;topics\nada@example.org;07:00;europe/BERLIN;Agents\n")
    reader = Subscriber.objects.get()
    assert (reader.hour, reader.timezone) == (7, "Europe/Berlin")
    assert reader.topics.get().slug == "agents"
