"""The lists of a day reach the archive; one source's fault is nobody else's."""

import json
from collections import Counter
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import connection

from digest.models import Fetch, Listing, Paper
from digest.papers import fetching
from tests.upstream import FakeUpstream, Fault, atom_entry, day_list

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)


@pytest.fixture
def upstream(settings):
    with FakeUpstream() as running:
        settings.HUGGING_FACE_URL = settings.ARXIV_API_URL = settings.ARXIV_RSS_URL = running.url
        running.announced_on = DAY
        yield running


def fetch(*names):
    return fetching.fetch(DAY, source_names=names or fetching.SOURCES)


def test_both_sources_are_stored_and_recorded(upstream):
    outcomes = fetch()
    assert {name: str(outcome.counts) for name, outcome in outcomes.items()} == {
        "hugging_face": "12 new, 0 updated, 0 skipped, 0 bad",
        "arxiv": "0 new, 3 updated, 0 skipped, 0 bad",
    }
    assert Paper.objects.count() == 12
    assert Fetch.objects.filter(error="", finished_at__isnull=False).count() == 2


def test_user_agent_names_the_operator(upstream):
    fetch()
    assert {call.user_agent for call in upstream.calls} == {
        "DailyPapers/1.0 (https://papers.example.org; mailto:digest@papers.example.org)"
    }


def test_one_source_failing_stops_no_other(upstream):
    upstream.faults["/api/daily_papers"] = [Fault(status=500)]
    upstream.faults["/papers"] = [Fault(status=500)]
    outcomes = fetch()
    assert "HTTP 500" in outcomes["hugging_face"].error
    assert outcomes["arxiv"].error == ""
    assert Paper.objects.count() == 3
    assert Fetch.objects.get(source="hugging_face").error == outcomes["hugging_face"].error


def hostile_list():
    """Entries with values that a database refuses, and one that is good."""
    entries = day_list(DAY, 5)
    entries[0]["paper"]["title"] = "Half a character \ud800"
    entries[1]["paper"]["githubRepo"] = "https://example.org/\0"
    entries[2]["paper"]["id"] = "a" * 40 + "/1234567"
    entries[3]["paper"]["ai_keywords"] = ["\0", "\ud800"]
    return entries


def test_hostile_entries_stop_no_other(upstream):
    upstream.lists[DAY] = hostile_list()
    outcomes = fetch()
    assert str(outcomes["hugging_face"].counts) == "4 new, 0 updated, 0 skipped, 1 bad"
    assert {outcome.error for outcome in outcomes.values()} == {""}


def test_hostile_error_can_be_recorded(upstream):
    answer = json.dumps({"error": "no \0 or \ud800"}).encode()
    upstream.faults["/api/daily_papers"] = [Fault(body=answer)]
    upstream.faults["/papers"] = [Fault(status=500)]
    fetch("hugging_face")
    assert "answers with an error: no or; the web page" in Fetch.objects.get().error


def test_mistake_of_ours_in_one_source_stops_no_other(upstream, settings, caplog):
    settings.HUGGING_FACE_URL = None
    outcomes = fetch()
    assert outcomes["hugging_face"].error == "unexpected: AttributeError"
    assert outcomes["arxiv"].error == ""
    row = Fetch.objects.get(source="hugging_face")
    assert (row.error, row.finished_at is None) == ("unexpected: AttributeError", False)
    (line,) = [entry for entry in caplog.records if entry.message == "source failed unexpectedly"]
    assert line.exc_info


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connection to lose")
@pytest.mark.django_db(transaction=True)
def test_lost_connection_leaves_whole_chunks_and_stops_no_other(upstream):
    upstream.lists[DAY] = day_list(DAY, 130)
    original = upstream.answer

    def answer_and_cut(path, query):
        if query.get("p") == "1":
            cut_other_connections()
        return original(path, query)

    upstream.answer = answer_and_cut
    outcomes = fetch()
    assert outcomes["hugging_face"].error == "unexpected: OperationalError"
    assert outcomes["arxiv"].error == ""
    assert Paper.objects.count() == Listing.objects.filter(source="hugging_face").count() == 100
    assert Fetch.objects.get(source="hugging_face").error == "unexpected: OperationalError"


def cut_other_connections():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()


def test_fetch_that_failed_half_way_is_completed_by_the_next(upstream):
    upstream.lists[DAY] = day_list(DAY, 130)
    upstream.faults["/papers"] = [Fault(status=500)]
    original = upstream.answer

    def failing_second_page(path, query):
        return (500, b"") if query.get("p") == "1" else original(path, query)

    upstream.answer = failing_second_page
    assert "HTTP 500" in fetch("hugging_face")["hugging_face"].error
    assert Paper.objects.count() == 100
    upstream.answer = original
    assert fetch("hugging_face")["hugging_face"].error == ""
    assert Paper.objects.count() == Listing.objects.count() == 130


def test_trending_papers_are_stored_in_their_order_and_replaced_by_the_next(upstream):
    upstream.trending = day_list(date(2026, 1, 5), 3)
    fetching.fetch_trending()
    first = list(Paper.objects.order_by("trending_rank").values_list("arxiv_id", flat=True))
    assert first == [entry["paper"]["id"] for entry in upstream.trending]
    upstream.trending = [*reversed(day_list(date(2026, 1, 5), 2))]
    fetching.fetch_trending()
    ranked = Paper.objects.filter(trending_rank__isnull=False).order_by("trending_rank")
    assert list(ranked.values_list("arxiv_id", flat=True)) == [first[1], first[0]]
    assert not Listing.objects.exists()


def test_trending_papers_stay_when_the_source_fails(upstream):
    fetching.fetch_trending()
    upstream.faults["/api/daily_papers"] = [Fault(status=500)]
    fetching.fetch_trending()
    assert Paper.objects.filter(trending_rank__isnull=False).count() == 3


@time_machine.travel(datetime(2026, 8, 20, 10, tzinfo=UTC), tick=True)
def test_yesterday_is_read_again_while_votes_move(upstream):
    upstream.announced_on = date(2026, 8, 20)
    upstream.submitted[date(2026, 8, 18)] = [atom_entry(date(2026, 8, 18), 30)]
    now = datetime(2026, 8, 20, 10, tzinfo=UTC)
    fetching.fetch_recent(now)
    fetching.fetch_recent(now)
    rows = Counter(Fetch.objects.values_list("source", "day__day"))
    assert rows == {
        ("hugging_face", 20): 2, ("arxiv", 20): 2,
        ("hugging_face", 19): 2, ("arxiv", 19): 1,
        ("hugging_face", 18): 2,
    }  # fmt: skip


def test_days_on_which_papers_may_begin_to_trend_are_read_in_turn(upstream):
    for hour in range(5):
        fetching.fetch_recent(datetime(2026, 8, 20, hour, tzinfo=UTC))
    days = Fetch.objects.filter(source="hugging_face").values_list("day__day", flat=True)
    assert set(days) == set(range(14, 21))


@pytest.mark.parametrize(("hour", "day", "times"), [(0, 19, 2), (23, 19, 2), (0, 20, 1)])
def test_list_counts_as_whole_only_when_it_was_read_after_its_day(settings, hour, day, times):
    settings.PAPER_SOURCES, settings.ARXIV_CATEGORIES = ["arxiv"], []
    read_at = datetime(2026, 8, day, hour, 15, tzinfo=UTC)
    listed_on = date(2026, 8, 19)
    Fetch.objects.create(source="arxiv", day=listed_on, started_at=read_at, finished_at=read_at)
    fetching.fetch_recent(datetime(2026, 8, 20, 10, tzinfo=UTC))
    assert Fetch.objects.filter(source="arxiv", day=listed_on).count() == times
