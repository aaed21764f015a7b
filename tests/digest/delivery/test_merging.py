"""Late digests go together with the next one: one mail, the papers of both, and none twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from digest.delivery import ledger, sending
from digest.delivery.due import planning
from digest.delivery.esp import local_outbox
from digest.editions import building
from digest.models import Delivery, Edition
from tests.builders import make_subscriber
from tests.digest.builders import make_listing, make_paper

pytestmark = pytest.mark.django_db
FIRST = date(2026, 8, 18)
HOUR = datetime(2026, 8, 19, 7, tzinfo=UTC)


@pytest.fixture
def reader(settings):
    settings.EMAIL_PROVIDERS = ["outbox"]
    local_outbox.maildir().clear()
    return make_subscriber(frequency="daily", next_digest_at=HOUR)


def plan_day(number):
    """Closes the edition of the day and plans it at the readers' hour of the next."""
    with time_machine.travel(HOUR + timedelta(days=number), tick=False):
        make_listing(make_paper(title=f"Paper of day {number}"), FIRST + timedelta(days=number))
        building.build(FIRST + timedelta(days=number))
        planning.plan(HOUR + timedelta(days=number))


def states():
    return list(Delivery.objects.order_by("edition__date").values_list("state", "reason"))


def mails():
    return [
        local_outbox.maildir().get_bytes(key).decode() for key in local_outbox.maildir().iterkeys()
    ]


def test_late_digest_goes_with_the_next_in_one_mail(reader):
    plan_day(0)
    plan_day(1)
    assert states() == [("skipped", "merged"), ("pending", "")]
    sending.send_pending()
    (mail,) = mails()
    assert "Paper of day 0" in mail
    assert "Paper of day 1" in mail
    assert "2 papers for you, out of 2 since Tuesday, August 18." in mail
    assert all(ledger.of_edition(edition).is_balanced for edition in Edition.objects.all())


def test_digest_that_is_late_for_days_loses_no_papers(reader):
    for number in range(3):
        plan_day(number)
    sending.send_pending()
    (mail,) = mails()
    assert all(f"Paper of day {number}" in mail for number in range(3))


def test_digest_that_is_not_late_yet_goes_by_itself(reader, settings):
    settings.MERGE_AFTER = 90_000
    plan_day(0)
    plan_day(1)
    sending.send_pending()
    assert len(mails()) == 2


def test_edition_that_is_held_lends_no_papers(reader):
    plan_day(0)
    Edition.objects.update(held_at=HOUR)
    plan_day(1)
    assert states() == [("pending", ""), ("pending", "")]


def test_merging_again_changes_nothing(reader):
    plan_day(0)
    plan_day(1)
    before = states()
    planning.plan(HOUR + timedelta(days=1, minutes=1))
    assert states() == before
