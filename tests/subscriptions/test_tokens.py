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

NOW = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)
SUBSCRIBER = Subscriber(pk=7, public_id=UUID(int=5), token_version=3, email="ada@example.org")

MAKE = {
    "confirm": lambda: tokens.make_confirm(SUBSCRIBER),
    "preferences": lambda: tokens.make_preferences(SUBSCRIBER),
    "erase": lambda: tokens.make_erase(SUBSCRIBER),
    "opened": lambda: tokens.make_opened(SUBSCRIBER),
    "unsubscribe": lambda: tokens.make_unsubscribe(SUBSCRIBER.public_id),
    "digest": lambda: tokens.make_digest(SUBSCRIBER.public_id, 9),
}
READ = {
    "confirm": tokens.read_confirm,
    "preferences": tokens.read_preferences,
    "erase": tokens.read_erase,
    "opened": tokens.read_opened,
    "unsubscribe": tokens.read_unsubscribe,
    "digest": tokens.read_digest,
}
LIVES = {
    "confirm": timedelta(hours=72),
    "preferences": timedelta(days=7),
    "erase": timedelta(hours=24),
    "opened": timedelta(days=365),
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


@pytest.mark.parametrize("purpose", ["unsubscribe", "digest"])
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
    assert re.fullmatch(r"[A-Za-z0-9_-]{43,60}", MAKE[purpose]())


def test_unsubscribe_token_fits_a_local_part():
    assert len("unsub+" + tokens.make_unsubscribe(uuid4())) <= 64


@pytest.mark.parametrize("purpose", MAKE)
def test_token_holds_neither_address_nor_id(purpose):
    raw = urlsafe_b64decode(MAKE[purpose]() + "==")
    assert b"ada" not in raw
    assert b"example" not in raw


def test_sign_up_mark_is_for_one_address():
    mark = tokens.make_sign_up_mark("Ada@example.org")
    assert tokens.is_sign_up_mark(mark, "ada@example.org")
    assert not tokens.is_sign_up_mark(mark, "eve@example.org")
    assert not tokens.is_sign_up_mark("", "ada@example.org")
