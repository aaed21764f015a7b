"""Nobody gets a paper twice, and nobody misses the best of what came while they were away."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from digest import forgetting
from digest.delivery import ledger
from digest.delivery.due import apart, merging, planning, requested
from digest.delivery.mails import content
from digest.editions import building, history
from digest.models import Audience, Batch, Delivery, Edition, Paper, VoteSnapshot
from digest.papers import ingest
from subscriptions import selectors, services
from subscriptions.models import Subscriber
from subscriptions.records import Preferences
from tests import recorded
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
State = Delivery.State
MONDAY = date(2026, 8, 10)


def close(day, *, papers=1, votes=1):
    """The day's edition, closed at five the next morning; of a Sunday the week's, too."""
    for number in range(papers):
        make_listing(make_paper(title=f"{day} {number}", upvotes=votes), day)
    with time_machine.travel(morning(day + timedelta(days=1), hour=5, minute=1), tick=False):
        building.build(day)
        if day.isoweekday() == 7:
            building.build(day, frequency="weekly")


def morning(day, *, hour=7, minute=1):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def plan_and_send(day, *, hour=7):
    with time_machine.travel(morning(day, hour=hour), tick=False):
        planning.plan(morning(day, hour=hour))
    Batch.objects.update(state=Batch.State.DONE)
    Delivery.objects.filter(state=State.PENDING).update(state=State.SENT)


def titles(reader):
    """Of each digest that the reader was sent, in order."""
    sent = Delivery.objects.filter(subscriber=reader, state=State.SENT).order_by("pk")
    return [[Paper.objects.get(pk=card[0]).title for card in row.audience.cards] for row in sent]


def all_titles(reader):
    return [title for digest in titles(reader) for title in digest]


def days(first, number, **made):
    for n in range(number):
        close(first + timedelta(days=n), **made)


def start(day, *, hour=7, **fields):
    return make_subscriber(hour=hour, next_digest_at=morning(day, hour=hour, minute=0), **fields)


def test_reader_of_weekdays_gets_friday_and_the_weekend_on_monday():
    reader = start(MONDAY + timedelta(days=1), frequency="weekdays")
    for n in range(8):
        close(MONDAY + timedelta(days=n))
        plan_and_send(MONDAY + timedelta(days=n + 1))
    assert sorted(all_titles(reader)) == [f"{MONDAY + timedelta(days=n)} 0" for n in range(8)]
    assert len(titles(reader)[4]) == 3


def test_after_days_without_planning_one_digest_has_the_best_of_them():
    reader = start(MONDAY + timedelta(days=1), frequency="daily", length=3)
    close(MONDAY)
    plan_and_send(MONDAY + timedelta(days=1))
    for n in range(1, 5):
        close(MONDAY + timedelta(days=n), papers=2, votes=n)
    plan_and_send(MONDAY + timedelta(days=5))
    first, second = titles(reader)
    assert first == [f"{MONDAY} 0"]
    assert len(second) == 3
    assert set(second) > {f"{MONDAY + timedelta(days=4)} {n}" for n in range(2)}
    assert not set(first) & set(second)


def test_new_reader_gets_one_edition_and_no_pile():
    days(MONDAY, 5)
    reader = start(MONDAY + timedelta(days=5), frequency="daily")
    plan_and_send(MONDAY + timedelta(days=5))
    assert titles(reader) == [[f"{MONDAY + timedelta(days=4)} 0"]]


def test_who_comes_back_from_a_pause_gets_the_best_of_it_in_one_digest():
    reader = start(MONDAY + timedelta(days=1), frequency="daily", length=4)
    close(MONDAY)
    plan_and_send(MONDAY + timedelta(days=1))
    with time_machine.travel(morning(MONDAY + timedelta(days=1), hour=12), tick=False):
        services.pause(reader, MONDAY + timedelta(days=7))
    for n in range(1, 7):
        close(MONDAY + timedelta(days=n), papers=2, votes=n)
        plan_and_send(MONDAY + timedelta(days=n + 1))
    before, after = titles(reader)
    assert len(after) == 4
    assert set(after) == {
        f"{MONDAY + timedelta(days=n)} {number}" for n in (5, 6) for number in (0, 1)
    }
    assert not set(before) & set(after)
    close(MONDAY + timedelta(days=7))
    plan_and_send(MONDAY + timedelta(days=8))
    assert titles(reader)[-1] == [f"{MONDAY + timedelta(days=7)} 0"]
    reader.refresh_from_db()
    assert reader.unserved_since is None


def test_long_pause_brings_no_old_papers():
    reader = start(MONDAY + timedelta(days=1), frequency="daily", length=40)
    with time_machine.travel(morning(MONDAY), tick=False):
        services.pause(reader, MONDAY + timedelta(days=60))
    days(MONDAY, 60)
    plan_and_send(MONDAY + timedelta(days=60))
    (digest,) = titles(reader)
    assert len(digest) <= 33


@pytest.mark.parametrize(("before", "after"), [("daily", "weekly"), ("weekly", "daily")])
def test_change_of_rhythm_repeats_nothing(before, after):
    reader = start(MONDAY + timedelta(days=1), frequency=before, length=40)
    for n in range(22):
        day = MONDAY + timedelta(days=n)
        close(day, papers=2)
        plan_and_send(day + timedelta(days=1))
        if n == 9:
            with time_machine.travel(morning(day + timedelta(days=1), hour=12), tick=False):
                services.change_frequency(reader, after)
    found = all_titles(reader)
    assert len(found) == len(set(found))
    # From the change on nothing is missed, either.
    expected = {
        f"{MONDAY + timedelta(days=n)} {number}" for n in range(10, 20) for number in range(2)
    }
    assert expected <= set(found)


def test_other_hour_repeats_nothing_and_misses_nothing():
    reader = start(MONDAY + timedelta(days=1), frequency="daily")
    start(MONDAY + timedelta(days=1), hour=18, frequency="daily")
    for n in range(6):
        day = MONDAY + timedelta(days=n)
        close(day)
        for hour in (7, 18):
            plan_and_send(day + timedelta(days=1), hour=hour)
        if n == 2:
            chosen = selectors.preferences_of(reader)
            moved = Preferences(chosen.selection, type(chosen.rhythm)("daily", 18, "UTC"))
            with time_machine.travel(morning(day + timedelta(days=1), hour=12), tick=False):
                services.change_preferences(reader, moved)
    assert all_titles(reader) == [f"{MONDAY + timedelta(days=n)} 0" for n in range(6)]


def test_week_that_was_asked_for_is_not_sent_again_with_the_week():
    days(MONDAY, 3)
    thursday = MONDAY + timedelta(days=3)
    reader = start(thursday + timedelta(days=1), frequency="weekly-5", length=40)
    with time_machine.travel(morning(thursday), tick=False):
        requested.plan(reader)
    plan_and_send(thursday - timedelta(days=1))
    close(thursday)
    plan_and_send(thursday + timedelta(days=1))
    assert titles(reader)[-1] == [f"{thursday} 0"]
    assert len(all_titles(reader)) == len(set(all_titles(reader))) == 4


def test_asking_twice_brings_the_new_papers_only():
    days(MONDAY, 2)
    reader = start(MONDAY + timedelta(days=4), frequency="weekly-5", length=40)
    for n in (2, 3):
        with time_machine.travel(morning(MONDAY + timedelta(days=n)), tick=False):
            requested.plan(reader)
        Delivery.objects.update(state=State.SENT)
        close(MONDAY + timedelta(days=n))
    found = all_titles(reader)
    assert len(found) == len(set(found)) == 3


def test_what_failed_was_not_sent():
    close(MONDAY)
    reader = start(MONDAY + timedelta(days=1), frequency="daily")
    plan_and_send(MONDAY + timedelta(days=1))
    assert len(history.sent_to([reader.pk], since=MONDAY)[reader.pk]) == 1
    Delivery.objects.update(state=State.FAILED)
    assert history.sent_to([reader.pk], since=MONDAY) == {}


def test_history_passes_over_lists_that_were_purged_before_their_deliveries():
    close(MONDAY)
    reader = start(MONDAY + timedelta(days=1), frequency="daily")
    plan_and_send(MONDAY + timedelta(days=1))
    with connection.cursor() as cursor:
        # As purging does, where the rows wait for their partition.
        cursor.execute("DELETE FROM digest_audience")
    assert history.sent_to([reader.pk], since=MONDAY) == {reader.pk: set()}


def test_history_of_many_readers_is_three_queries(django_assert_num_queries):
    close(MONDAY)
    readers = [start(MONDAY + timedelta(days=1), frequency="daily") for _ in range(5)]
    plan_and_send(MONDAY + timedelta(days=1))
    with django_assert_num_queries(3):
        found = history.sent_to([reader.pk for reader in readers], since=MONDAY)
    assert len(found) == 5


def test_reader_apart_is_planned_once_and_balances_the_ledger():
    reader = start(MONDAY + timedelta(days=2), frequency="daily")
    start(MONDAY + timedelta(days=2), frequency="daily")
    Subscriber.objects.filter(pk=reader.pk).update(unserved_since=MONDAY)
    days(MONDAY, 2)
    moment = morning(MONDAY + timedelta(days=2))
    with time_machine.travel(moment, tick=False):
        first = planning.plan(moment)
        second = planning.plan(moment)
    assert (first.to_send, second.to_send) == (2, 0)
    found = ledger.of_edition(Edition.objects.get(date=MONDAY + timedelta(days=1)))
    assert found.is_balanced
    assert found.due == 2


def test_late_digest_of_a_reader_apart_goes_with_the_next_one(settings):
    reader = start(MONDAY + timedelta(days=2), frequency="daily")
    Subscriber.objects.filter(pk=reader.pk).update(unserved_since=MONDAY)
    days(MONDAY, 2)
    late = morning(MONDAY + timedelta(days=2))
    with time_machine.travel(late, tick=False):
        planning.plan(late)
    Subscriber.objects.filter(pk=reader.pk).update(changed_on=MONDAY + timedelta(days=2))
    close(MONDAY + timedelta(days=2))
    next_day = morning(MONDAY + timedelta(days=3))
    with time_machine.travel(next_day, tick=False):
        planning.plan(next_day)
    (row,) = Delivery.objects.filter(subscriber=reader, state=State.PENDING)
    assert len(row.audience.cards) == 3


def test_words_of_a_reader_apart_are_forgotten_with_the_reader():
    days(MONDAY, 2)
    reader = start(MONDAY + timedelta(days=2), frequency="daily", keywords=("2026",))
    Subscriber.objects.filter(pk=reader.pk).update(unserved_since=MONDAY)
    plan_and_send(MONDAY + timedelta(days=2))
    moment = morning(MONDAY + timedelta(days=3))
    assert forgetting.forget(moment)["audiences"] == 0
    services.erase(reader)
    assert forgetting.forget(moment)["audiences"]
    assert not any(each.words for each in Audience.objects.all())


@recorded.needed
def test_paper_of_two_sources_versions_and_days_comes_once():
    records = [record for record in recorded.papers().values() if record.listed_on is None]
    paper = next(record for record in records if record.categories)
    for n, (source, version) in enumerate([("arxiv", 1), ("hugging_face", None), ("arxiv", 2)]):
        day = MONDAY + timedelta(days=n)
        listed = type(paper)(
            **{
                name: getattr(paper, name) for name in paper.__dataclass_fields__
            } | {"listed_on": day, "version": version}
        )  # fmt: skip
        ingest.store([listed], source=source)
    reader = start(MONDAY + timedelta(days=1), frequency="daily")
    for n in range(3):
        close(MONDAY + timedelta(days=n))
        plan_and_send(MONDAY + timedelta(days=n + 1))
    assert Paper.objects.filter(arxiv_id=paper.arxiv_id).count() == 1
    assert all_titles(reader).count(Paper.objects.get(arxiv_id=paper.arxiv_id).title) == 1


def late_and_new(**fields):
    """A reader whose digest of Monday's edition waits until that of Tuesday's is planned."""
    reader = start(MONDAY + timedelta(days=1), frequency="daily", **fields)
    for n in (1, 2):
        close(MONDAY + timedelta(days=n - 1))
        moment = morning(MONDAY + timedelta(days=n))
        with time_machine.travel(moment, tick=False), pytest.MonkeyPatch.context() as patched:
            patched.setattr(merging, "merge", lambda *_, **__: 0)
            planning.plan(moment)
    return reader, Edition.objects.get(frequency="daily", date=MONDAY + timedelta(days=1))


def test_digest_of_who_left_is_not_merged():
    reader, edition = late_and_new()
    services.erase(reader)
    assert merging.merge(edition, now=morning(MONDAY + timedelta(days=2))) == 0


def test_digest_of_who_was_erased_in_the_middle_of_it_is_not_merged(monkeypatch):
    _, edition = late_and_new()
    monkeypatch.setattr(selectors, "selections_of", lambda ids: {})
    assert merging.merge(edition, now=morning(MONDAY + timedelta(days=2))) == 0
    assert [*Delivery.objects.values_list("state", flat=True)] == ["pending", "pending"]


def test_digest_stays_as_it_is_where_new_choices_would_leave_nothing_in_it():
    reader, edition = late_and_new()
    Subscriber.objects.filter(pk=reader.pk).update(least_votes=500)
    assert merging.merge(edition, now=morning(MONDAY + timedelta(days=2))) == 0
    assert all(row.audience.paper_count for row in Delivery.objects.filter(state=State.PENDING))


def test_pause_that_began_while_readers_were_planned_counts():
    reader = start(MONDAY, frequency="daily")
    reader.unserved_since = MONDAY
    Subscriber.objects.filter(pk=reader.pk).update(unserved_since=MONDAY + timedelta(days=3))
    services.note_served([reader])
    reader.refresh_from_db()
    assert reader.unserved_since == MONDAY + timedelta(days=3)


@pytest.mark.parametrize("count", [1, 12])
def test_number_of_queries_does_not_grow_with_readers_apart(count, django_assert_max_num_queries):
    days(MONDAY, 2)
    for _ in range(count):
        reader = start(MONDAY + timedelta(days=2), frequency="daily")
        Subscriber.objects.filter(pk=reader.pk).update(unserved_since=MONDAY)
    edition = Edition.objects.get(date=MONDAY + timedelta(days=1))
    with django_assert_max_num_queries(28):
        (rows,) = apart.plan(
            reader.slot, edition, since=None, now=morning(MONDAY + timedelta(days=2)), batch_size=10
        )
    assert len(rows) == count


# --- What trends some days later --------------------------------------------------------------


def rise(title, *, by):
    """So many votes came in the night before the edition of Wednesday closed."""
    paper = Paper.objects.get(title=title)
    for at, votes in ((morning(MONDAY + timedelta(days=2)), 0), (CLOSING, by)):
        VoteSnapshot.objects.create(paper=paper, taken_at=at, upvotes=paper.upvotes + votes)


CLOSING = morning(MONDAY + timedelta(days=3), hour=5, minute=0)


def three_days(*readers):
    for n in range(3):
        close(MONDAY + timedelta(days=n), papers=2, votes=5)
        if n == 2:
            rise(f"{MONDAY} 0", by=80)
        plan_and_send(MONDAY + timedelta(days=n + 1))
    return [titles(reader) for reader in readers]


def test_trending_digest_has_a_paper_that_rises_days_after_it_was_listed():
    trending = start(MONDAY + timedelta(days=1), length=1, trending=True)
    (digests,) = three_days(trending)
    assert digests[0] == [f"{MONDAY} 1"]
    assert digests[2] == [f"{MONDAY} 0"]
    assert "Rising fast" in str(Delivery.objects.filter(subscriber=trending).last().audience.cards)


def test_votes_of_now_count_for_papers_of_earlier_days():
    trending = start(MONDAY + timedelta(days=1), trending=True, least_votes=50)
    (digests,) = three_days(trending)
    assert digests == [[f"{MONDAY} 0"]]
    body = content.body_of(Delivery.objects.filter(subscriber=trending).last().audience)
    assert "85 votes" in "".join(body.text_parts)


def test_other_digests_have_the_papers_of_their_day_alone():
    (digests,) = three_days(start(MONDAY + timedelta(days=1), length=1))
    assert digests[2] in ([f"{MONDAY + timedelta(days=2)} 0"], [f"{MONDAY + timedelta(days=2)} 1"])


def test_trending_digest_has_no_paper_twice():
    (digests,) = three_days(start(MONDAY + timedelta(days=1), length=8, trending=True))
    assert [len(digest) for digest in digests] == [2, 2, 2]
    assert len({title for digest in digests for title in digest}) == 6


def test_readers_apart_who_get_the_same_go_together():
    for _ in range(3):
        start(MONDAY + timedelta(days=1), trending=True)
    three_days()
    assert {*Batch.objects.values_list("size", flat=True)} == {3}
    assert all(
        ledger.of_edition(edition).is_balanced
        for edition in Edition.objects.filter(due_count__gt=0)
    )
