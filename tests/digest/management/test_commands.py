"""The commands: what they print, how they answer wrong input, and what a second run changes."""

import contextlib
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from digest.delivery.due.planning import Plan
from digest.delivery.esp import plans
from digest.management.why import not_sent
from digest.models import Batch, Circuit, Delivery, Edition, Listing, Paper
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper
from tests.upstream import FakeUpstream, Fault, day_list, hugging_face_page

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


def run(*arguments, **options):
    output = StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


def refusal(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def upstream(settings):
    with FakeUpstream() as running:
        settings.HUGGING_FACE_URL = settings.ARXIV_API_URL = settings.ARXIV_RSS_URL = running.url
        yield running


@pytest.fixture
def outbox(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.EMAIL_PROVIDERS = ["outbox"]
    return tmp_path / "outbox" / "new"


def fetch(*extra):
    return run("fetch_papers", "--date", str(DAY), "--source", "hugging_face", *extra)


def test_fetch_prints_counts_and_twice_changes_nothing(upstream):
    assert fetch() == "hugging_face 2026-08-20: 12 new, 0 updated, 0 skipped, 0 bad\n"
    before = list(Paper.objects.values()), list(Listing.objects.values())
    assert fetch() == "hugging_face 2026-08-20: 0 new, 0 updated, 12 skipped, 0 bad\n"
    assert (list(Paper.objects.values()), list(Listing.objects.values())) == before


FAULTS = {
    "429": Fault(status=429, retry_after="600"),
    "500": Fault(status=500),
    "cut": Fault(cut_at=900),
    "web page": Fault(body=b"<!DOCTYPE html><html><body>Sorry</body></html>"),
    "wrong types": Fault(body=b'{"papers": 7}'),
    "huge": Fault(body=b"[" + b" " * 33 * 1024 * 1024 + b"]"),
    "redirect": Fault(status=302, location="http://localhost:9/"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_is_one_line_and_status_1_and_the_next_run_completes(upstream, kind):
    upstream.faults["/api/daily_papers"] = [FAULTS[kind]]
    upstream.faults["/papers"] = [FAULTS[kind]]
    with pytest.raises(CommandError) as caught:
        fetch()
    assert caught.value.returncode == 1
    assert str(caught.value).startswith("Hugging Face: ")
    assert "\n" not in str(caught.value)
    assert not Paper.objects.exists()
    upstream.faults.clear()
    fetch()
    assert Paper.objects.count() == 12


def test_bad_entries_are_counted_and_the_rest_goes_in(upstream):
    upstream.lists[DAY] = [*day_list(DAY, 3), {"paper": {"id": "../x"}}, 7]
    assert "3 new, 0 updated, 0 skipped, 2 bad" in fetch()


@pytest.mark.parametrize(
    "arguments",
    [
        ("fetch_papers", "--date", "yesterday"),
        ("fetch_papers", "--date", "2026-02-30"),
        ("fetch_papers", "--source", "elsewhere"),
        ("build_edition", "--frequency", "hourly"),
        ("build_edition", "--frequency", "weekly", "--date", "0001-01-01"),
        ("send_digests", "--date", "9999-12-31"),
        ("send_digests", "--now", "soon"),
        ("ledger", "--date", "1"),
        ("settle_deliveries",),
        ("settle_deliveries", "--release", "--drop"),
        ("preview_digest", "--format", "pdf"),
        ("preview_digest", "--length", "many"),
        ("import_papers",),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments):
    assert refusal(*arguments)


def test_unknown_source_in_the_settings_is_named(settings):
    settings.PAPER_SOURCES = ["elsewhere"]
    assert "PAPER_SOURCES: 'elsewhere' is none of" in refusal("fetch_papers")


def test_building_twice_changes_nothing():
    make_edition(DAY, [make_paper(), make_paper()])
    before = list(Edition.objects.values())
    assert run("build_edition", "--date", str(DAY)) == "daily edition 2026-08-20: 2 papers\n"
    assert list(Edition.objects.values()) == before


def test_empty_day_is_closed_and_said_to_be_empty():
    assert run("build_edition", "--date", "2026-08-22", "--yes") == (
        "daily edition 2026-08-22: empty, not sent\n"
    )


def test_day_to_come_can_not_be_closed():
    later = timezone.now().date() + timedelta(days=1)
    assert "has not begun" in refusal("build_edition", "--date", str(later))


class Terminal:
    """Somebody at a terminal who types an answer."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self):
        return self.answer


AUGUST_22 = datetime(2026, 8, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--date", "2020-01-01"),
            "The daily edition 2020-01-01 is long past: closed now, it has 0",
        ),
        (("--date", "2026-08-22"), "The daily edition 2026-08-22 is open until Aug 23, 2026"),
        (("--frequency", "weekly"), "The weekly edition 2026-W34 is open until Aug 24, 2026"),
    ],
)
def test_edition_that_is_open_or_long_past_is_closed_only_where_that_is_meant(arguments, said):
    with time_machine.travel(AUGUST_22):
        line = refusal("build_edition", *arguments)
        assert line.startswith(said)
        assert line.endswith("Nothing was done; where it is meant, add --yes.")
        assert not Edition.objects.exists()
        run("build_edition", *arguments, "--yes")
    assert Edition.objects.count() == 1


def test_yesterday_s_edition_is_closed_without_a_question():
    with time_machine.travel(AUGUST_22):
        assert run("build_edition") == "daily edition 2026-08-21: empty, not sent\n"


@pytest.mark.parametrize(("answer", "number"), [("y\n", 1), ("\n", 0), ("no\n", 0), ("", 0)])
def test_at_a_terminal_it_asks(monkeypatch, answer, number):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stdout", StringIO())
    with contextlib.suppress(CommandError):
        run("build_edition", "--date", "2020-01-01")
    assert Edition.objects.count() == number


def test_time_that_lies_ahead_is_taken_only_where_that_is_meant(due, outbox):
    ahead = f"{timezone.now() + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
    line = refusal("send_digests", "--date", str(DAY), "--now", ahead)
    assert "lies ahead: who is due until then is sent to now" in line
    assert not Delivery.objects.exists()
    assert "2 digests would go" in send("--dry-run", "--now", ahead)
    send("--now", ahead, "--yes")
    assert Delivery.objects.count() == 2


def test_time_of_a_clock_that_is_a_little_ahead_is_taken(due, outbox):
    send("--now", f"{timezone.now() + timedelta(seconds=40):%Y-%m-%dT%H:%M:%SZ}")
    assert Delivery.objects.count() == 2


def why(*arguments):
    return run("send_digests", *arguments).splitlines()[-1]


def test_nothing_sent_since_no_edition_is_closed_is_said():
    assert why() == "Nothing is sent: no edition with papers is closed."


def test_nothing_sent_since_nobody_is_due_is_said(due, outbox):
    send("--wait")
    assert why("--date", str(DAY)).startswith(
        "Nothing is sent: nobody's hour has come; the next one is on "
    )


def test_nothing_sent_since_there_are_no_readers_is_said(outbox):
    make_edition(DAY, [make_paper()])
    assert why("--date", str(DAY)) == "Nothing is sent: there are no readers."


def test_nothing_sent_since_the_edition_is_held_is_said(due, outbox):
    Edition.objects.update(held_at=timezone.now(), held_because="a look at it first")
    line = why("--date", str(DAY))
    assert line.startswith("Nothing is sent: the daily edition 2026-08-20 is held since ")
    assert line.endswith(": a look at it first (release_edition).")


def test_digests_that_go_are_not_said_to_wait_for_another_edition_that_is_held(due, outbox):
    monday = DAY - timedelta(days=DAY.weekday())
    week = make_edition(monday - timedelta(days=7), [make_paper()], frequency="weekly")
    Edition.objects.filter(pk=week.pk).update(held_at=timezone.now(), held_because="a look")
    fresh = list(Edition.objects.order_by("pk"))
    line = not_sent(Plan(Counter(pending=2), editions=fresh), timezone.now())
    assert line.startswith(f"Not all is sent: the weekly edition {week.name} is held since ")
    assert "digests wait" not in line


def test_digests_that_wait_for_a_paused_provider_are_said_to(due, outbox):
    plans.pause("outbox", because="a look at it", by=None)
    assert why("--date", str(DAY)) == "2 digests wait: all providers are paused (resume_provider)."


def test_digests_that_wait_for_a_provider_that_rests_are_said_to(due, outbox):
    until = timezone.now() + timedelta(hours=1)
    Circuit.objects.create(name="outbox", open_until=until, detail="it is down")
    line = why("--date", str(DAY))
    assert line.startswith("2 digests wait: outbox rests until ")
    assert line.endswith(": it is down.")


def test_nothing_more_is_said_where_digests_go(due, outbox):
    assert "wait" not in send()


def send(*extra):
    return run("send_digests", "--date", str(DAY), *extra)


@pytest.fixture
def due():
    readers = [make_subscriber(), make_subscriber()]
    make_edition(DAY, [make_paper(), make_paper()])
    return readers


def test_dry_run_sends_and_plans_nothing(due, outbox):
    printed = json.loads(send("--dry-run", "--json"))
    assert (printed["to_send"], printed["editions"]) == (2, ["2026-08-20"])
    assert not Delivery.objects.exists()
    assert "2 digests would go, of 2026-08-20" in send("--dry-run")


def test_waiting_sends_all_and_prints_the_ledger(due, outbox):
    assert json.loads(send("--wait", "--json")) == {
        "edition": "2026-08-20", "due": 2, "sent": 2, "skipped": {}, "suppressed": 0, "failed": 0,
        "uncertain": 0, "pending": 0, "balanced": True,
    }  # fmt: skip
    assert len(list(outbox.iterdir())) == 2
    assert json.loads(run("ledger", "--json"))["sent"] == 2


def test_sending_twice_sends_once(due, outbox):
    send("--wait")
    send("--wait")
    assert len(list(outbox.iterdir())) == 2


def test_edition_that_is_not_closed_is_refused():
    assert "is not closed" in refusal("send_digests", "--date", "2026-08-21")


def test_time_far_from_now_is_refused():
    assert "too far" in refusal("send_digests", "--now", "9999-12-31T23:59:59Z")


def test_waiting_for_an_edition_that_is_held_says_so(due):
    Edition.objects.update(held_at=timezone.now(), held_because="a look at it first")
    assert "held: a look at it first" in refusal("send_digests", "--date", str(DAY), "--wait")


def test_ledger_of_no_edition_is_refused():
    assert refusal("ledger") == "No daily edition of any day is closed."


def in_doubt():
    Delivery.objects.update(state=Delivery.State.UNCERTAIN)
    Batch.objects.update(state=Batch.State.UNCERTAIN)


def test_uncertain_deliveries_are_dropped_or_sent_again(due, outbox):
    run("send_digests", "--date", str(DAY))
    in_doubt()
    assert run("settle_deliveries", "--release") == "2 uncertain deliveries will be sent again\n"
    in_doubt()
    assert run("settle_deliveries", "--drop") == "2 uncertain deliveries are given up\n"
    assert run("settle_deliveries", "--drop") == "0 uncertain deliveries are given up\n"


def test_one_batch_is_settled_by_its_number(due, outbox):
    run("send_digests", "--date", str(DAY))
    in_doubt()
    number = Batch.objects.get().pk
    said = run("settle_deliveries", "--drop", "--batch", str(number))
    assert said == "2 uncertain deliveries are given up\n"
    assert refusal("settle_deliveries", "--drop", "--batch", "7") == "There is no batch 7."


def test_preview_is_written_to_a_file(due, tmp_path):
    target = tmp_path / "digest.html"
    run("preview_digest", "--format", "html", "--output", str(target))
    assert target.read_text().startswith("<!DOCTYPE html>")
    assert not Delivery.objects.exists()


def test_preview_takes_every_kind_of_wish(due):
    wishes = ("--topic", "agents", "--keyword", "tool", "--author", "Ada", "--organization", "EPFL")
    assert "is for this selection" in refusal("preview_digest", *wishes)


def test_preview_into_nowhere_is_one_clear_line(due):
    assert "can't be written" in refusal("preview_digest", "--output", "/nowhere/digest.txt")


def test_preview_without_an_edition_is_refused():
    assert refusal("preview_digest")


def test_first_edition_is_todays_where_the_sources_answer(upstream, settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    upstream.lists[timezone.now().date()] = day_list(timezone.now().date(), 5)
    assert "The first edition is" in run("first_edition")
    assert Edition.objects.get().paper_count == 5


def test_first_edition_is_the_latest_days_where_today_has_none(upstream, settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    today = timezone.now().date()
    upstream.lists = {today - timedelta(days=n): [] for n in range(6)}
    upstream.lists[today - timedelta(days=2)] = day_list(today - timedelta(days=2), 5)
    run("first_edition")
    assert Edition.objects.get().date == today - timedelta(days=2)


def test_first_edition_is_the_sample_where_no_source_answers(settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    assert "this is the sample edition" in run("first_edition")
    assert Edition.objects.get().is_sample
    run("first_edition")
    assert Edition.objects.count() == 1


def test_first_edition_replaces_nothing_that_was_closed(upstream, settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    make_edition(DAY, [make_paper()])
    assert "The editions that were closed stay as they are" in run("first_edition")
    assert Edition.objects.count() == 1


def test_stored_responses_are_imported_file_by_file(tmp_path):
    good, bad = tmp_path / "day.json", tmp_path / "bad.json"
    good.write_text(json.dumps(day_list(DAY, 4)))
    bad.write_text('{"error":"Sorry"}')
    page = tmp_path / "page.html"
    page.write_bytes(hugging_face_page(DAY, day_list(DAY, 5)))
    line = refusal("import_papers", str(bad), str(good), str(page), str(tmp_path / "none"))
    assert "bad.json: Hugging Face: answers with an error: Sorry" in line
    assert "none: No such file or directory" in line
    assert Paper.objects.count() == 5
    assert not Listing.objects.exists()


def test_imported_papers_may_stand_on_a_days_list(tmp_path):
    good = tmp_path / "day.json"
    good.write_text(json.dumps(day_list(DAY, 4)))
    assert run("import_papers", str(good), "--date", str(DAY)) == (
        "day.json: 4 new, 0 updated, 0 skipped, 0 bad\n"
    )
    assert Listing.objects.filter(listed_on=DAY, source="import").count() == 4


def test_import_says_why_entries_are_passed_over(tmp_path):
    file = tmp_path / "day.json"
    nameless = [
        {key: value for key, value in each.items() if key != "paper"} for each in day_list(DAY, 2)
    ]
    file.write_text(json.dumps(day_list(DAY, 4) + nameless))
    run("import_papers", str(file))
    first, skipped, *bad = run("import_papers", str(file)).splitlines()
    assert first == "day.json: 0 new, 0 updated, 4 skipped, 2 bad"
    assert skipped == "  skipped 4: the archive has them as they are"
    assert len(bad) == 1
    assert bad[0].startswith("  bad 2: ")
    (found,) = json.loads(run("import_papers", str(file), "--json"))
    assert list(found["reasons"].values()) == [2]


def test_times_without_a_zone_are_utc(due, outbox):
    early = datetime(2026, 8, 20, 6, tzinfo=UTC)
    assert "0 digests would go" in send("--dry-run", "--now", f"{early:%Y-%m-%dT%H:%M:%S}")


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL has partitions")
def test_partitions_are_refused_where_the_database_has_none():
    assert refusal("partition_deliveries").startswith("Partitions need PostgreSQL")
