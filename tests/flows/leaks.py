"""Looks for readers in what processes write: their addresses, in whatever form, the tokens of their
links, and the secrets of the settings.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator

from tests.flows.processes import Installation

_DOMAINS = ("example.org", "example.com", "example.net", "xn--bcher-kva.example")
"""At which every reader of a flow has their mailbox; nobody else has one there."""
_AT = r"(?:@|%40|=40|&#64;|\\u0040|\\x40|%2540)"
_LOCAL = r"[A-Za-z0-9._+%-]{1,64}"
_ADDRESS = re.compile(
    rf"{_LOCAL}{_AT}(?:{'|'.join(map(re.escape, _DOMAINS))})(?![\w-]|\.\w)", re.IGNORECASE
)
_OPERATORS = re.compile(rf"^operator{_AT}", re.IGNORECASE)
_TOKEN = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{43,}(?![\w-])")
_CODED = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_SECRET_NAMES = re.compile(r"SECRET|PASSWORD|_KEY|TOKEN|_URL$|DSN")
_LEAST = 12


def in_text(text: str, secrets: Collection[str] = ()) -> list[str]:
    """What must not stand there: addresses as they are, in URLs, quoted-printable and base64, and
    tokens of links."""
    return list(_found(text, secrets)) + [
        f"base64 of {each}"
        for coded in _CODED.findall(text)
        for shift in range(4)
        for each in _found(_decoded(coded[shift:]), secrets)
    ]


def _found(text: str, secrets: Collection[str]) -> Iterator[str]:
    yield from (f for f in _ADDRESS.findall(text) if not _OPERATORS.match(f))
    yield from (f for f in _TOKEN.findall(text) if _is_token(f))
    folded = text.lower()
    yield from (each for each in secrets if each.lower() in folded)


def _is_token(word: str) -> bool:
    """Random letters are of all kinds, and many of them; names of code are words between underscores."""
    kinds = (str.islower, str.isupper, str.isdigit)
    return (
        all(any(map(kind, word)) for kind in kinds)
        and len(max(re.split("[_-]", word), key=len)) > 16
    )


def _decoded(coded: str) -> str:
    return b64decode(coded[: len(coded) // 4 * 4] or b"", validate=False).decode(errors="replace")


def secrets_of(installation: Installation) -> list[str]:
    """What the settings keep secret; of an address with a login in it the password."""
    found = []
    for name, value in installation.environment.items():
        if _SECRET_NAMES.search(name):
            login = re.search(r"://[^/:]*:([^/@]+)@", value)
            found.append(login[1] if login else "" if "://" in value else value)
    return [value for value in found if len(value) >= _LEAST]


def in_logs(installation: Installation) -> list[str]:
    """Each log of the installation's processes with what of readers is in it."""
    secrets = secrets_of(installation)
    return [
        f"{path.name}: {found}"
        for path in sorted(installation.folder.glob("*.log"))
        for found in in_text(path.read_text(errors="replace"), secrets)
    ]


def forms_of(address: str) -> list[str]:
    """The address in forms in which something might keep it, as a log's reader would search for it."""
    local, _, domain = address.partition("@")
    return [
        address,
        address.upper(),
        f"{local}%40{domain}",
        f"{local}=40{domain}",
        b64encode(f'{{"to": "{address}"}}'.encode()).decode(),
    ]
