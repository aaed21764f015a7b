"""`/status/` says whether digests go out, rounded, without a word that only the operator needs."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from lxml import html

from digest.delivery import notices
from digest.delivery.watching import standing, watch
from digest.models import Batch, DayFigure, Edition, EditionCount, Fetch
from digest.site import status
from tests.builders import make_subscriber
from tests.digest.builders import OFFERED_AT, make_batch

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def _read(settings):
    """Both sources were read an hour ago."""
    settings.PAPER_SOURCES = ["hugging_face", "arxiv"]
    at = NOW - timedelta(hours=1)
    for source in settings.PAPER_SOURCES:
        Fetch.objects.create(source=source, day=DAY, started_at=at, finished_at=at)


@pytest.fixture
def sent(_read):
    """The edition of DAY, whose only batch was offered."""
    batch = make_batch([make_subscriber()], DAY, deliveries="sent")
    rows = Edition.objects.filter(pk=batch.edition_id)
    rows.update(paper_count=25, due_count=1, closed_at=NOW - timedelta(hours=4))
    EditionCount.objects.create(edition=batch.edition, state="sent", number=1234)
    EditionCount.objects.create(edition=batch.edition, state="skipped", reason="paused", number=999)
    standing.keep(NOW)
    return rows.get()


def page(client):
    answer = client.get("/status/")
    assert answer.status_code == 200
    return html.fromstring(answer.content)


def text(client):
    return " ".join(page(client).find(".//main").text_content().split())


def now_is(client):
    return page(client).find_class("status__now")[0].find("span").text


def test_new_installation_has_a_page(client):
    found = text(client)
    assert now_is(client) == "Not started"
    assert "All well" not in found
    assert "None was closed so far." in found


def test_edition_that_went_out_says_when_and_to_about_how_many(client, sent):
    found = text(client)
    assert "Thursday, August 20" in found
    assert "25 papers · to about 1,200 readers · the last on Aug 21 at 08:00 UTC On time" in found


def test_edition_is_late_for_good_where_its_digests_waited(client, sent):
    Edition.objects.update(was_late=True)
    assert "08:00 UTC Late" in text(client)
    assert now_is(client) == "All well"


def test_edition_that_was_closed_late_is_late(client, sent):
    trouble = notices.Trouble(what="Not closed.", mend="Close it.")
    notices.stand("no_edition", {"2026-08-20": trouble}, now=NOW)
    assert now_is(client) == "Late"
    notices.stand("no_edition", {}, now=NOW + timedelta(hours=1))
    assert now_is(client) == "All well"
    assert "08:00 UTC Late" in text(client)


def test_edition_that_is_being_sent_says_so(client, sent):
    Batch.objects.update(state="open")
    assert "Being sent" in text(client)


def test_held_edition_is_stopped_without_the_reason(client, sent):
    Batch.objects.update(state="open")
    watch.hold(sent, because="0.40% of its readers complained", now=NOW)
    assert now_is(client) == "Stopped"
    assert "complained" not in text(client)


def test_closed_edition_waits_for_its_hour(client):
    Edition.objects.create(frequency="daily", date=DAY, paper_count=3)
    assert "3 papers Waits for its hour" in text(client)


def test_what_is_wrong_is_late_without_inner_details(client):
    trouble = notices.Trouble(what="Redis at 10.0.0.7 is away.", mend="redis-cli ping")
    notices.stand("broker_away", {"": trouble}, now=NOW)
    found = text(client)
    assert "Late" in found
    assert "Redis" not in found


@pytest.mark.usefixtures("_read")
def test_disk_that_fills_up_is_nothing_to_readers(client):
    trouble = notices.Trouble(what="Full.", mend="df")
    notices.stand("disk_full", {"": trouble}, now=NOW)
    assert now_is(client) == "All well"


def test_samples_and_empty_days_are_no_editions(client):
    Edition.objects.create(frequency="daily", date=DAY, paper_count=3, is_sample=True)
    Edition.objects.create(frequency="daily", date=DAY - timedelta(days=1))
    assert "None was closed so far." in text(client)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "fewer than 50 readers"),
        (49, "fewer than 50 readers"),
        (50, "about 50 readers"),
        (94, "about 90 readers"),
        (1234, "about 1,200 readers"),
        (996, "about 1,000 readers"),
        (1_049_999, "about 1,000,000 readers"),
    ],
)
def test_readers_are_rounded(number, words):
    assert status.rounded(number) == words


def test_readers_are_those_that_were_counted_last(client):
    DayFigure.objects.create(day=DAY, kind="active", number=12_345)
    assert "Daily Papers has about 12,000 readers." in text(client)


def test_sources_say_when_they_were_read(client, settings):
    settings.PAPER_SOURCES = ["hugging_face", "arxiv"]
    for source, hours, error in (
        ("hugging_face", 1, ""),
        ("arxiv", 7, ""),
        ("arxiv", 1, "HTTP 503 at 10.0.0.7"),
    ):
        at = NOW - timedelta(hours=hours)
        Fetch.objects.create(source=source, day=DAY, started_at=at, finished_at=at, error=error)
    found = text(client)
    assert "Hugging Face Daily Papers read last on Aug 21 at 08:30 UTC Read" in found
    assert "arXiv read last on Aug 21 at 02:30 UTC Not read lately" in found
    assert "503" not in found


def test_queries_do_not_grow_with_the_editions(client, sent):
    def queries():
        with CaptureQueriesContext(connection) as found:
            text(client)
        return len(found)

    before = queries()
    for number in range(1, 9):
        make_batch([make_subscriber()], DAY - timedelta(days=number), deliveries="sent")
    Edition.objects.update(paper_count=5)
    assert queries() == before < 15


def test_page_is_kept_and_linked_from_every_page(client):
    assert client.get("/status/")["Cache-Control"] == "public, max-age=60"
    assert b'href="/status/"' in client.get("/topics/").content


def test_newest_offer_of_an_edition_is_kept(sent):
    later = OFFERED_AT + timedelta(hours=3)
    make_batch([make_subscriber()], DAY, deliveries="sent", offered_at=later)
    standing.keep(NOW)
    sent.refresh_from_db()
    assert sent.handed_at == later


def test_edition_of_long_ago_is_not_looked_at_again(sent):
    Edition.objects.update(is_counted=True, counted_at=NOW, closed_at=NOW - timedelta(days=3))
    with CaptureQueriesContext(connection) as found:
        standing.keep(NOW)
    assert len(found) == 1


def test_source_that_is_not_read_lately_is_said_by_headline_and_line_alike(client, settings):
    settings.PAPER_SOURCES = ["hugging_face", "arxiv"]
    for source, hours in (("hugging_face", 1), ("arxiv", 7)):
        at = NOW - timedelta(hours=hours)
        Fetch.objects.create(source=source, day=DAY, started_at=at, finished_at=at)
    found = text(client)
    assert now_is(client) == "Papers are late"
    assert "Not read lately: arXiv." in found
    assert found.index("arXiv read last on") < found.index("Hugging Face Daily Papers read last")


@pytest.mark.usefixtures("_read")
def test_all_is_well_once_every_source_is_read(client):
    assert now_is(client) == "All well"
    assert "Not read" not in text(client)
