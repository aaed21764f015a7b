"""Editions: what goes in, in which order, and that nothing is lost or comes twice."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from digest.editions import building
from digest.models import Edition, EditionPaper, Fetch, Listing
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
THURSDAY = date(2026, 8, 20)
FRIDAY = THURSDAY + timedelta(days=1)
DAY = timedelta(days=1)
SATURDAY = FRIDAY + DAY


def ids(edition):
    return list(edition.places.order_by("rank").values_list("paper__arxiv_id", flat=True))


def listed(arxiv_id, day=THURSDAY, **fields):
    paper = make_paper(arxiv_id=arxiv_id, **fields)
    make_listing(paper, day)
    return paper


def test_papers_are_ranked_by_votes_and_of_equals_the_newer_first():
    listed("2608.00001", upvotes=5, published_at=datetime(2026, 8, 17, tzinfo=UTC))
    listed("2608.00002", upvotes=9)
    listed("2608.00003", upvotes=5, published_at=datetime(2026, 8, 19, tzinfo=UTC))
    assert ids(building.build(THURSDAY)) == ["2608.00002", "2608.00003", "2608.00001"]


def test_numbers_are_frozen_when_the_edition_closes():
    paper = listed("2608.00001", upvotes=5)
    building.build(THURSDAY)
    paper.upvotes = 500
    paper.save()
    assert EditionPaper.objects.get().upvotes == 5


def test_building_again_changes_nothing():
    listed("2608.00001", upvotes=5)
    first = building.build(THURSDAY)
    listed("2608.00002", upvotes=9)
    again = building.build(THURSDAY)
    assert again == first
    assert ids(again) == ["2608.00001"]


def test_day_without_papers_is_recorded_as_empty():
    edition = building.build(THURSDAY)
    assert edition.paper_count == 0
    assert building.newest("daily") is None


def test_paper_that_missed_the_cutoff_goes_to_the_next_edition():
    listed("2608.00001")
    building.build(THURSDAY)
    listed("2608.00002", upvotes=7)
    listed("2608.00003", FRIDAY, upvotes=1)
    assert ids(building.build(FRIDAY)) == ["2608.00002", "2608.00003"]


def test_paper_listed_on_an_empty_weekend_day_later_is_not_lost():
    building.build(SATURDAY)
    listed("2608.00002", SATURDAY)
    building.build(SATURDAY + DAY)
    assert ids(building.build(SATURDAY + 2 * DAY)) == ["2608.00002"]


def test_straggler_waits_over_the_weekend_for_monday():
    """Who reads on weekdays would else get it on Monday in the place of Friday's edition."""
    listed("2608.00001", FRIDAY)
    friday = building.build(FRIDAY)
    listed("2608.00002", FRIDAY)
    assert building.build(SATURDAY).paper_count == 0
    assert building.build(SATURDAY + DAY).paper_count == 0
    assert building.newest("daily") == friday
    assert ids(building.build(SATURDAY + 2 * DAY)) == ["2608.00002"]


def test_weekend_day_with_a_list_of_its_own_takes_stragglers_along():
    building.build(FRIDAY)
    listed("2608.00001", FRIDAY)
    listed("2608.00002", SATURDAY)
    assert set(ids(building.build(SATURDAY))) == {"2608.00001", "2608.00002"}


def test_week_that_was_closed_early_leaves_the_rest_to_the_next():
    listed("2608.00001", THURSDAY)
    building.build(THURSDAY, frequency="weekly")
    listed("2608.00002", FRIDAY)
    assert ids(building.build(FRIDAY + 7 * DAY, frequency="weekly")) == ["2608.00002"]


def test_day_left_open_by_a_long_standstill_is_closed_afterwards():
    listed("2608.00001", THURSDAY)
    building.build(THURSDAY)
    listed("2608.00002", FRIDAY)
    building.build_due(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    assert ids(Edition.objects.get(date=FRIDAY, frequency="daily")) == ["2608.00002"]


def test_week_of_days_left_open_by_a_standstill_is_closed_with_them():
    listed("2608.00001", THURSDAY - 7 * DAY)
    building.build(THURSDAY - 7 * DAY)
    listed("2608.00002", FRIDAY)
    building.build_due(datetime(2026, 10, 20, 12, 0, tzinfo=UTC))
    assert ids(Edition.objects.get(date=FRIDAY - 4 * DAY, frequency="weekly")) == ["2608.00002"]


def test_older_days_fetched_by_hand_stay_open_beside_one_that_was_closed():
    for number in range(3):
        listed(f"2608.0000{number}", THURSDAY + number * DAY)
    building.build(THURSDAY)
    started = datetime(2026, 10, 20, 9, tzinfo=UTC)
    Fetch.objects.create(source="hugging_face", day=THURSDAY, started_at=started)
    building.build_due(datetime(2026, 10, 21, 12, tzinfo=UTC))
    assert not Edition.objects.filter(date__in=[FRIDAY, SATURDAY]).exists()


def test_paper_listed_on_two_days_comes_once():
    paper = listed("2608.00001")
    make_listing(paper, FRIDAY)
    assert ids(building.build(THURSDAY)) == ["2608.00001"]
    assert ids(building.build(FRIDAY)) == []


def test_paper_listed_by_two_sources_comes_once():
    paper = listed("2608.00001")
    make_listing(paper, THURSDAY, source="arxiv")
    assert ids(building.build(THURSDAY)) == ["2608.00001"]


def test_open_day_keeps_its_papers_when_a_later_one_closes_first():
    listed("2608.00001", THURSDAY)
    listed("2608.00002", FRIDAY)
    assert ids(building.build(FRIDAY)) == ["2608.00002"]
    assert ids(building.build(THURSDAY)) == ["2608.00001"]


def test_paper_off_any_list_is_in_no_edition():
    make_paper(arxiv_id="2608.00009")
    assert ids(building.build(THURSDAY)) == []


def test_week_ranks_the_best_of_its_days():
    listed("2608.00001", date(2026, 8, 17), upvotes=3)
    listed("2608.00002", date(2026, 8, 23), upvotes=8)
    listed("2608.00003", date(2026, 8, 24), upvotes=99)
    week = building.build(THURSDAY, frequency="weekly")
    assert ids(week) == ["2608.00002", "2608.00001"]
    assert (week.name, week.date) == ("2026-W34", date(2026, 8, 17))


def test_day_closes_at_the_cutoff_of_the_next_and_not_before():
    listed("2608.00001")
    before = building.closes_at(THURSDAY) - timedelta(seconds=1)
    assert building.build_due(before) == []
    (edition,) = building.build_due(building.closes_at(THURSDAY))
    assert (edition.date, edition.paper_count) == (THURSDAY, 1)


def test_catching_up_closes_every_missed_day_in_order_and_its_week():
    listed("2608.00001", date(2026, 8, 20))
    closed = building.build_due(datetime(2026, 8, 25, 6, tzinfo=UTC))
    assert [edition.name for edition in closed] == [
        "2026-08-20", "2026-08-21", "2026-08-22", "2026-08-23", "2026-08-24", "2026-W34",
    ]  # fmt: skip


def test_new_installation_does_not_record_days_before_it_as_empty():
    assert building.build_due(datetime(2026, 8, 25, 6, tzinfo=UTC)) == []


def test_older_lists_that_were_asked_for_by_hand_are_not_closed_by_themselves():
    """Nor are days between them and the installation recorded as empty."""
    listed("2608.00001", THURSDAY)
    make_listing(make_paper(), THURSDAY - DAY, source=Listing.IMPORTED)
    started = datetime(2026, 8, 25, 9, tzinfo=UTC)
    Fetch.objects.create(source="hugging_face", day=THURSDAY, started_at=started)
    closed = building.build_due(datetime(2026, 8, 26, 6, tzinfo=UTC))
    assert [edition.name for edition in closed] == ["2026-08-24", "2026-08-25"]


def test_week_of_the_sample_is_a_sample():
    make_listing(make_paper(), THURSDAY, source=Listing.SAMPLE)
    assert building.build(THURSDAY, frequency="weekly").is_sample


def test_sample_is_shown_only_while_there_is_no_other_edition():
    make_listing(make_paper(), date(2026, 8, 26), source=Listing.SAMPLE)
    building.build(date(2026, 8, 26))
    listed("2608.00002", THURSDAY)
    building.build(THURSDAY)
    assert building.newest("daily").date == THURSDAY


def test_query_count_does_not_grow_with_the_papers(django_assert_max_num_queries):
    for number in range(30):
        listed(f"2608.{number:05}")
    with django_assert_max_num_queries(17):
        building.build(THURSDAY)


@pytest.mark.django_db(transaction=True)
def test_two_builders_at_once_close_it_once():
    for number in range(20):
        listed(f"2608.{number:05}", upvotes=number)
    barrier = threading.Barrier(4)
    closed = []

    def build():
        barrier.wait()
        closed.append(building.build(THURSDAY))
        connection.close()

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {edition.pk for edition in closed} == {Edition.objects.get().pk}
    assert EditionPaper.objects.count() == 20
