"""What nobody needs any more is forgotten; what is still of use stays."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from digest import forgetting
from digest.delivery.due import planning
from digest.editions import audiences
from digest.models import (
    Audience,
    AudienceSelection,
    DayCount,
    Edition,
    Event,
    Fetch,
    Notice,
)
from subscriptions import services
from tests.builders import make_subscriber
from tests.digest.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
DAY = date(2026, 8, 20)
NOW = datetime(2026, 8, 21, 8, 0, tzinfo=UTC)


@pytest.fixture
def reader():
    make_edition(DAY, [make_paper(title="A rare disease", upvotes=3), make_paper(upvotes=9)])
    made = make_subscriber(keywords=("rare disease",), next_digest_at=NOW)
    planning.plan(NOW)
    return made


def reasons():
    return [card[1] for card in Audience.objects.get().cards]


def test_keyword_of_an_erased_reader_is_forgotten(reader):
    assert reasons() == ["Your keyword: rare disease", "A little different"]
    services.erase(reader)
    assert forgetting.forget(NOW)["audiences"] == 1
    assert reasons() == ["Picked for you", "A little different"]
    assert "disease" not in str(Audience.objects.values().get())


def test_author_and_organization_of_an_erased_reader_are_forgotten():
    make_edition(DAY, [make_paper()])
    reader = make_subscriber(authors=("Ada Byron",), organizations=("EPFL",), next_digest_at=NOW)
    planning.plan(NOW)
    audience = Audience.objects.get()
    audience.cards = [[1, "By Ada Byron"], [2, "From EPFL", "organizations"], [3, "New today"]]
    audience.words = ["Ada Byron", "EPFL"]
    audience.save()
    services.erase(reader)
    assert forgetting.forget(NOW)["audiences"] == 1
    held = Audience.objects.get()
    assert [card[:2] for card in held.cards] == [
        [1, "Picked for you"],
        [2, "Picked for you"],
        [3, "New today"],
    ]
    assert held.words == []


def test_reason_of_another_word_that_holds_a_forgotten_one_stays(reader):
    audience = Audience.objects.get()
    audience.cards = [[1, "Your keyword: AI", "keywords", "AI"], [2, "From OpenAI", "", "OpenAI"]]
    audience.words = ["AI", "OpenAI"]
    audience.save()
    make_subscriber(organizations=("OpenAI",))
    assert forgetting.forget(NOW)["audiences"] == 1
    assert reasons() == ["Picked for you", "From OpenAI"]


def test_word_that_another_reader_follows_stays(reader):
    make_subscriber(keywords=("rare disease",))
    services.erase(reader)
    assert forgetting.forget(NOW)["audiences"] == 0


def test_what_was_forgotten_is_not_what_a_later_reader_gets(reader):
    (edition,) = Edition.objects.filter(frequency="daily")
    services.erase(reader)
    forgetting.forget(NOW)
    later = make_subscriber(keywords=("rare disease",))
    AudienceSelection.objects.all().delete()
    cards = audiences.of_selection(edition, later.selection_key).cards
    assert cards[0][1] == "Your keyword: rare disease"


def test_which_selection_got_which_digest_is_forgotten_weeks_later(reader):
    forgetting.forget(NOW + timedelta(days=audiences.KEPT_DAYS - 1))
    assert AudienceSelection.objects.exists()
    forgetting.forget(NOW + timedelta(days=audiences.KEPT_DAYS + 1))
    assert not AudienceSelection.objects.exists()
    assert Audience.objects.exists()


def test_keyword_that_a_reader_follows_stays(reader):
    assert forgetting.forget(NOW)["audiences"] == 0
    assert reasons()[0] == "Your keyword: rare disease"


def test_forgetting_twice_changes_nothing(reader):
    services.erase(reader)
    forgetting.forget(NOW)
    assert forgetting.forget(NOW)["audiences"] == 0


def test_events_and_fetches_of_long_ago_are_forgotten(settings):
    now = timezone.now()
    for age in (1, settings.KEEP_EVENTS_DAYS + 1):
        event = Event.objects.create(provider="x", event_id=str(age), type="sent", applied_at=now)
        Event.objects.filter(pk=event.pk).update(received_at=now - timedelta(days=age))
        Fetch.objects.create(source="arxiv", day=DAY, started_at=now - timedelta(days=age))
    forgetting.forget(now)
    assert Event.objects.get().event_id == "1"
    assert Fetch.objects.count() == 1


def test_notices_counts_log_entries_and_sessions_do_not_pile_up(settings):
    staff = get_user_model().objects.create_user("operator")
    for at in (NOW - timedelta(days=731), NOW):
        Notice.objects.create(kind="late", key=str(at), what="", mend="", created_at=at)
        DayCount.objects.create(provider="mailgun", day=at.date())
        LogEntry.objects.create(user=staff, action_flag=2, action_time=at)
        Session.objects.create(session_key=str(at), expire_date=at + timedelta(days=365))
    forgotten = forgetting.forget(NOW)
    assert forgotten["notices"] == forgotten["day_counts"] == forgotten["log_entries"] == 1
    for model in (Notice, DayCount, LogEntry, Session):
        assert model.objects.count() == 1, model
