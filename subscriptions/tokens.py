"""Signed links: who a link is for and what it is good for, in letters that say nothing.

A token is base64url of a packed payload and 128 bits of HMAC-SHA256 over it, keyed by purpose.
It is short enough for the local part of an address (`unsub+TOKEN@`), and has no separators.
"""

import hmac
import re
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare

from .errors import TokenError, TokenExpiredError
from .models import Subscriber
from .records import Addressee, Holder

Versioned = Subscriber | Addressee
"""Who has a public id and a token version."""

CONFIRM_LIFE = timedelta(hours=72)
PREFERENCES_LIFE = timedelta(days=7)
ERASE_LIFE = timedelta(hours=24)
OPENED_LIFE = timedelta(days=365)
KNOWN_LIFE = timedelta(days=180)
UNDO_LIFE = timedelta(days=1)

_MAC_SIZE = 16
_ID = struct.Struct(">16s")
_ID_EDITION = struct.Struct(">16sQ")
_ID_TIME = struct.Struct(">16sQ")
_ID_VERSION = struct.Struct(">16sI")
_ID_VERSION_TIME = struct.Struct(">16sIQ")
_ID_VERSION_TIME_ADDRESS = struct.Struct(">16sIQ8s")

_SIZES = {
    "unsubscribe": _ID.size,
    "manage": _ID.size,
    "digest": _ID_EDITION.size,
    "undo": _ID_TIME.size,
    "feed": _ID_VERSION.size,
    "address": _ID_VERSION_TIME_ADDRESS.size,
} | dict.fromkeys(
    ("confirm", "choices", "preferences", "erase", "opened", "known"), _ID_VERSION_TIME.size
)
"""Of what is signed, by purpose."""
_CHOICES, _CHOICES_IN_DIGESTS = "choices", "preferences"
"""What opens the preferences, and what did while digests carried such links, too."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,80}")


def make_unsubscribe(public_id: UUID) -> str:
    """For ever: the link in a mail works as long as the mail is kept. 43 letters."""
    return _signed("unsubscribe", public_id.bytes)


def read_unsubscribe(token: str) -> UUID:
    """The subscriber's public id; TokenError for anything that we did not sign for this."""
    (raw_id,) = _ID.unpack(_verified("unsubscribe", token, _ID.size))
    return UUID(bytes=raw_id)


def make_undo(subscriber: Subscriber) -> str:
    """For the one who just unsubscribed, and for that time alone: for a day after it."""
    return _signed("undo", _leaving(subscriber))


def is_undo(mark: str, subscriber: Subscriber) -> bool:
    """Whether it was made for this subscriber, who has not come back and left again since."""
    left_at = subscriber.unsubscribed_at
    if left_at is None or time.time() - left_at.timestamp() > UNDO_LIFE.total_seconds():
        return False
    keys = (_key("undo", secret) for secret in _secrets())
    return any(constant_time_compare(mark, _encoded(key, _leaving(subscriber))) for key in keys)


def _leaving(subscriber: Subscriber) -> bytes:
    left_at = subscriber.unsubscribed_at
    milliseconds = int(left_at.timestamp() * 1000) if left_at else 0
    return _ID_TIME.pack(subscriber.public_id.bytes, milliseconds)


def make_manage(public_id: UUID) -> str:
    """For a digest's way to the preferences, which opens nothing by itself; for ever."""
    return _signed("manage", public_id.bytes)


def read_manage(token: str) -> UUID:
    """The subscriber's public id; TokenError for anything that we did not sign for this."""
    (raw_id,) = _ID.unpack(_verified("manage", token, _ID.size))
    return UUID(bytes=raw_id)


def make_digest(public_id: UUID, edition_id: int) -> str:
    """For the digest in a browser; for ever."""
    return _signed("digest", _ID_EDITION.pack(public_id.bytes, edition_id))


def read_digest(token: str) -> tuple[UUID, int]:
    """The subscriber's public id and the edition's id; TokenError for anything else."""
    raw_id, edition_id = _ID_EDITION.unpack(_verified("digest", token, _ID_EDITION.size))
    return UUID(bytes=raw_id), edition_id


def make_digest_links(
    readers: Iterable[Addressee], *, edition_id: int
) -> list[tuple[str, str, str]]:
    """For each reader what `make_unsubscribe`, `make_manage` and `make_digest` make, a million times
    as quickly as can be. None of them expires, and none opens what the reader chose."""
    secret = settings.SECRET_KEY
    leaving, managing, reading = (
        _key(name, secret) for name in ("unsubscribe", "manage", "digest")
    )
    return [
        (
            _encoded(leaving, public_id),
            _encoded(managing, public_id),
            _encoded(reading, _ID_EDITION.pack(public_id, edition_id)),
        )
        for reader in readers
        for public_id in [reader.public_id.bytes]
    ]


def make_confirm(subscriber: Subscriber) -> str:
    """For 72 hours, and until the subscriber's token version is raised."""
    return _dated("confirm", subscriber)


def read_confirm(token: str) -> Holder:
    """Whom it was made for; the caller compares the version. TokenError, TokenExpiredError."""
    return _holder("confirm", token, CONFIRM_LIFE)


def make_preferences(subscriber: Versioned, *, at: datetime | None = None) -> str:
    """For 7 days from `at` (now), and until the subscriber's token version is raised."""
    return _dated(_CHOICES, subscriber, at)


def read_preferences(token: str) -> Holder:
    """Whom it was made for; the caller compares the version. TokenError, TokenExpiredError.

    Those of digests that were sent before digests had links of their own have expired, whatever
    their age: who finds such a digest is not its reader.
    """
    try:
        return _holder(_CHOICES, token, PREFERENCES_LIFE)
    except TokenExpiredError:
        raise
    except TokenError:
        holder = _holder(_CHOICES_IN_DIGESTS, token, timedelta.max)
        raise TokenExpiredError("This link has expired.", holder) from None


def make_erase(subscriber: Subscriber) -> str:
    """For 24 hours, and until the subscriber's token version is raised."""
    return _dated("erase", subscriber)


def read_erase(token: str) -> Holder:
    """Whom it was made for; the caller compares the version. TokenError, TokenExpiredError."""
    return _holder("erase", token, ERASE_LIFE)


def make_opened(subscriber: Subscriber) -> str:
    """For a browser that says which papers its reader opens, and for nothing else: for a year, and
    until the subscriber's token version is raised."""
    return _dated("opened", subscriber)


def read_opened(token: str) -> Holder:
    """Whom it was made for; the caller compares the version. TokenError, TokenExpiredError."""
    return _holder("opened", token, OPENED_LIFE)


def make_known(subscriber: Subscriber) -> str:
    """For a browser in which its reader opened a link out of their mail: for 180 days, and until
    the subscriber's token version is raised."""
    return _dated("known", subscriber)


def read_known(token: str) -> Holder:
    """Whom it was made for; the caller compares the version. TokenError, TokenExpiredError."""
    return _holder("known", token, KNOWN_LIFE)


def make_address(subscriber: Subscriber) -> str:
    """For the owner of `new_email`: for 72 hours, and for that address only."""
    moment = int(time.time() * 1000)
    held = (subscriber.public_id.bytes, subscriber.token_version, moment)
    digest = _digest(subscriber.new_email, settings.SECRET_KEY)
    return _signed("address", _ID_VERSION_TIME_ADDRESS.pack(*held, digest))


def read_address(token: str) -> tuple[Holder, bytes]:
    """Whom it was made for, and what `is_new_email` compares. TokenError, TokenExpiredError."""
    payload = _verified("address", token, _ID_VERSION_TIME_ADDRESS.size)
    raw_id, version, milliseconds, digest = _ID_VERSION_TIME_ADDRESS.unpack(payload)
    return _alive(raw_id, version, milliseconds, CONFIRM_LIFE), digest


def is_new_email(digest: bytes, address: str) -> bool:
    """Whether the link was sent to this address."""
    return any(constant_time_compare(digest, _digest(address, each)) for each in _secrets())


def _digest(address: str, secret: str) -> bytes:
    return _mac("new-address", address.lower().encode(), secret)[:8]


def make_feed(subscriber: Subscriber) -> str:
    """For the reader's own feed: until the subscriber's token version is raised."""
    return _signed("feed", _ID_VERSION.pack(subscriber.public_id.bytes, subscriber.token_version))


def read_feed(token: str) -> Holder:
    """Whom it was made for, without a time; the caller compares the version. TokenError."""
    raw_id, version = _ID_VERSION.unpack(_verified("feed", token, _ID_VERSION.size))
    return Holder(UUID(bytes=raw_id), version, datetime.fromtimestamp(0, UTC))


def make_sign_up_mark(address: str) -> str:
    """What the browser that signed up keeps, so that its own click on the confirm link counts."""
    return _sign_up_mark(address, settings.SECRET_KEY)


def is_sign_up_mark(mark: str, address: str) -> bool:
    """Whether the browser that brings this mark is the one that signed this address up."""
    return any(constant_time_compare(mark, _sign_up_mark(address, each)) for each in _secrets())


def _sign_up_mark(address: str, secret: str) -> str:
    return _mac("sign-up", address.lower().encode(), secret).hex()


def public_ids_in(text: str) -> set[UUID]:
    """Whom the links of ours in the text were made for, whatever for, and though they expired."""
    found = set()
    for token in _TOKEN.findall(text):
        for purpose, size in _SIZES.items():
            with suppress(TokenError):
                found.add(UUID(bytes=_verified(purpose, token, size)[: _ID.size]))
    return found


def _dated(purpose: str, subscriber: Versioned, at: datetime | None = None) -> str:
    milliseconds = int((at.timestamp() if at else time.time()) * 1000)
    payload = _ID_VERSION_TIME.pack(
        subscriber.public_id.bytes, subscriber.token_version, milliseconds
    )
    return _signed(purpose, payload)


def _holder(purpose: str, token: str, life: timedelta) -> Holder:
    payload = _verified(purpose, token, _ID_VERSION_TIME.size)
    raw_id, version, milliseconds = _ID_VERSION_TIME.unpack(payload)
    return _alive(raw_id, version, milliseconds, life)


def _alive(raw_id: bytes, version: int, milliseconds: int, life: timedelta) -> Holder:
    issued_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    holder = Holder(UUID(bytes=raw_id), version, issued_at)
    if time.time() - milliseconds / 1000 > life.total_seconds():
        raise TokenExpiredError("This link has expired.", holder)
    return holder


@lru_cache(maxsize=64)
def _key(purpose: str, secret: str) -> bytes:
    """Kept: deriving the key costs more than signing. As Django's `salted_hmac` derives it."""
    return sha256(f"subscriptions.{purpose}{secret}".encode()).digest()


def _secrets() -> tuple[str, ...]:
    return settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS


def _mac(purpose: str, payload: bytes, secret: str) -> bytes:
    return hmac.digest(_key(purpose, secret), payload, "sha256")[:_MAC_SIZE]


def _signed(purpose: str, payload: bytes) -> str:
    return _encoded(_key(purpose, settings.SECRET_KEY), payload)


def _encoded(key: bytes, payload: bytes) -> str:
    mac = hmac.digest(key, payload, "sha256")[:_MAC_SIZE]
    return urlsafe_b64encode(payload + mac).rstrip(b"=").decode("ascii")


def _verified(purpose: str, token: str, size: int) -> bytes:
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Base64Error, ValueError) as error:
        raise TokenError("This link is not complete.") from error
    payload, mac = raw[:size], raw[size:]
    # Base64 leaves bits unused and skips foreign letters; only the form that we made is taken.
    is_ours = urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == token
    if len(payload) != size or not is_ours:
        raise TokenError("This link is not complete.")
    if not any(constant_time_compare(mac, _mac(purpose, payload, secret)) for secret in _secrets()):
        raise TokenError("This link is not complete.")
    return payload
