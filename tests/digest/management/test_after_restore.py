"""`after_restore`, and what `settle_deliveries` makes of a provider's log."""

from datetime import timedelta
from io import StringIO
from textwrap import dedent

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from digest.delivery.watching import signs
from digest.models import Delivery, Fetch
from subscriptions import services
from subscriptions.models import Subscriber, Suppression
from tests.builders import make_subscriber
from tests.digest.builders import make_batch
from tests.upstream import FakeUpstream

pytestmark = pytest.mark.django_db
STOPPED = "2026-08-22T12:00:00Z"


@pytest.fixture(autouse=True)
def _no_worker():
    cache.delete(signs.WORKER_SEEN)
    yield
    cache.delete(signs.WORKER_SEEN)


def run(*arguments):
    out, err = StringIO(), StringIO()
    call_command("after_restore", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_says_what_is_in_doubt_and_what_to_type():
    make_batch([make_subscriber()], deliveries="pending")
    out, _ = run("--stopped", STOPPED, "--offline")
    assert out.startswith("1 deliveries that the backup has as open")
    assert "settle_deliveries --taken FILE" in out


def test_second_run_says_that_it_was_done():
    run("--stopped", STOPPED, "--offline")
    assert "nothing is changed" in run("--stopped", STOPPED, "--offline")[0]


def test_it_refuses_to_run_beside_a_worker():
    make_batch([make_subscriber()], deliveries="pending")
    cache.set(signs.WORKER_SEEN, timezone.now() - timedelta(seconds=30))
    with pytest.raises(CommandError, match=r"seen 30 seconds ago.*flushdb"):
        run("--stopped", STOPPED, "--offline")
    assert Delivery.objects.get().state == "pending"


def test_time_ahead_is_refused():
    with pytest.raises(CommandError, match="lies ahead"):
        run("--stopped", (timezone.now() + timedelta(hours=1)).isoformat(), "--offline")


def test_lists_of_lost_days_are_read_anew(settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    with FakeUpstream() as upstream:
        settings.HUGGING_FACE_URL = upstream.url
        run("--stopped", STOPPED)
    assert [str(day) for day in Fetch.objects.values_list("day", flat=True).order_by("day")] == [
        "2026-08-21", "2026-08-22",
    ]  # fmt: skip


def test_source_that_is_away_is_named_and_stops_nothing(settings):
    settings.PAPER_SOURCES = ["hugging_face"]
    settings.HUGGING_FACE_URL = "http://127.0.0.1:9"
    out, err = run("--stopped", STOPPED)
    assert "hugging_face of 2026-08-22 can't be read" in err
    assert "in doubt" in out


def test_docs_erase_again_who_was_erased_and_nobody_else():
    make_subscriber("gone@example.org")
    kept = make_subscriber("dead@example.org")
    services.suppress_address("gone@example.org", Suppression.Reason.ERASED)
    services.suppress_address("dead@example.org", Suppression.Reason.BOUNCED)
    page = (settings.BASE_DIR / "docs" / "backup.md").read_text()
    code = page.partition('shell -c "')[2].partition('"\n')[0]
    call_command("shell", command=dedent(code), no_imports=True)
    assert list(Subscriber.objects.all()) == [kept]


def settle(*arguments):
    out = StringIO()
    call_command("settle_deliveries", *arguments, stdout=out)
    return out.getvalue()


def test_addresses_are_found_in_any_log(tmp_path):
    readers = [make_subscriber(f"reader{number}@example.org") for number in range(4)]
    make_batch(readers, deliveries="uncertain")
    log = tmp_path / "log.csv"
    log.write_text(
        '2026-08-21,"Reader One <reader1@example.org>",delivered\n'
        "to=reader2@example.org;status=sent\nno address here\nelse@example.org\n"
    )
    assert settle("--taken", str(log)).startswith("2 uncertain deliveries are sent")
    left = Delivery.objects.filter(state="uncertain").values_list("subscriber__email", flat=True)
    assert sorted(left) == ["reader0@example.org", "reader3@example.org"]


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("250 o'brien@example.ie", "o'brien@example.ie"),
        ("to='o'brien@example.ie'", "o'brien@example.ie"),
        ("rcpt=o'brien@example.ie.", "o'brien@example.ie"),
        ("a=b@example.org", "a=b@example.org"),
        ("sent|brien@example.ie|ok", "brien@example.ie"),
        ("see https://log.example/?to=brien@example.ie&day=1", "brien@example.ie"),
        ("orcpt=rfc822;b@example.org", "b@example.org"),
    ],
)
def test_marks_may_stand_in_an_address_or_in_front_of_it(tmp_path, line, taken):
    readers = ["o'brien@example.ie", "brien@example.ie", "a=b@example.org", "b@example.org"]
    make_batch([make_subscriber(each) for each in readers], deliveries="uncertain")
    (tmp_path / "log").write_text(line)
    settle("--taken", str(tmp_path / "log"))
    sent = Delivery.objects.filter(state="sent")
    assert list(sent.values_list("subscriber__email", flat=True)) == [taken]


def test_log_counts_for_the_edition_that_is_named(tmp_path):
    make_batch([make_subscriber("ada@example.org")], deliveries="uncertain")
    log = tmp_path / "log"
    log.write_text("ada@example.org")
    assert settle("--taken", str(log), "--date", "2026-08-19").startswith("0 ")


def test_log_may_come_by_standard_input(monkeypatch):
    make_batch([make_subscriber("ada@example.org")], deliveries="uncertain")
    monkeypatch.setattr("sys.stdin", StringIO("Ada <ada@example.org>\n"))
    assert settle("--taken", "-").startswith("1 ")


def test_log_that_is_missing_is_one_line():
    with pytest.raises(CommandError, match="/nowhere can't be read: No such file"):
        settle("--taken", "/nowhere")
