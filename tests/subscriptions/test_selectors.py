"""Who may receive mail, and what they chose."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from subscriptions import selectors, services
from subscriptions.errors import TokenError, TokenExpiredError
from subscriptions.models import Suppression, TransactionalMessage
from subscriptions.records import Holder, Selection, Standing
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)


def suppressed(**fields):
    reader = make_subscriber(**fields)
    services.suppress(reader, Suppression.Reason.BOUNCED)
    return reader


def test_only_active_and_unsuppressed_subscribers_are_mailable():
    active = make_subscriber()
    make_subscriber(state="pending")
    make_subscriber(state="unsubscribed")
    suppressed()
    assert list(selectors.mailable_subscribers()) == [active]


def test_due_slots_are_those_whose_time_has_come():
    due = make_subscriber(next_digest_at=NOW)
    make_subscriber(next_digest_at=NOW + timedelta(seconds=1), hour=9)
    assert list(selectors.due_slots(NOW)) == [due.slot]


def test_due_readers_say_whether_they_are_suppressed_or_paused():
    due = make_subscriber()
    blocked = suppressed()
    paused = make_subscriber(paused_until=NOW.date() + timedelta(days=1))
    make_subscriber(hour=9)
    make_subscriber(state="unsubscribed")
    found = {
        row["reader_id"]: (bool(row["is_suppressed"]), bool(row["is_paused"]))
        for row in selectors.due_readers(due.slot, NOW, papers_since=NOW.date())
    }
    assert found == {
        due.pk: (False, False), blocked.pk: (True, False), paused.pk: (False, True)
    }  # fmt: skip


def test_pages_of_a_slot_hold_every_reader_once_in_the_order_of_the_keys():
    readers = [make_subscriber(length=number % 3 + 1) for number in range(7)]
    found, place = [], ("", 0)
    while page := selectors.page_of(readers[0].slot, place, 2):
        found += page
        place = page[-1]
    assert [key for key, _ in found] == sorted(key for key, _ in found)
    assert {reader.selection_key for reader in readers} == {key for key, _ in found}
    assert place == max((reader.selection_key, reader.pk) for reader in readers)


def test_addressees_say_where_they_stand_in_one_query(django_assert_num_queries):
    ok = make_subscriber()
    left = make_subscriber(state="unsubscribed")
    blocked = suppressed()
    with django_assert_num_queries(1):
        found = selectors.addressees([ok.pk, left.pk, blocked.pk, 999_999])
    assert {pk: reader.standing for pk, reader in found.items()} == {
        ok.pk: Standing.OK, left.pk: Standing.LEFT, blocked.pk: Standing.SUPPRESSED
    }  # fmt: skip
    assert (found[ok.pk].email, found[ok.pk].since) == (ok.email, ok.confirmed_at.date())


def test_suppression_is_found_under_an_older_key(settings):
    suppressed(email="ada@example.org")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert selectors.is_suppressed("ADA@example.org")
    assert not selectors.is_suppressed("eve@example.org")


def test_subscriber_is_found_in_any_capitals():
    reader = make_subscriber("Ada@example.org")
    assert selectors.subscriber_at("aDA@example.org") == reader
    assert selectors.subscriber_at("eve@example.org") is None


def test_messages_lead_to_their_subscribers_and_other_numbers_to_nobody():
    reader = make_subscriber()
    message = TransactionalMessage.objects.create(subscriber=reader, kind="confirm", attempts=1)
    found = selectors.subscribers_of_messages([message.pk, 0, 10**17])
    assert found == {message.pk: reader.pk}


def holder(reader, **fields):
    values = {"token_version": reader.token_version, "issued_at": NOW} | fields
    return Holder(reader.public_id, **values)


def test_link_leads_to_its_owner_until_a_newer_one():
    """EMAIL_STANDARDS section 5, revocable."""
    reader = make_subscriber(token_version=3)
    assert selectors.subscriber_of(holder(reader)) == reader
    with pytest.raises(TokenExpiredError):
        selectors.subscriber_of(holder(reader, token_version=2))


@pytest.mark.parametrize("find", [selectors.subscriber_of, selectors.confirming_subscriber])
def test_link_of_an_erased_subscriber_leads_to_nobody(find):
    with pytest.raises(TokenError):
        find(Holder(uuid4(), 1, NOW))


def test_confirm_link_finds_the_pending_subscriber_and_later_the_active_one():
    reader = make_subscriber(state="pending")
    link = holder(reader)
    assert selectors.confirming_subscriber(link) == reader
    services.confirm(reader)
    assert selectors.confirming_subscriber(link) == reader


def test_old_confirm_link_does_not_bring_back_who_left():
    reader = make_subscriber(state="pending")
    link = holder(reader)
    services.confirm(reader)
    services.unsubscribe(reader)
    with pytest.raises(TokenExpiredError):
        selectors.confirming_subscriber(link)


def test_confirm_link_from_before_leaving_is_dead_even_with_the_same_version():
    reader = make_subscriber(state="unsubscribed", unsubscribed_at=NOW)
    with pytest.raises(TokenExpiredError):
        selectors.confirming_subscriber(holder(reader, issued_at=NOW - timedelta(seconds=1)))
    later = holder(reader, issued_at=NOW + timedelta(seconds=1))
    assert selectors.confirming_subscriber(later) == reader


def test_selections_are_read_for_each_key():
    readers = [
        make_subscriber(topics=[make_topic("vision"), make_topic("theory")], length=4),
        make_subscriber(keywords=("tool calling",), organizations=("EPFL",), dial=0),
        make_subscriber(),
        make_subscriber(),
    ]
    keys = {reader.selection_key for reader in readers}
    assert selectors.selections(keys) == {
        readers[0].selection_key: Selection(topics=("theory", "vision"), length=4),
        readers[1].selection_key: Selection(
            keywords=("tool calling",), organizations=("EPFL",), dial=0
        ),
        readers[2].selection_key: Selection(),
    }


def test_key_that_nobody_has_is_left_out():
    assert selectors.selections(["0" * 32]) == {}


@pytest.mark.parametrize("count", [1, 30])
def test_selections_take_the_same_queries_for_any_number(count, django_assert_num_queries):
    keys = [make_subscriber(keywords=(f"word {n}",)).selection_key for n in range(count)]
    with django_assert_num_queries(7):
        assert len(selectors.selections(keys)) == count


def test_next_digest_is_after_the_pause():
    reader = make_subscriber(paused_until=date(2026, 9, 3), timezone="Europe/Berlin")
    assert selectors.next_digest_at(reader, NOW) == datetime(2026, 9, 3, 5, tzinfo=UTC)
    assert selectors.is_paused(reader, NOW)


def test_pause_that_is_over_does_not_matter():
    reader = make_subscriber(paused_until=date(2026, 8, 20))
    assert selectors.next_digest_at(reader, NOW) == datetime(2026, 8, 21, 7, tzinfo=UTC)
    assert not selectors.is_paused(reader, NOW)
    assert not selectors.is_paused(make_subscriber(), NOW)
