"""EMAIL_STANDARDS section 5, tokens."""

import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
import time_machine

from subscriptions import tokens
from subscriptions.errors import TokenError, TokenExpiredError
from subscriptions.models import Subscriber
from subscriptions.records import Addressee

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
SUBSCRIBER = Subscriber(pk=7, public_id=UUID(int=5), token_version=3, email="lovelace@example.org")

MAKE = {
    "confirm": lambda: tokens.make_confirm(SUBSCRIBER),
    "preferences": lambda: tokens.make_preferences(SUBSCRIBER),
    "erase": lambda: tokens.make_erase(SUBSCRIBER),
    "opened": lambda: tokens.make_opened(SUBSCRIBER),
    "unsubscribe": lambda: tokens.make_unsubscribe(SUBSCRIBER.public_id),
    "digest": lambda: tokens.make_digest(SUBSCRIBER.public_id, 9),
    "manage": lambda: tokens.make_manage(SUBSCRIBER.public_id),
    "known": lambda: tokens.make_known(SUBSCRIBER),
    "feed": lambda: tokens.make_feed(SUBSCRIBER),
    "address": lambda: tokens.make_address(SUBSCRIBER),
}
READ = {
    "confirm": tokens.read_confirm,
    "preferences": tokens.read_preferences,
    "erase": tokens.read_erase,
    "opened": tokens.read_opened,
    "unsubscribe": tokens.read_unsubscribe,
    "digest": tokens.read_digest,
    "manage": tokens.read_manage,
    "known": tokens.read_known,
    "feed": tokens.read_feed,
    "address": tokens.read_address,
}
LIVES = {
    "confirm": timedelta(hours=72),
    "preferences": timedelta(days=7),
    "erase": timedelta(hours=24),
    "opened": timedelta(days=365),
    "known": timedelta(days=180),
}


@pytest.mark.parametrize("purpose", LIVES)
def test_dated_token_says_whom_it_was_made_for_and_when(purpose):
    with time_machine.travel(NOW, tick=False):
        holder = READ[purpose](MAKE[purpose]())
    assert (holder.public_id, holder.token_version) == (SUBSCRIBER.public_id, 3)
    assert holder.issued_at == NOW


def test_unsubscribe_and_digest_tokens_say_whom_they_were_made_for():
    assert tokens.read_unsubscribe(MAKE["unsubscribe"]()) == SUBSCRIBER.public_id
    assert tokens.read_digest(MAKE["digest"]()) == (SUBSCRIBER.public_id, 9)
    assert tokens.read_manage(MAKE["manage"]()) == SUBSCRIBER.public_id


@pytest.mark.parametrize("purpose", LIVES)
def test_token_works_until_its_time_is_over(purpose):
    with time_machine.travel(NOW, tick=False):
        token = MAKE[purpose]()
    with time_machine.travel(NOW + LIVES[purpose], tick=False):
        assert READ[purpose](token)
    with (
        time_machine.travel(NOW + LIVES[purpose] + timedelta(seconds=1), tick=False),
        pytest.raises(TokenExpiredError) as caught,
    ):
        READ[purpose](token)
    assert caught.value.holder.public_id == SUBSCRIBER.public_id


@pytest.mark.parametrize("purpose", ["unsubscribe", "digest", "manage"])
def test_unsubscribe_and_digest_tokens_never_expire(purpose):
    with time_machine.travel(NOW, tick=False):
        token = MAKE[purpose]()
    with time_machine.travel(NOW + timedelta(days=3650), tick=False):
        assert READ[purpose](token)


@pytest.mark.parametrize(("made_for", "used_for"), [*permutations(MAKE, 2)])
def test_token_of_one_purpose_does_not_work_for_another(made_for, used_for):
    with pytest.raises(TokenError):
        READ[used_for](MAKE[made_for]())


@pytest.mark.parametrize("purpose", MAKE)
def test_token_with_any_letter_changed_is_refused(purpose):
    token = MAKE[purpose]()
    other = {True: "B", False: "A"}
    changed = [token[:n] + other[letter == "A"] + token[n + 1 :] for n, letter in enumerate(token)]
    for forged in changed:
        with pytest.raises(TokenError):
            READ[purpose](forged)


@pytest.mark.parametrize("purpose", MAKE)
@pytest.mark.parametrize(
    "damage",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "=",
        lambda token: token[:9] + "!" + token[9:],
        lambda token: token.lower(),
        lambda token: "é" + token[1:],
        lambda token: "A" * len(token),
        lambda token: token * 50,
    ],
)
def test_damaged_token_is_refused(purpose, damage):
    with pytest.raises(TokenError):
        READ[purpose](damage(MAKE[purpose]()))


@pytest.mark.parametrize("purpose", MAKE)
def test_token_lives_on_after_a_change_of_key_while_the_old_key_is_kept(purpose, settings):
    token = MAKE[purpose]()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the new key"
    assert READ[purpose](token)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(TokenError):
        READ[purpose](token)


@pytest.mark.parametrize("purpose", MAKE)
def test_token_is_fit_for_addresses_and_links(purpose):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,70}", MAKE[purpose]())


def test_unsubscribe_token_fits_a_local_part():
    assert len("unsub+" + tokens.make_unsubscribe(uuid4())) <= 64


@pytest.mark.parametrize("purpose", MAKE)
def test_token_holds_neither_address_nor_id(purpose):
    raw = urlsafe_b64decode(MAKE[purpose]() + "==")
    assert b"lovelace" not in raw
    assert b"example" not in raw


def test_sign_up_mark_is_for_one_address():
    mark = tokens.make_sign_up_mark("Ada@example.org")
    assert tokens.is_sign_up_mark(mark, "ada@example.org")
    assert not tokens.is_sign_up_mark(mark, "eve@example.org")
    assert not tokens.is_sign_up_mark("", "ada@example.org")


LEFT = Subscriber(public_id=UUID(int=5), unsubscribed_at=NOW)


def test_undo_is_for_who_left_and_for_that_time():
    with time_machine.travel(NOW, tick=False):
        mark = tokens.make_undo(LEFT)
        assert tokens.is_undo(mark, LEFT)
        later = Subscriber(public_id=LEFT.public_id, unsubscribed_at=NOW - timedelta(seconds=1))
        other = Subscriber(public_id=UUID(int=6), unsubscribed_at=NOW)
        back = Subscriber(public_id=LEFT.public_id)
        assert not any(tokens.is_undo(mark, each) for each in (later, other, back))
        assert not any(tokens.is_undo(bad, LEFT) for bad in ("", "1", "é", mark[:-1]))


def test_undo_lives_for_a_day_and_through_a_change_of_key(settings):
    mark = tokens.make_undo(LEFT)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the new key"
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        assert tokens.is_undo(mark, LEFT)
    with time_machine.travel(NOW + timedelta(days=1, seconds=1), tick=False):
        assert not tokens.is_undo(mark, LEFT)


def test_link_to_a_new_address_lives_through_a_change_of_key(settings):
    reader = Subscriber(public_id=UUID(int=7), token_version=1, new_email="new@example.org")
    _holder, digest = tokens.read_address(tokens.make_address(reader))
    mark = tokens.make_sign_up_mark("ada@example.org")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the new key"
    assert tokens.is_new_email(digest, "new@example.org")
    assert tokens.is_sign_up_mark(mark, "ada@example.org")
    settings.SECRET_KEY_FALLBACKS = []
    assert not tokens.is_new_email(digest, "new@example.org")
    assert not tokens.is_sign_up_mark(mark, "ada@example.org")


def test_link_that_older_digests_carry_has_expired():
    """Who finds such a digest would be taken for its reader."""
    fresh = tokens._dated("preferences", SUBSCRIBER)
    with pytest.raises(TokenExpiredError) as caught:
        tokens.read_preferences(fresh)
    assert caught.value.holder.public_id == SUBSCRIBER.public_id


def test_digests_carry_what_one_token_of_each_purpose_would_be():
    reader = Addressee(1, "", UUID(int=5), 3, "daily", 7, "UTC", NOW.date(), "ok")
    (found,) = tokens.make_digest_links([reader], edition_id=9)
    assert found == (MAKE["unsubscribe"](), MAKE["manage"](), MAKE["digest"]())
