"""Rows of big tables come a page at a time, by keys, and none is missed or shown twice."""

from datetime import date
from itertools import chain

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from digest.delivery import lookup
from digest.models import Delivery, Edition, Event
from tests.builders import make_subscriber
from tests.digest.builders import make_batch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(lookup, "PAGE", 4)
    monkeypatch.setattr(lookup, "WINDOW", 3)


@pytest.fixture
def edition():
    """Eleven deliveries in three batches; of each batch the first failed."""
    readers = [make_subscriber() for _ in range(11)]
    for part in (readers[:5], readers[5:8], readers[8:]):
        batch = make_batch(part, deliveries="sent")
        batch.deliveries.filter(pk=batch.deliveries.order_by("pk")[0].pk).update(state="failed")
    return Edition.objects.get()


def all_pages(rows, **asked):
    found, below = [], None
    while True:
        page = lookup.walk(rows, below=below, **asked)
        found.append([row.pk for row in page.rows])
        below = page.next
        if below is None:
            return found


def test_pages_hold_all_rows_once_newest_first(edition):
    pages = all_pages(Delivery.objects.all())
    assert [len(page) for page in pages] == [4, 4, 3]
    assert list(chain(*pages)) == list(
        Delivery.objects.order_by("-pk").values_list("pk", flat=True)
    )


def test_an_edition_is_walked_by_its_batches(edition):
    make_batch([make_subscriber()], day=date(2026, 8, 21), deliveries="sent")
    rows = lookup.deliveries_of(edition, is_planned=True)
    found = list(chain(*all_pages(rows, order=lookup.BY_BATCH)))
    expected = Delivery.objects.filter(edition=edition).order_by("-batch_id", "-pk")
    assert found == list(expected.values_list("pk", flat=True))


@pytest.mark.parametrize("order", [lookup.BY_KEY, lookup.BY_BATCH])
def test_what_matches_is_found_across_windows(edition, order):
    found = list(chain(*all_pages(Delivery.objects.all(), order=order, matching=Q(state="failed"))))
    expected = Delivery.objects.filter(state="failed").order_by("-pk")
    assert found == list(expected.values_list("pk", flat=True))


def test_what_matches_is_found_by_whole_batches(edition):
    asked = {"order": lookup.BY_BATCH, "among": lookup.batches_of(edition)}
    rows = lookup.deliveries_of(edition, is_planned=True)
    found = list(chain(*all_pages(rows, matching=Q(state="failed"), **asked)))
    expected = Delivery.objects.filter(state="failed").order_by("-pk")
    assert found == list(expected.values_list("pk", flat=True))
    assert len(list(chain(*all_pages(rows, matching=Q(state="sent"), **asked)))) == 8


def test_search_without_an_index_ends_in_time_and_goes_on_from_there(edition, monkeypatch):
    monkeypatch.setattr(lookup, "BUDGET", 0)
    first = lookup.walk(Delivery.objects.all(), matching=Q(state="nowhere"))
    assert (list(first.rows), first.is_cut_short) == ([], True)
    pages = all_pages(Delivery.objects.all(), matching=Q(state="failed"))
    assert len(list(chain(*pages))) == 3
    assert len(pages) == 4


def test_skipped_readers_of_an_edition_are_those_in_no_batch(edition):
    reader = make_subscriber()
    skipped = Delivery.objects.create(edition=edition, subscriber=reader, state="skipped")
    page = lookup.walk(lookup.deliveries_of(edition, is_planned=False))
    assert list(page.rows) == [skipped]


def test_events_of_a_reader_are_those_of_their_deliveries(edition):
    delivery, other = Delivery.objects.order_by("pk")[:2]
    mine = Event.objects.create(provider="mailgun", event_id="1", type="x", delivery=delivery)
    Event.objects.create(provider="mailgun", event_id="2", type="x", delivery=other)
    assert list(lookup.events_of_reader(delivery.subscriber_id)) == [mine]


def test_nothing_is_counted(edition):
    with CaptureQueriesContext(connection) as captured:
        all_pages(Delivery.objects.all(), matching=Q(state="failed"))
    assert "COUNT(" not in " ".join(query["sql"] for query in captured).upper()
