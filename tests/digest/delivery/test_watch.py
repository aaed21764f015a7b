"""Sends are held before mailbox providers mind, and the operator is told, once."""

import logging
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from digest import tasks
from digest.delivery import dropping, notices, outbox, settling
from digest.delivery.esp import circuit, plans, providers
from digest.delivery.watching import telling, watch
from digest.models import Audience, Batch, Circuit, DayCount, Delivery, Edition, Event, Notice
from tests.digest.delivery.conftest import NOW

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 2)


@pytest.fixture(autouse=True)
def one_way(clock, settings):
    circuit.forget()
    settings.EMAIL_PROVIDERS = ["smtp"]
    yield
    circuit.forget()


@pytest.fixture
def edition():
    """A daily edition whose last batch still waits."""
    made = make_edition()
    make_batch(made, pending=10)
    return made


def make_edition(**fields):
    made = Edition.objects.create(**{"date": DAY, "frequency": "daily", "paper_count": 8} | fields)
    Edition.objects.filter(pk=made.pk).update(closed_at=NOW - timedelta(hours=1))
    made.refresh_from_db()
    return made


def make_batch(edition, *, sent=0, failed=0, pending=0, detail="", offered_at=NOW, **fields):
    """A batch of readers who have long gone, which is nothing to the watch."""
    audience, _ = Audience.objects.get_or_create(
        edition=edition, contents_key="x", defaults={"cards": []}
    )
    defaults = {
        "id": (edition.pk << 32) + edition.batches.count(),
        "edition": edition,
        "audience": audience,
        "state": "open" if pending else "done",
        "size": sent + failed + pending,
        "claimed_at": None if pending else offered_at,
        "offered_at": None if pending else offered_at,
    }
    batch = Batch.objects.create(**defaults | fields)
    states = [("sent", "", "")] * sent + [("failed", "refused", detail)] * failed
    rows = [
        Delivery(edition=edition, audience=audience, batch=batch, state=s, reason=r, detail=d)
        for s, r, d in states + [("pending", "", "")] * pending
    ]
    Delivery.objects.bulk_create(rows)
    Edition.objects.filter(pk=edition.pk).update(due_count=edition.deliveries.count())
    return batch


def report(batch, number, *, kind="complained", reason="", prefix="e"):
    ids = batch.deliveries.order_by("pk").values_list("pk", flat=True)[:number]
    Event.objects.bulk_create(
        Event(provider="mailgun", event_id=f"{prefix}{pk}", type=kind, delivery_id=pk,
              reject_reason=reason, received_at=NOW)
        for pk in ids
    )  # fmt: skip


def check(clock=None, minutes=1):
    if clock is not None:
        clock.shift(timedelta(minutes=minutes))
    watch.check(datetime.now(UTC))


def why_held(edition):
    edition.refresh_from_db()
    return edition.held_because if edition.held_at else ""


def told():
    return sorted(Notice.objects.values_list("kind", flat=True))


def test_good_send_is_left_alone(edition):
    report(make_batch(edition, sent=1000), 1)
    check()
    assert (why_held(edition), told()) == ("", [])


def test_three_complaints_in_a_thousand_hold_the_send(edition):
    report(make_batch(edition, sent=1000), 3)
    check()
    assert why_held(edition) == "0.30% of its readers complained (3)"
    assert outbox.pending(NOW) == 0


def test_complaints_under_three_in_a_thousand_only_warn(edition, caplog):
    report(make_batch(edition, sent=1001), 3)
    check()
    assert (why_held(edition), told()) == ("", ["complaints_warning"])
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_two_complaints_are_chance_however_few_the_readers(edition):
    report(make_batch(edition, sent=50), 2)
    check()
    assert (why_held(edition), told()) == ("", [])


def test_complaint_counts_once_however_often_it_is_reported(edition):
    batch = make_batch(edition, sent=500)
    report(batch, 1)
    report(batch, 1, prefix="again")
    report(batch, 1, prefix="and again")
    check()
    assert why_held(edition) == ""


@pytest.mark.parametrize(
    ("number", "because"), [(4, ""), (5, "5.0% of its mails bounced for good")]
)
def test_five_hard_bounces_of_a_hundred_hold_the_send(edition, number, because):
    report(make_batch(edition, sent=100), number, kind="bounced", reason="bounced")
    check()
    assert why_held(edition) == because


def test_soft_bounces_and_other_events_do_not_count(edition):
    batch = make_batch(edition, sent=100)
    report(batch, 50, kind="bounced", reason="spam")
    report(batch, 50, kind="delivered", prefix="d")
    check()
    assert why_held(edition) == ""


def test_bounces_at_once_and_by_event_count_together(edition):
    batch = make_batch(edition, sent=98, failed=2, detail="SMTP 550 5.1.1")
    report(batch, 3, kind="rejected", reason="invalid")
    check()
    assert why_held(edition) == "5.0% of its mails bounced for good"


def test_few_mails_are_not_held_for_their_bounces(edition):
    make_batch(edition, sent=40, failed=59, detail="SMTP 550 5.1.1")
    check()
    assert why_held(edition) == ""


def test_failures_that_pile_up_hold_the_send(edition):
    make_batch(edition, sent=5000, offered_at=NOW - timedelta(minutes=9))
    for _ in range(4):
        make_batch(edition, sent=400, failed=100, detail="HTTP 400")
    check()
    assert why_held(edition) == "400 of the last 2000 deliveries failed"


def test_doubt_after_a_kill_does_not_hold_the_send(edition):
    batch = make_batch(edition, sent=1000, state="uncertain")
    batch.deliveries.update(state="uncertain")
    check()
    assert why_held(edition) == ""


def test_batches_in_a_row_with_errors_of_our_own_hold_the_send(edition, clock):
    for _ in range(watch.ERRORS_IN_A_ROW):
        watch.note_error(edition.pk)
    check(clock)
    assert why_held(edition) == "5 batches in a row ended in an error of our own"


def test_errors_of_our_own_between_good_batches_do_not_hold_the_send(edition, clock):
    for _ in range(4):
        watch.note_error(edition.pk)
    make_batch(edition, sent=10)
    check(clock)
    watch.note_error(edition.pk)
    check(clock)
    assert why_held(edition) == ""


def test_errors_of_an_edition_that_is_gone_stop_no_check(edition, clock):
    Circuit.objects.create(name="edition 999", failures=5, failed_at=NOW)
    check(clock, minutes=180)
    assert told() == ["late", "senders_silent"]


def test_check_that_fails_stops_no_other_and_what_is_known_is_sent(edition, clock, settings):
    settings.OPERATOR_EMAIL = "operator@example.org"
    settings.EMAIL_PROVIDERS = ["outbox"]
    Circuit.objects.create(name="edition nobody", failures=1)
    clock.shift(timedelta(minutes=180))
    with pytest.raises(ValueError, match="nobody"):
        tasks.watch_sends()
    assert told() == ["late", "senders_silent"]
    assert not Notice.objects.filter(mailed_at__isnull=True).exists()


def test_released_edition_is_not_held_for_what_was_seen(edition, clock):
    report(make_batch(edition, sent=500, failed=500), 10)
    check()
    watch.release(edition)
    check(clock)
    assert why_held(edition) == ""


def test_released_edition_is_held_again_for_what_is_new(edition, clock):
    make_batch(edition, failed=200)
    check()
    watch.release(edition)
    make_batch(edition, failed=200, offered_at=NOW + timedelta(minutes=1))
    check(clock, minutes=2)
    assert why_held(edition) == "200 of the last 200 deliveries failed"
    assert told() == ["held", "held"]


def open_holds():
    return list(notices.open_notices().filter(kind="held").values_list("key", flat=True))


def test_notice_of_a_hold_lasts_until_the_edition_is_released(edition, clock):
    make_batch(edition, pending=5)
    watch.hold(edition, because="a typo", now=NOW)
    check(clock, minutes=30)
    before = open_holds()
    watch.release(edition)
    assert (before, open_holds()) == ([str(edition.pk)], [])
    assert Notice.objects.get(kind="held").ended_at == datetime.now(UTC)


def test_notice_of_a_hold_ends_when_the_edition_is_called_off(edition):
    make_batch(edition, pending=5)
    watch.hold(edition, because="a typo", now=NOW)
    dropping.drop(edition, NOW)
    assert open_holds() == []


def test_notice_of_a_hold_ends_when_nothing_is_left_and_nobody_is_due(clock):
    edition = make_edition()
    make_batch(edition, sent=5)
    watch.hold(edition, because="a typo", now=NOW)
    check(clock)
    before = open_holds()
    Edition.objects.update(closed_at=NOW - timedelta(days=3))
    check(clock)
    assert (before, open_holds()) == ([str(edition.pk)], [])


def test_notice_of_a_hold_is_back_where_something_waits_again(clock):
    edition = make_edition()
    make_batch(edition, sent=5)
    watch.hold(edition, because="a typo", now=NOW)
    Edition.objects.update(closed_at=NOW - timedelta(days=3))
    check(clock)
    before = open_holds()
    make_batch(edition, pending=5)
    check(clock)
    assert (before, open_holds()) == ([], [str(edition.pk)])
    assert Notice.objects.filter(what__endswith="is held: a typo.").count() == 2


def test_notice_of_a_hold_lasts_days_where_digests_wait(edition, clock):
    make_batch(edition, pending=5)
    watch.hold(edition, because="a typo", now=NOW)
    Edition.objects.update(closed_at=NOW - timedelta(days=30))
    check(clock)
    assert open_holds() == [str(edition.pk)]


def test_complaints_of_a_week_hold_the_next_edition_once_a_day(edition, clock):
    older = make_edition(date=DAY - timedelta(days=1))
    report(make_batch(older, sent=1000), 5)
    DayCount.objects.create(provider="mailgun", day=DAY, messages=1600)
    check(clock)
    because = why_held(edition)
    watch.release(edition)
    check(clock)
    released = why_held(edition)
    check(clock, minutes=24 * 60)
    assert because == "0.31% of all readers of a week complained (5)"
    assert (released, why_held(edition)) == ("", because)


def test_old_complaints_are_forgotten_after_a_week(edition, clock):
    report(make_batch(make_edition(date=DAY - timedelta(days=1)), sent=1000), 5)
    DayCount.objects.create(provider="mailgun", day=DAY + timedelta(days=6), messages=1000)
    check(clock, minutes=8 * 24 * 60)
    assert why_held(edition) == ""


def test_hold_is_told_once_with_the_command_that_ends_it(edition, settings, caplog):
    settings.OPERATOR_EMAIL = "operator@example.org"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    report(make_batch(edition, sent=100), 5)
    for _ in range(3):
        watch.check(NOW)
        telling.send_waiting(NOW)
    (message,) = mail.outbox
    assert message.to == ["operator@example.org"]
    assert message.body == (
        "The daily edition 2026-11-02 is held: 5.00% of its readers complained (5).\n"
        "Look into it, then type: manage.py release_edition --date 2026-11-02\n"
        f"https://papers.example.org/admin/digest/edition/{edition.pk}/change/\n"
    )
    assert [r.levelno for r in caplog.records if r.name == "digest.delivery.notices"] == [40]


def test_mail_to_the_operator_waits_until_a_provider_takes_it(settings):
    settings.OPERATOR_EMAIL = "operator@example.org"
    settings.EMAIL_BACKEND = "digest.delivery.esp.transactional.EmailBackend"
    settings.SMTP_URL = "smtp://127.0.0.1:9"
    providers.connection.cache_clear()
    notices.tell("late", 1, what="Late.", mend="Type: manage.py ledger")
    number = telling.send_waiting(NOW)
    assert (number, Notice.objects.get().mailed_at) == (0, None)


def test_without_an_operator_nobody_is_mailed(settings):
    notices.tell("late", 1, what="Late.", mend="Type: manage.py ledger")
    assert (telling.send_waiting(NOW), mail.outbox) == (0, [])


def test_digests_that_wait_too_long_are_late_once(edition, clock):
    check(clock, minutes=120)
    before = told()
    check(clock)
    check(clock, minutes=24 * 60)
    edition.refresh_from_db()
    assert ("late" in before, told().count("late"), edition.was_late) == (False, 1, True)
    late = Notice.objects.get(kind="late").what
    assert "2026-11-02 have waited since 2026-11-03 06:00 UTC" in late


def test_doubt_that_is_released_waits_since_then(edition, clock):
    Batch.objects.update(state="uncertain", claimed_at=NOW, offered_at=NOW)
    Delivery.objects.update(state="uncertain")
    clock.shift(timedelta(days=1, hours=6))
    settling.release(Delivery.objects.all())
    check(clock)
    edition.refresh_from_db()
    before = (set(told()) & {"late", "unfinished", "senders_silent"}, edition.was_late)
    check(clock, minutes=121)
    assert before == (set(), False)
    assert set(told()) >= {"late", "senders_silent"}


def test_released_doubt_hides_nobody_who_waits_longer(edition, clock):
    made = make_batch(edition, sent=5, state="uncertain")
    made.deliveries.update(state="uncertain")
    clock.shift(timedelta(minutes=119))
    settling.release(made.deliveries.all())
    check(clock, minutes=2)
    assert "late" in told()


def test_held_edition_is_not_late_but_its_send_is_not_over_by_its_time(edition, clock):
    watch.hold(edition, because="a typo", now=NOW)
    check(clock, minutes=240)
    before = told()
    check(clock)
    assert (before, told()) == (["held"], ["held", "unfinished"])
    assert "it is held: a typo" in Notice.objects.get(kind="unfinished").what


def test_digests_that_no_sender_takes_are_told_within_the_quarter_of_an_hour(edition, clock):
    check(clock, minutes=15)
    before = told()
    check(clock)
    make_batch(edition, sent=5, offered_at=NOW + timedelta(minutes=17))
    for _ in range(4):
        check(clock, minutes=2)
    assert (before, told()) == ([], ["senders_silent"])
    assert Notice.objects.get().ended_at is not None


def test_senders_that_may_not_send_today_are_not_silent(edition, clock, settings):
    settings.WARM_UP = {"smtp": (DAY, 1, 1.0)}
    DayCount.objects.create(provider="smtp", day=NOW.date(), messages=1)
    check(clock, minutes=30)
    assert told() == []


def test_claims_that_nobody_settles_are_told(clock):
    make_batch(make_edition(), sent=5, state="claimed")
    check(clock, minutes=29)
    before = told()
    check(clock, minutes=2)
    assert (before, told()) == ([], ["stuck"])


def test_doubt_of_more_than_a_day_is_told(clock):
    made = make_edition()
    make_batch(made, sent=5, state="uncertain").deliveries.update(state="uncertain")
    check(clock, minutes=24 * 60)
    before = told()
    check(clock)
    assert (before, told()) == ([], ["in_doubt"])


def test_doubt_is_told_for_each_edition_in_the_words_of_now_and_every_day(clock):
    for name in ("daily", "weekly"):
        made = make_edition(frequency=name)
        make_batch(made, sent=5, state="uncertain").deliveries.update(state="uncertain")
    check(clock, minutes=24 * 60 + 1)
    make_batch(made, sent=5, state="uncertain").deliveries.update(state="uncertain")
    check(clock)
    first, second = notices.open_notices().filter(kind="in_doubt").order_by("pk")
    assert first.what == "1 batch of edition 2026-11-02 has been in doubt for more than a day."
    assert second.what.startswith("2 batches of edition ")
    check(clock, minutes=24 * 60)
    assert told().count("in_doubt") == 4
    silent = Notice.objects.get(pk=first.pk)
    assert silent.end_mailed_at == silent.ended_at == datetime.now(UTC)


def test_no_provider_for_waiting_digests_is_told(edition):
    Circuit.objects.create(
        name="smtp", open_until=NOW + timedelta(hours=1), detail="ConnectionRefusedError"
    )
    check()
    assert told() == ["no_provider"]
    assert "smtp: ConnectionRefusedError" in Notice.objects.get().what


def test_all_paused_is_told_as_such(edition):
    plans.pause("smtp", because="x")
    check()
    assert told() == ["all_paused"]
    assert "all providers are paused by an operator: smtp" in Notice.objects.get().what


def test_pause_of_one_and_rest_of_the_other_are_both_named(edition, settings):
    settings.EMAIL_PROVIDERS = ["smtp", "mailgun"]
    plans.pause("mailgun", because="x")
    Circuit.objects.create(name="smtp", open_until=NOW + timedelta(hours=1), detail="HTTP 500")
    check()
    assert told() == ["no_provider"]
    assert "smtp: HTTP 500; paused: mailgun" in Notice.objects.get().what


def test_rest_that_is_over_leaves_the_silence_of_the_senders_to_tell(edition, clock):
    edition.batches.update(retry_at=NOW + timedelta(minutes=1))
    Circuit.objects.create(name="smtp", open_until=NOW + timedelta(minutes=20), detail="HTTP 500")
    check(clock, minutes=19)
    resting = set(notices.open_notices().values_list("kind", flat=True))
    check(clock, minutes=15)
    soon = told()
    check(clock, minutes=2)
    silent = set(notices.open_notices().values_list("kind", flat=True))
    assert (resting, soon, silent) == ({"no_provider"}, ["no_provider"], {"senders_silent"})


def test_number_of_the_day_and_the_rest_of_the_other_are_no_provider(edition, clock, settings):
    settings.EMAIL_PROVIDERS = ["smtp", "mailgun"]
    settings.WARM_UP = {"smtp": (DAY, 1, 1.0)}
    DayCount.objects.create(provider="smtp", day=NOW.date(), messages=1)
    check(clock, minutes=1)
    before = told()
    Circuit.objects.create(name="mailgun", open_until=NOW + timedelta(hours=1), detail="HTTP 401")
    check()
    assert (before, told()) == ([], ["no_provider"])
    said = Notice.objects.get().what
    assert "(smtp: has had its number of today, mailgun: HTTP 401)" in said


def test_senders_are_not_silent_at_once_on_a_new_day(edition, clock, settings):
    settings.WARM_UP = {"smtp": (DAY, 1, 1.0)}
    DayCount.objects.create(provider="smtp", day=NOW.date(), messages=1)
    check(clock, minutes=18 * 60 + 1)
    before = told()
    check(clock, minutes=15)
    assert ("senders_silent" in before, "senders_silent" in told()) == (False, True)


def test_ledger_that_does_not_add_up_is_told_within_the_hour(clock):
    made = make_edition()
    make_batch(made, sent=5)
    check()
    Edition.objects.filter(pk=made.pk).update(due_count=6)
    check(clock, minutes=59)
    before = told()
    check(clock)
    assert (before, told()) == ([], ["unbalanced"])


def queries():
    with CaptureQueriesContext(connection) as found:
        check()
    return len(found)


def test_queries_do_not_grow_with_the_readers(edition):
    make_batch(edition, sent=10)
    check()
    before = queries()
    for _ in range(20):
        report(make_batch(edition, sent=100), 0)
        make_batch(edition, pending=5)
    assert queries() == before


def test_second_hold_keeps_the_reason_of_the_first(edition):
    assert watch.hold(edition, because="a typo", now=NOW)
    assert not watch.hold(edition, because="another", now=NOW)
    assert why_held(edition) == "a typo"


def run(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_operator_holds_and_releases_an_edition(edition):
    lines = [
        run("hold_edition", "--date", str(DAY), "--because", "a  wrong\ntitle"),
        run("hold_edition", "--because", "again"),
        run("release_edition"),
        run("release_edition", "--date", str(DAY)),
    ]
    assert lines == [
        "daily edition 2026-11-02 is held\n",
        "daily edition 2026-11-02 was held already\n",
        "daily edition 2026-11-02 is sent on\n",
        "daily edition 2026-11-02 was not held\n",
    ]
    assert Notice.objects.get().what.endswith("is held: a wrong title.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold_edition", "--because", "x", "--date", "2026-01-01"],
        ["hold_edition", "--because", "x", "--frequency", "weekly"],
        ["hold_edition", "--because", " "],
        ["hold_edition", "--because", "ada@example.com complained"],
        ["hold_edition"],
        ["release_edition", "--date", "2026-01-01"],
    ],
)
def test_wrong_input_gets_one_line(edition, arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert len(str(caught.value).splitlines()) == 1
    assert why_held(edition) == ""
