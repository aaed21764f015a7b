"""Turns what somebody typed into the one ASCII form of an address, and into what stands for it."""

import re
import unicodedata
from functools import lru_cache

import idna
from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .errors import AddressError

MOST_OCTETS = 254
MOST_LOCAL_OCTETS = 64
NOT_AN_ADDRESS = _("That does not look like an email address. Please check it.")
TOO_LONG = _("That address is too long. Please check it.")

_LETTERS = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_ATOM = rf"[{_LETTERS}]+"
# Whatever ends in a number is an IP address to somebody: `0x7f` is 127.0.0.1 in a browser.
_TOP_LEVEL = re.compile(r"[a-z]{2,}|xn--[a-z0-9-]+")
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOTLESS = ("gmail.com", "googlemail.com")
"""One provider under two names, for which dots before the @ are nothing."""
IN_TEXT = re.compile(rf"[.{_LETTERS}]{{1,{MOST_LOCAL_OCTETS}}}@[\w-]+(?:\.[\w-]+)+")
"""What looks like an address in any text, with marks in front of it that may be a part of it."""


def canonical(text: str) -> str:
    """The address as it is stored and mailed: local part as typed, domain in IDNA 2008 ASCII.

    Only the plain form of RFC 5321 is taken: no quotes, comments, display names or IP addresses,
    and above all no line breaks, which not every provider's library would refuse.
    Raises AddressError with a line for the form.
    """
    # Normalising takes time that grows with the square of the length.
    if len(text) > 2 * MOST_OCTETS:
        raise AddressError(str(TOO_LONG))
    # A line break is refused even at the end; str.strip() would hide it.
    address = unicodedata.normalize("NFC", text.strip(" \t\u00a0"))
    local, at, domain = address.rpartition("@")
    if not at:
        raise AddressError(str(NOT_AN_ADDRESS))
    if not local.isascii() and local.isprintable():
        raise AddressError(
            gettext("We can only mail addresses with plain letters a to z before the @.")
        )
    if not _LOCAL_PART.fullmatch(local):
        raise AddressError(str(NOT_AN_ADDRESS))
    whole = f"{local}@{_ascii_domain(domain)}"
    if len(local) > MOST_LOCAL_OCTETS or len(whole) > MOST_OCTETS:
        raise AddressError(str(TOO_LONG))
    return whole


def beginning(text: str) -> str:
    """What a stored address begins with, in small letters, if it begins so; "" for what none does."""
    if len(text) > 2 * MOST_OCTETS:
        return ""
    local, at, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:
            return ""
    found = f"{local}{at}{domain}".lower()
    return found if found.isascii() and found.isprintable() else ""


@lru_cache(maxsize=10_000)
def _ascii_domain(domain: str) -> str:
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise AddressError(str(NOT_AN_ADDRESS)) from error
    _, dot, last_label = ascii_domain.rpartition(".")
    if not dot or not _TOP_LEVEL.fullmatch(last_label):
        raise AddressError(str(NOT_AN_ADDRESS))
    return ascii_domain


def mailbox_of(address: str) -> str:
    """What is the same for every form in which one mailbox's address can be written, in small
    letters: without what stands behind a plus sign, and at Gmail without dots.

    For counting alone: mail goes to the address as it was typed.
    """
    local, _, domain = address.lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", "") or local, _DOTLESS[0]
    return f"{local}@{domain}"


def hash_of(address: str) -> str:
    """What is kept of an address that we must never mail: 64 hex digits, of no use to others."""
    return _hash(address, settings.SECRET_KEY)


def hashes_of(address: str) -> list[str]:
    """Its hash under the current key and under every older one; what to look up, newest first."""
    return [_hash(address, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def mailbox_hashes_of(address: str) -> list[str]:
    """As `hashes_of`, for what counts the mails of its mailbox. Another hash than that of the address,
    which is kept of who was erased, or a count would say whose it was."""
    mailbox, salt = mailbox_of(address), "subscriptions.mailbox"
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_hash(mailbox, key, salt=salt) for key in keys]


def _hash(address: str, key: str, *, salt: str = "subscriptions.address") -> str:
    return salted_hmac(salt, address.lower(), secret=key, algorithm="sha256").hexdigest()


def masked(address: str) -> str:
    """The address as a page may show it: `r•••@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def shown(address: str) -> str:
    """The address for an operator: in ASCII, in which letters that look alike do not; a domain of
    other letters with its own form behind it, as `ada@xn--bcher-kva.example (bücher.example)`."""
    domain = address.rpartition("@")[2]
    if "xn--" not in domain:
        return address
    try:
        readable = idna.decode(domain)
    except UnicodeError:
        return address
    return f"{address} ({readable})"
