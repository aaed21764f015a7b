"""What is true after each change, and after the same change twice."""

import threading
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from subscriptions import addresses, selectors, services
from subscriptions.errors import AddressError, ChoiceError, TokenError
from subscriptions.models import (
    ConsentRecord,
    FollowedKeyword,
    Subscriber,
    Suppression,
    Topic,
    TransactionalMessage,
)
from subscriptions.records import Evidence, Preferences, Rhythm, Selection
from subscriptions.services import coming
from tests.builders import make_subscriber, make_topic

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
EVIDENCE = Evidence(
    ip_address="192.0.2.7", user_agent="Firefox", page="/", text="Subscribe", text_version="1"
)
ACTIVE, PENDING, UNSUBSCRIBED = Subscriber.State.ACTIVE, "pending", "unsubscribed"


@pytest.fixture(autouse=True)
def _frozen():
    with time_machine.travel(NOW, tick=False):
        yield


def kinds():
    return list(TransactionalMessage.objects.order_by("pk").values_list("kind", flat=True))


def actions(subscriber):
    return list(subscriber.consent_records.values_list("action", flat=True))


def run_in_thread(work):
    def run():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def run_while(change, work):
    """Does `work` between the last statement of `change` and its commit."""
    is_changed, may_commit = threading.Event(), threading.Event()

    def change_slowly():
        with transaction.atomic():
            change()
            is_changed.set()
            may_commit.wait(20)

    changing = run_in_thread(change_slowly)
    is_changed.wait(20)
    working = run_in_thread(work)
    # Time enough for `work` to read what was before, and to come to a lock where there is one.
    time.sleep(0.3)
    may_commit.set()
    changing.join(20)
    working.join(20)


def subscribe(address="ada@example.org", **fields):
    services.subscribe(address, evidence=EVIDENCE, **fields)
    return Subscriber.objects.filter(email__iexact=address).first()


# --- Sign-up: EMAIL_STANDARDS sections 6 and 7 -------------------------------------------------


def test_new_address_is_pending_and_is_asked_to_confirm():
    make_topic("theory")
    services.subscribe(" Ada@Example.org ", topics=["theory", "no-such"], evidence=EVIDENCE)
    subscriber = Subscriber.objects.get()
    assert (subscriber.email, subscriber.state) == ("Ada@example.org", PENDING)
    assert kinds() == ["confirm"]
    assert selectors.selection_of(subscriber).topics == ("theory",)
    assert subscriber.selection_key == selectors.selection_of(subscriber).key
    assert list(selectors.mailable_subscribers()) == []


def test_sign_up_is_recorded_as_it_happened():
    record = subscribe().consent_records.get()
    assert record.action == "signed_up"
    assert record.at == NOW
    assert (record.ip_address, record.user_agent) == ("192.0.2.7", "Firefox")
    assert (record.page, record.text, record.text_version) == ("/", "Subscribe", "1")


def test_same_address_in_other_capitals_is_the_same_subscriber():
    subscribe("ada@example.org")
    subscribe("ADA@EXAMPLE.ORG")
    assert Subscriber.objects.count() == 1


def test_bad_address_is_refused_and_nothing_is_kept():
    with pytest.raises(AddressError):
        subscribe("ada@example.org\nBcc: all@example.org")
    assert not Subscriber.objects.exists()


def test_active_address_is_told_so_and_keeps_its_topics():
    make_topic("vision")
    reader = make_subscriber("ada@example.org", topics=[make_topic("theory")])
    services.subscribe("ada@example.org", topics=["vision"], evidence=EVIDENCE)
    reader.refresh_from_db()
    assert (reader.state, kinds()) == (ACTIVE, ["already_subscribed"])
    assert selectors.selection_of(reader).topics == ("theory",)


def test_unsubscribed_address_stays_so_until_it_confirms_again():
    reader = make_subscriber("ada@example.org", topics=[make_topic("theory")], state=UNSUBSCRIBED)
    services.subscribe("ada@example.org", topics=[], evidence=EVIDENCE)
    reader.refresh_from_db()
    assert (reader.state, kinds()) == (UNSUBSCRIBED, ["confirm"])
    assert services.confirm(reader)
    assert reader.state == ACTIVE


def test_suppressed_reader_gets_no_mail():
    reader = make_subscriber("ada@example.org")
    services.suppress(reader, Suppression.Reason.BOUNCED)
    subscribe()
    assert kinds() == []


def test_erased_address_is_not_kept_again():
    services.erase(make_subscriber("ada@example.org"))
    assert subscribe() is None
    assert kinds() == []


def test_erased_address_is_known_after_a_change_of_key(settings):
    services.erase(make_subscriber("ada@example.org"))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert subscribe() is None


def test_erasure_outlives_the_key_of_the_sign_up(settings):
    reader = make_subscriber("ada@example.org")
    settings.SECRET_KEY = "another"
    services.erase(reader)
    assert subscribe() is None


def test_suppression_under_a_newer_key_than_the_sign_up_stops_digests(settings):
    reader = make_subscriber()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    services.suppress(reader, Suppression.Reason.COMPLAINED)
    assert list(selectors.mailable_subscribers()) == []


def test_two_confirm_mails_are_a_quarter_of_an_hour_apart():
    subscribe()
    with time_machine.travel(NOW + timedelta(minutes=14, seconds=59), tick=False):
        subscribe()
        assert kinds() == ["confirm"]
    with time_machine.travel(NOW + timedelta(minutes=15), tick=False):
        subscribe()
        assert kinds() == ["confirm", "confirm"]


def test_an_address_gets_three_confirm_mails_a_day():
    for minutes in range(0, 24 * 60, 20):
        with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
            subscribe()
    assert kinds() == ["confirm"] * 3
    with time_machine.travel(NOW + timedelta(days=1, minutes=1), tick=False):
        subscribe()
    assert kinds() == ["confirm"] * 4


def test_limit_for_an_address_is_a_setting(settings):
    settings.SIGNUP_RATE_ADDRESS = "1/2h"
    for minutes in (0, 30, 90, 121):
        with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
            subscribe()
    assert kinds() == ["confirm"] * 2


def test_one_mailbox_gets_three_mails_a_day_however_its_address_is_written():
    forms = ["a.da@gmail.com", "ad.a+1@gmail.com", "ada+2@googlemail.com", "A.D.A+3@gmail.com"]
    for number in range(12):
        with time_machine.travel(NOW + timedelta(minutes=20 * number), tick=False):
            subscribe(forms[number % 4])
    assert kinds() == ["confirm"] * 3
    subscribe("another@gmail.com")
    assert kinds() == ["confirm"] * 4


def test_new_address_that_readers_name_counts_for_its_mailbox():
    victim = "victim+{}@example.org"
    for number in range(4):
        services.request_address_change(make_subscriber(), victim.format(number))
    assert kinds() == ["change_address"]


def test_count_of_a_mailbox_tells_nothing_of_who_was_erased():
    other = make_subscriber("eve@example.org")
    services.request_address_change(make_subscriber("ada@example.org"), "bob@example.org")
    services.request_link_for(other)
    services.suppress_address("bob@example.org", Suppression.Reason.ERASED)
    services.erase(make_subscriber("bob@example.org"))
    kept = set(Suppression.objects.values_list("address_hash", flat=True))
    assert not TransactionalMessage.objects.filter(mailbox__in=kept).exists()


def test_mailbox_gets_no_second_mail_because_a_key_was_replaced(settings):
    subscribe("ada+1@example.org")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    subscribe("ada+2@example.org")
    assert kinds() == ["confirm"]


@pytest.mark.django_db(transaction=True)
def test_many_forms_of_one_mailbox_at_once_get_one_mail():
    barrier = threading.Barrier(8)

    def ask(number):
        Subscriber.objects.exists()
        barrier.wait(20)
        subscribe(f"ada+{number}@example.org")

    for thread in [run_in_thread(lambda n=n: ask(n)) for n in range(8)]:
        thread.join(20)
    assert kinds() == ["confirm"]


@pytest.mark.django_db(transaction=True)
def test_who_asks_many_times_at_once_gets_one_mail():
    reader = make_subscriber("ada@example.org")
    barrier = threading.Barrier(8)

    def ask():
        # Every thread is connected before the first one asks.
        Subscriber.objects.exists()
        barrier.wait(20)
        services.request_link_for(reader)

    for thread in [run_in_thread(ask) for _ in range(8)]:
        thread.join(20)
    assert kinds() == ["preferences"]


def test_later_sign_up_changes_the_topics_of_a_pending_subscriber():
    make_topic("theory")
    make_topic("vision")
    subscribe(topics=["theory"])
    subscriber = subscribe(topics=["vision"])
    assert selectors.selection_of(subscriber).topics == ("vision",)
    assert subscriber.selection_key == selectors.selection_of(subscriber).key


def test_topics_of_who_confirmed_meanwhile_stay():
    make_topic("vision")
    read = make_subscriber(state=PENDING, topics=[make_topic("theory")])
    services.confirm(Subscriber.objects.get())
    coming._take(read, coming._Wishes(["vision"], "Europe/Berlin", "de"))
    read.refresh_from_db()
    assert selectors.selection_of(read).topics == ("theory",)
    assert (read.timezone, read.language) == ("UTC", "en")
    assert read.selection_key == selectors.selection_of(read).key


def test_who_is_forgotten_while_signing_up_is_taken_as_new():
    old = subscribe()
    reads = iter([lambda: Subscriber.objects.filter(pk=old.pk).delete()])

    def forget_once_read(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if 'FROM "subscriptions_subscriber"' in sql:
            next(reads, lambda: None)()
        return found

    with connection.execute_wrapper(forget_once_read):
        services.subscribe("ada@example.org", evidence=EVIDENCE)
    assert actions(Subscriber.objects.get()) == ["signed_up"]
    assert kinds() == ["confirm"]


def test_address_that_was_created_meanwhile_is_taken_as_it_is():
    first = make_subscriber("ada@example.org", state=PENDING)
    assert coming._create("ADA@example.org") == first


# --- Confirm ----------------------------------------------------------------------------------


def test_confirm_makes_active_and_sets_the_first_digest():
    subscriber = subscribe()
    assert services.confirm(subscriber, evidence=EVIDENCE)
    assert (subscriber.state, subscriber.confirmed_at) == (ACTIVE, NOW)
    assert subscriber.next_digest_at == datetime(2026, 8, 21, 7, tzinfo=UTC)
    assert subscriber.token_version == 2
    assert actions(subscriber) == ["signed_up", "confirmed"]


def test_second_confirm_changes_nothing():
    subscriber = subscribe()
    stale = Subscriber.objects.get(pk=subscriber.pk)
    assert services.confirm(subscriber)
    assert not services.confirm(stale)
    assert not services.confirm(subscriber)
    assert (stale.token_version, actions(stale)) == (2, ["signed_up", "confirmed"])


def test_link_that_a_newer_one_replaced_since_it_was_read_does_not_confirm():
    read = subscribe()
    Subscriber.objects.update(token_version=9)
    assert not services.confirm(read)
    assert read.state == PENDING


def test_confirming_ends_the_pause_of_who_had_left():
    reader = make_subscriber(state=UNSUBSCRIBED, paused_until=date(2026, 12, 24))
    assert services.confirm(reader)
    assert reader.paused_until is None


def test_evidence_is_cut_to_what_a_row_holds():
    reader = make_subscriber()
    services.resume(reader, evidence=Evidence(user_agent="u" * 301, page="p" * 201))
    record = reader.consent_records.get()
    assert (record.user_agent, record.page) == ("u" * 300, "p" * 200)


# --- Gone meanwhile ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        services.confirm,
        services.resume,
        services.undo_unsubscribe,
        lambda reader: services.pause(reader, date(2026, 9, 3)),
        lambda reader: services.change_frequency(reader, "weekly"),
        lambda reader: services.change_preferences(reader, preferences(keywords=("x",))),
    ],
    ids=["confirm", "resume", "undo", "pause", "frequency", "preferences"],
)
def test_change_of_who_was_erased_meanwhile_says_that_the_link_is_dead(change):
    reader = make_subscriber()
    Subscriber.objects.all().delete()
    with pytest.raises(TokenError, match="no longer in use"):
        change(reader)
    assert not ConsentRecord.objects.exists()


def test_who_was_erased_meanwhile_needs_no_unsubscribing_and_no_mail():
    reader = make_subscriber()
    Subscriber.objects.all().delete()
    assert not services.unsubscribe(reader)
    assert not services.request_message(reader, TransactionalMessage.Kind.PREFERENCES)
    assert not ConsentRecord.objects.exists()
    assert kinds() == []


# --- Preferences ------------------------------------------------------------------------------


def preferences(**fields):
    names = {
        "topics", "keywords", "authors", "organizations", "categories", "least_votes", "dial",
        "format", "language",
    }  # fmt: skip
    chosen = {key: fields.pop(key) for key in names & fields.keys()}
    rhythm = {"frequency": "weekly", "hour": 9, "timezone": "Europe/Berlin"} | fields
    paused_until = rhythm.pop("paused_until", None)
    length = rhythm.pop("length", 16)
    return Preferences(Selection(**chosen, length=length), Rhythm(**rhythm), paused_until)


def test_changed_preferences_are_all_kept():
    reader = make_subscriber(topics=[make_topic("theory")], keywords=("old",))
    make_topic("vision")
    wanted = preferences(
        topics=("vision",),
        keywords=("tool calling", "world models"),
        authors=("Yejin Choi",),
        organizations=("EPFL", "Google DeepMind"),
        dial=4,
        paused_until=date(2026, 9, 3),
    )
    services.change_preferences(reader, wanted, evidence=EVIDENCE)
    assert selectors.preferences_of(reader) == wanted
    assert reader.selection_key == wanted.selection.key
    assert reader.next_digest_at == datetime(2026, 8, 20, 7, tzinfo=UTC)
    assert actions(reader) == ["changed"]


def test_changing_preferences_moves_the_next_digest():
    reader = make_subscriber(next_digest_at=NOW + timedelta(days=1))
    services.change_preferences(reader, preferences())
    assert reader.next_digest_at == datetime(2026, 8, 24, 7, tzinfo=UTC)


def test_digest_that_is_due_is_not_lost_by_changing_preferences():
    due = NOW - timedelta(minutes=1)
    reader = make_subscriber(next_digest_at=due)
    services.change_preferences(reader, preferences())
    assert reader.next_digest_at == due


def test_preferences_of_who_left_set_no_digest():
    reader = make_subscriber(state=UNSUBSCRIBED)
    services.change_preferences(reader, preferences())
    assert reader.next_digest_at is None


def test_words_that_differ_in_capitals_or_spaces_are_one():
    reader = make_subscriber()
    services.change_preferences(
        reader,
        preferences(
            keywords=("World  models", "world models", " "),
            authors=("A", "a"),
            organizations=("MIT  CSAIL", "MIT CSAIL", "mit csail"),
        ),
    )
    assert selectors.selection_of(reader).keywords == ("World models",)
    assert selectors.selection_of(reader).authors == ("A",)
    assert selectors.selection_of(reader).organizations == ("MIT CSAIL",)
    assert reader.selection_key == selectors.selection_of(reader).key


def test_database_knows_the_steps_of_the_dial():
    with pytest.raises(IntegrityError), transaction.atomic():
        make_subscriber(dial=5)


def test_same_preferences_twice_are_the_same():
    reader = make_subscriber()
    wanted = preferences(topics=(make_topic("vision").slug,), keywords=("x",))
    services.change_preferences(reader, wanted)
    services.change_preferences(reader, wanted)
    assert selectors.preferences_of(reader) == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"topics": ("no-such",)},
        {"frequency": "hourly"},
        {"hour": 24},
        {"hour": -1},
        {"timezone": "Europe/Atlantis"},
        {"length": 0},
        {"length": 41},
        {"keywords": tuple(f"word {n}" for n in range(51))},
        {"keywords": ("x" * 201,)},
        {"keywords": ("vision AND",)},
        {"categories": ("cs CL",)},
        {"least_votes": -1},
        {"format": "pdf"},
        {"language": "tlh"},
        {"authors": ("Ada\x00",)},
        {"organizations": ("EPFL\x00",)},
        {"organizations": ("x" * 81,)},
        {"organizations": tuple(f"lab {n}" for n in range(51))},
        {"dial": -1},
        {"dial": 5},
    ],
)
def test_choice_that_is_not_on_offer_is_refused_and_nothing_changes(wrong):
    reader = make_subscriber(keywords=("old",))
    before = selectors.preferences_of(reader)
    with pytest.raises(ChoiceError):
        services.change_preferences(reader, preferences(**wrong))
    reader.refresh_from_db()
    assert selectors.preferences_of(reader) == before


def test_number_of_queries_does_not_grow_with_the_choices(django_assert_max_num_queries):
    reader = make_subscriber()
    many = preferences(
        topics=tuple(make_topic().slug for _ in range(20)),
        keywords=tuple(f"word {n}" for n in range(40)),
    )
    with django_assert_max_num_queries(17):
        services.change_preferences(reader, many)


def test_frequency_alone_can_change():
    reader = make_subscriber(next_digest_at=NOW + timedelta(days=1), keywords=("kept",))
    services.change_frequency(reader, "weekly", evidence=EVIDENCE)
    assert (reader.frequency, reader.hour) == ("weekly", 7)
    assert reader.next_digest_at == datetime(2026, 8, 24, 7, tzinfo=UTC)
    assert FollowedKeyword.objects.count() == 1


def test_pause_and_resume():
    reader = make_subscriber()
    services.pause(reader, date(2026, 9, 3), evidence=EVIDENCE)
    assert reader.paused_until == date(2026, 9, 3)
    services.resume(reader)
    assert reader.paused_until is None
    assert actions(reader) == ["changed", "changed"]


# --- Scheduling -------------------------------------------------------------------------------


def test_advancing_a_slot_moves_its_readers_and_no_others():
    due = make_subscriber(next_digest_at=NOW)
    weekly = make_subscriber(next_digest_at=NOW - timedelta(days=2), frequency="weekly")
    later = make_subscriber(next_digest_at=NOW + timedelta(hours=1), hour=9)
    assert services.advance(due.slot, NOW)
    assert not services.advance(due.slot, NOW)
    times = dict(Subscriber.objects.values_list("pk", "slot__next_digest_at"))
    assert times == {
        due.pk: datetime(2026, 8, 21, 7, tzinfo=UTC),
        weekly.pk: NOW - timedelta(days=2),
        later.pk: NOW + timedelta(hours=1),
    }


def test_reader_who_changed_while_due_is_put_right_when_the_slot_moves_on():
    reader = make_subscriber(next_digest_at=NOW)
    services.change_frequency(reader, "weekly")
    assert services.advance(reader.slot, NOW)
    reader.refresh_from_db()
    assert reader.slot.frequency == "weekly"
    assert reader.next_digest_at == datetime(2026, 8, 24, 7, tzinfo=UTC)


@pytest.mark.parametrize("readers", [1, 20])
def test_advancing_takes_as_many_queries_for_one_reader_as_for_many(
    readers, django_assert_num_queries
):
    slot = max(
        (make_subscriber(next_digest_at=NOW).slot for _ in range(readers)), key=lambda s: s.pk
    )
    with django_assert_num_queries(4):
        services.advance(slot, NOW)


def test_slot_that_lies_too_far_ahead_is_mended_after_a_clock_that_jumped():
    far = make_subscriber(next_digest_at=NOW + timedelta(days=90), frequency="daily", hour=20)
    right = make_subscriber(next_digest_at=NOW + timedelta(days=3, hours=20), frequency="weekly")
    assert services.mend(NOW) == 1
    assert services.mend(NOW) == 0
    times = dict(Subscriber.objects.values_list("pk", "slot__next_digest_at"))
    assert times[far.pk] == NOW.replace(hour=20, minute=0)
    assert times[right.pk] == NOW + timedelta(days=3, hours=20)


# --- Leaving ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ACTIVE, PENDING])
def test_unsubscribe_stops_all_digests(state):
    reader = make_subscriber(state=state)
    assert services.unsubscribe(reader, evidence=EVIDENCE)
    assert not services.unsubscribe(reader, evidence=EVIDENCE)
    assert (reader.state, reader.next_digest_at) == (UNSUBSCRIBED, None)
    assert reader.unsubscribed_at == NOW
    assert actions(reader) == ["unsubscribed"]
    assert kinds() == []


def test_undo_brings_everything_back():
    reader = make_subscriber(
        topics=[make_topic("theory")], keywords=("x",), next_digest_at=NOW + timedelta(hours=19)
    )
    before = selectors.preferences_of(reader)
    services.unsubscribe(reader)
    assert services.undo_unsubscribe(reader, evidence=EVIDENCE)
    assert not services.undo_unsubscribe(reader)
    assert (reader.state, reader.unsubscribed_at) == (ACTIVE, None)
    assert reader.next_digest_at == NOW + timedelta(hours=19)
    assert selectors.preferences_of(reader) == before
    assert actions(reader) == ["unsubscribed", "resubscribed"]


def test_undo_does_not_confirm_who_never_did():
    reader = make_subscriber(state=PENDING)
    services.unsubscribe(reader)
    assert services.undo_unsubscribe(reader)
    assert reader.state == PENDING


def test_operator_unsubscribes_and_tells():
    reader = make_subscriber()
    assert services.unsubscribe_and_tell(reader)
    assert not services.unsubscribe_and_tell(reader)
    assert kinds() == ["goodbye"]


def test_first_reason_of_a_suppression_stays():
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.BOUNCED)
    services.suppress(reader, Suppression.Reason.COMPLAINED)
    assert Suppression.objects.get().reason == "bounced"


def test_erasure_is_the_last_word():
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.BOUNCED)
    services.suppress(reader, Suppression.Reason.ERASED)
    services.suppress(reader, Suppression.Reason.BOUNCED)
    assert Suppression.objects.get().reason == "erased"


def test_unsuppressed_address_may_be_mailed_again():
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.MANUAL)
    services.unsuppress(reader)
    services.unsuppress(reader)
    assert list(selectors.mailable_subscribers()) == [reader]


def test_unsuppressed_address_may_be_mailed_whatever_the_key_was(settings):
    reader = make_subscriber()
    services.suppress(reader, Suppression.Reason.MANUAL)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    services.suppress(reader, Suppression.Reason.MANUAL)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = ["another"], "third"
    services.unsuppress(reader)
    assert not Suppression.objects.exists()


def test_erase_keeps_only_a_keyed_hash():
    """EMAIL_STANDARDS section 7."""
    reader = make_subscriber("ada@example.org", topics=[make_topic("theory")], keywords=("x",))
    subscribe()
    services.erase(reader)
    services.erase(reader)
    assert not Subscriber.objects.exists()
    assert not ConsentRecord.objects.exists()
    assert not TransactionalMessage.objects.exists()
    assert not FollowedKeyword.objects.exists()
    kept = Suppression.objects.get()
    assert (kept.address_hash, kept.reason) == (addresses.hash_of("ada@example.org"), "erased")


def test_purge_forgets_who_never_confirmed_in_time(settings):
    settings.KEEP_UNCONFIRMED_DAYS = 3
    stale = subscribe("stale@example.org")
    renewed = subscribe("renewed@example.org")
    active = make_subscriber()
    with time_machine.travel(NOW + timedelta(days=2), tick=False):
        subscribe("renewed@example.org")
        fresh = subscribe("fresh@example.org")
    TransactionalMessage.objects.filter(subscriber=stale).update(state="sent", sent_at=NOW)
    later = NOW + timedelta(days=3, seconds=1)
    assert services.purge(later) == (1, 0)
    assert services.purge(later) == (0, 0)
    assert set(Subscriber.objects.all()) == {renewed, active, fresh}
    assert stale not in Subscriber.objects.all()


@pytest.mark.parametrize(
    "changes",
    [{"state": "pending"}, {"state": "sent", "sent_at": NOW + timedelta(hours=13)}],
    ids=["not sent yet", "sent late"],
)
def test_purge_waits_for_whose_link_still_works(changes):
    waiting = subscribe("waiting@example.org")
    TransactionalMessage.objects.filter(subscriber=waiting).update(**changes)
    assert services.purge(NOW + timedelta(days=3, hours=1)) == (0, 0)
    assert Subscriber.objects.filter(pk=waiting.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_purge_keeps_whose_sign_up_is_answered_at_this_moment():
    stale = make_subscriber("ada@example.org", state=PENDING)
    run_while(subscribe, lambda: services.purge(NOW + timedelta(days=4)))
    assert Subscriber.objects.get() == stale
    assert kinds() == ["confirm"]


@pytest.mark.django_db(transaction=True)
def test_purge_keeps_who_confirms_at_this_moment():
    stale = make_subscriber(state=PENDING)
    run_while(lambda: services.confirm(stale), lambda: services.purge(NOW + timedelta(days=4)))
    assert Subscriber.objects.get().state == ACTIVE


def test_unconfirmed_are_kept_as_many_days_as_set(settings):
    make_subscriber(state=PENDING)
    settings.KEEP_UNCONFIRMED_DAYS = 10
    assert services.purge(NOW + timedelta(days=10)) == (0, 0)
    assert services.purge(NOW + timedelta(days=10, seconds=1)) == (1, 0)


def test_who_left_is_kept_for_three_years():
    make_subscriber(state=UNSUBSCRIBED, confirmed_at=NOW, unsubscribed_at=NOW)
    assert services.purge(NOW + timedelta(days=1095)) == (0, 0)
    assert services.purge(NOW + timedelta(days=1095, seconds=1)) == (1, 0)


def test_who_left_is_kept_for_good_where_that_is_set(settings):
    settings.KEEP_LEFT_DAYS = 0
    make_subscriber(state=UNSUBSCRIBED, confirmed_at=NOW, unsubscribed_at=NOW)
    assert services.purge(NOW + timedelta(days=10_000)) == (0, 0)


def test_who_left_is_forgotten_after_as_many_days_as_set(settings):
    settings.KEEP_LEFT_DAYS = 90
    services.unsubscribe(make_subscriber("ada@example.org", keywords=("x",)))
    active = make_subscriber()
    assert services.purge(NOW + timedelta(days=90)) == (0, 0)
    assert services.purge(NOW + timedelta(days=90, seconds=1)) == (1, 0)
    assert list(Subscriber.objects.all()) == [active]
    assert not Suppression.objects.exists()


def test_who_left_since_the_page_was_read_is_not_confirmed():
    read = subscribe("ada@example.org")
    services.unsubscribe(Subscriber.objects.get(pk=read.pk))
    assert not services.confirm(read)
    assert Subscriber.objects.get(pk=read.pk).state == "unsubscribed"


def test_mail_that_was_never_sent_does_not_count_as_one():
    reader = subscribe("ada@example.org")
    TransactionalMessage.objects.update(state="failed")
    assert services.request_message(reader, TransactionalMessage.Kind.CONFIRM)


def test_purge_forgets_mails_after_as_many_days_as_set(settings):
    settings.KEEP_MESSAGES_DAYS = 20
    TransactionalMessage.objects.create(subscriber=make_subscriber(), kind="goodbye", state="sent")
    assert services.purge(NOW + timedelta(days=20)) == (0, 0)
    assert services.purge(NOW + timedelta(days=21)) == (0, 1)


def test_purge_forgets_mails_after_thirty_days():
    reader = make_subscriber()
    for state in ("sent", "failed", "uncertain", "pending"):
        TransactionalMessage.objects.create(subscriber=reader, kind="preferences", state=state)
    assert services.purge(NOW + timedelta(days=29)) == (0, 0)
    assert services.purge(NOW + timedelta(days=31)) == (0, 3)


def test_deleted_topic_leaves_the_selections_of_its_followers():
    theory, vision = make_topic("theory"), make_topic("vision")
    reader = make_subscriber(topics=[theory, vision])
    services.delete_topic(theory)
    reader.refresh_from_db()
    assert reader.selection_key == Selection(topics=("vision",)).key
    assert not Topic.objects.filter(slug="theory").exists()


# --- Links ------------------------------------------------------------------------------------


def test_asking_for_the_preferences_link_leaves_one_mail():
    make_subscriber("ada@example.org")
    services.request_link("Ada@example.org")
    services.request_link("ada@example.org")
    assert kinds() == ["preferences"]


def test_pending_subscriber_who_asks_for_the_link_is_asked_to_confirm():
    make_subscriber("ada@example.org", state=PENDING)
    services.request_link("ada@example.org")
    assert kinds() == ["confirm"]


@pytest.mark.parametrize(
    ("state", "kind"), [(ACTIVE, "preferences"), (PENDING, "confirm"), (UNSUBSCRIBED, "confirm")]
)
def test_new_confirm_link_is_for_who_has_something_to_confirm(state, kind):
    services.request_new_confirm(make_subscriber(state=state))
    assert kinds() == [kind]


@pytest.mark.parametrize("address", ["nobody@example.org", "erased@example.org"])
def test_unknown_or_suppressed_address_gets_no_link(address):
    services.suppress(make_subscriber("erased@example.org"), Suppression.Reason.BOUNCED)
    services.request_link(address)
    assert kinds() == []


def test_sign_ups_do_not_use_up_the_preference_links():
    make_subscriber("ada@example.org")
    subscribe()
    services.request_link("ada@example.org")
    assert kinds() == ["already_subscribed", "preferences"]


# --- What a sign-up brings besides ---------------------------------------------------------------


def test_sign_up_keeps_time_zone_and_language():
    services.subscribe(
        "ada@example.org", timezone="Europe/Berlin", language="de", evidence=EVIDENCE
    )
    reader = Subscriber.objects.get()
    assert (reader.timezone, reader.language) == ("Europe/Berlin", "de")
    assert reader.selection_key == selectors.selection_of(reader).key


def test_time_zone_and_language_that_are_not_known_are_passed_over():
    services.subscribe(
        "ada@example.org", timezone="Mars/Olympus", language="tlh", evidence=EVIDENCE
    )
    reader = Subscriber.objects.get()
    assert (reader.timezone, reader.language) == ("UTC", "en")


def test_second_sign_up_without_a_script_leaves_the_time_zone():
    services.subscribe("ada@example.org", timezone="Europe/Berlin", evidence=EVIDENCE)
    services.subscribe("ada@example.org", topics=["theory"], language="de", evidence=EVIDENCE)
    reader = Subscriber.objects.get()
    assert (reader.timezone, reader.language) == ("Europe/Berlin", "de")


@pytest.mark.parametrize("state", ["active", "unsubscribed"])
def test_sign_up_changes_nothing_of_who_is_not_pending(state):
    reader = make_subscriber(state=state, confirmed_at=NOW, timezone="Asia/Tokyo")
    before = selectors.preferences_of(reader)
    services.subscribe(
        reader.email, topics=[make_topic("theory").slug], timezone="Europe/Berlin", language="de",
        evidence=EVIDENCE,
    )  # fmt: skip
    assert selectors.preferences_of(Subscriber.objects.get()) == before


def test_first_digest_comes_at_the_hour_of_the_readers_own_zone():
    services.subscribe("ada@example.org", timezone="Asia/Tokyo", evidence=EVIDENCE)
    reader = Subscriber.objects.get()
    services.confirm(reader)
    assert reader.slot.timezone == "Asia/Tokyo"
    assert reader.next_digest_at.astimezone(ZoneInfo("Asia/Tokyo")).hour == 7
