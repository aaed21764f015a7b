"""Readers as CSV: in, out, and in again."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from subscriptions import importing, services
from subscriptions.models import ConsentRecord, Subscriber, Suppression, TransactionalMessage
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db
HEAD = "email,topics,frequency,timezone,hour\n"
CONSENT = ("--confirmed", "--consent", "on paper, 2026")


@pytest.fixture
def bring(tmp_path):
    def run(text, *arguments):
        path = tmp_path / "readers.csv"
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
    assert TransactionalMessage.objects.get().kind == "confirm"


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
}


@pytest.mark.parametrize("row", BAD)
def test_bad_row_is_named_by_its_line_and_the_rest_goes_in(bring, row):
    text = (HEAD + "one@example.org\n").encode() + row.encode("latin-1") + b"\ntwo@example.org\n"
    printed, errors = bring(text)
    assert printed == "2 added, 0 known before, 0 never to be mailed, 1 bad\n"
    assert errors.startswith("line 3: ")
    assert BAD[row] in errors
    assert len(errors.splitlines()) == 1


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


@pytest.mark.parametrize("text", ["", "name,address\nx,y\n"])
def test_file_without_addresses_is_one_clear_line(bring, text):
    with pytest.raises(CommandError, match="has no column named email"):
        bring(text)


def test_missing_file_is_one_clear_line():
    with pytest.raises(CommandError, match="can't be read"):
        call_command("import_subscribers", "/nowhere/readers.csv")


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
    assert printed.startswith("1 added")
    assert errors.count("this address must not be mailed") == 3
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


def test_number_of_queries_grows_with_pages_not_rows(django_assert_max_num_queries):
    rows = [(n, dict.fromkeys((*importing.COLUMNS, "status"), "") | {"email": f"r{n}@example.org"})
            for n in range(500)]  # fmt: skip
    with django_assert_max_num_queries(25):
        assert importing.add(rows, consent="x").added == 500
