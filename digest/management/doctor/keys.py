"""DKIM's public keys as they stand in the DNS: their kind, and how long they are (RFC 6376, 8301, 8463)."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .names import tags

_LEAST, _GOOD = 1024, 2048
_SEQUENCE, _INTEGER, _BITS = 0x30, 0x02, 0x03
_LONG_FORM = 0x80


class Key(NamedTuple):
    """A key, and what is wrong with it, if anything is."""

    bits: int = 0
    problem: str = ""
    words: str = ""

    @property
    def is_short(self) -> bool:
        return not self.problem and 0 < self.bits < _GOOD


def look(records: Sequence[str]) -> Key | None:
    """The key of the records under one selector; None where there is none."""
    found = [said for said in map(tags, records) if "p" in said]
    if not found:
        return None
    if len(found) > 1:
        return Key(problem=f"has {len(found)} keys")
    said = found[0]
    if not said["p"]:
        return Key(problem="is revoked (p= is empty)")
    if said.get("k", "rsa").lower() == "ed25519":
        return Key(words="an Ed25519 key; an RSA key has to stand beside it")
    return _rsa("".join(said["p"].split()))


def _rsa(text: str) -> Key:
    try:
        raw = b64decode(text, validate=True)
        bits = max(number.bit_length() for number in _integers(raw))
    except (Base64Error, ValueError, IndexError):
        return Key(problem="has a key that can't be read")
    if bits < _LEAST:
        return Key(bits, f"has a key of {bits} bits, which is refused")
    return Key(bits, words=f"a key of {bits} bits")


def _integers(data: bytes) -> Iterator[int]:
    """The numbers of a DER structure, such as a SubjectPublicKeyInfo: the modulus is the longest."""
    place = 0
    while place < len(data):
        kind, size, place = data[place], data[place + 1], place + 2
        if size & _LONG_FORM:
            length = size & ~_LONG_FORM
            size, place = int.from_bytes(data[place : place + length], "big"), place + length
        value, place = data[place : place + size], place + size
        if kind == _INTEGER:
            yield int.from_bytes(value, "big")
        elif kind == _SEQUENCE:
            yield from _integers(value)
        elif kind == _BITS:
            # The first byte counts bits that are not used.
            yield from _integers(value[1:])
