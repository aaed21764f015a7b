"""Mailgun: POST /v3/<domain>/messages, and its signed events.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages
"""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from binascii import a2b_qp
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import getaddresses
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from .records import Copy, Event, Offer, RefusedError, Request, is_address

NAME = "mailgun"
MOST = 1000
REJECTS_EACH = False
_SMALL = (b"v%3A", b"v:", b"o%3Atag", b"o:tag", b"from=")
_FIELD = re.compile(r"%recipient\.([^%]+)%")
_KINDS: dict[str, dict[str, Any]] = {
    "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
    "bounced_hard": {
        "event": "failed", "severity": "permanent", "reason": "bounce",
        "delivery-status": {"code": 550, "message": "5.1.1 no such user"},
    },
    "bounced_soft": {
        "event": "failed", "severity": "temporary", "reason": "generic",
        "delivery-status": {"code": 452, "message": "4.2.2 mailbox full"},
    },
    "deferred": {
        "event": "failed", "severity": "temporary", "reason": "generic",
        "delivery-status": {"code": 451, "message": "4.7.1 try again later"},
    },
    "complained": {"event": "complained"},
    "unsubscribed": {"event": "unsubscribed"},
}  # fmt: skip


def has(path: str) -> bool:
    return path.endswith("/messages")


class Form:
    """A form in the order it was sent, with repeated names."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def one(self, name: str, default: str = "") -> str:
        return next(iter(self.all(name)), default)

    def prefixed(self, prefix: str) -> dict[str, str]:
        return {key.removeprefix(prefix): v for key, v in self.pairs if key.startswith(prefix)}


def read_form(content_type: str, body: bytes) -> Form:
    """The form, whichever of its two encodings it has; files are passed over."""
    if not content_type.startswith("multipart/"):
        return Form(parse_qsl(body.decode(), keep_blank_values=True))
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    named = ((p, p.get_param("name", header="content-disposition")) for p in parts)
    return Form(
        [
            (name, part.get_payload(decode=True).decode())
            for part, name in named
            if part.get_filename() is None
        ]
    )


def read(request: Request) -> Offer:
    """The call's readers, checked as Mailgun checks them; raises RefusedError."""
    _check_key(request)
    form = read_form(request.headers.get("Content-Type", ""), request.body)
    entries = [address for _, address in getaddresses(form.all("to"))]
    for name in ("from", "to", "subject"):
        if not form.one(name):
            raise RefusedError(400, f"{name} parameter is missing")
    if len(entries) > MOST:
        raise RefusedError(
            400, f"to parameter has {len(entries)} addresses, and {MOST} is the limit"
        )
    if bad := next((entry for entry in entries if not is_address(entry)), None):
        raise RefusedError(400, f"'to' parameter is not a valid address. please check {bad!r}")
    variables = _variables(form, entries)
    tracking = {name: value for name, value in form.pairs if name.startswith("o:tracking")}

    def copies(whole: bool) -> list[Copy]:
        return _copies(form, entries, variables, whole=whole)

    return Offer(entries, copies, tracking=tracking)


def _check_key(request: Request) -> None:
    if request.headers.get("Authorization") != f"Basic {b64encode(b'api:key').decode()}":
        raise RefusedError(401, "Forbidden")


def _variables(form: Form, readers: list[str]) -> dict[str, dict[str, Any]] | None:
    if not form.all("recipient-variables"):
        return None
    try:
        variables = json.loads(form.one("recipient-variables"))
    except ValueError as error:
        raise RefusedError(400, "recipient-variables is not valid JSON") from error
    if not isinstance(variables, dict) or (variables and not set(readers) <= set(variables)):
        raise RefusedError(400, "recipient-variables does not cover every recipient")
    return variables


def _copies(
    form: Form, readers: list[str], variables: dict[str, Any] | None, *, whole: bool
) -> list[Copy]:
    """A copy each where recipient variables are given, even empty ones.

    Without them, everybody in `to` sees everybody's address.
    """
    body = {name: form.one(name) if whole else "" for name in ("subject", "html", "text")}
    headers = form.prefixed("h:") if whole else {}
    tags, sender = form.all("o:tag"), form.one("from")
    metadata = form.prefixed("v:")
    made = []
    for reader in readers:
        mine = (variables or {}).get(reader, {})
        filled = {name: fill(value, mine) for name, value in headers.items()}
        made.append(
            Copy(
                to=reader,
                visible_to=[reader] if variables is not None else readers,
                **{name: fill(text, mine) for name, text in body.items()},
                headers={name: value for name, value in filled.items() if value},
                metadata={name: fill(value, mine) for name, value in metadata.items()},
                tags=tags,
                provider=NAME,
                sender=sender,
            )
        )
    return made


def fill(text: str, values: Mapping[str, Any]) -> str:
    """The text with one reader's values; a field that has none stays as it is."""
    if "%recipient." not in text:
        return text
    return _FIELD.sub(lambda found: str(values.get(found[1], found[0])), text)


def mailgun_copies(form: Form) -> list[Copy]:
    """What Mailgun makes of a form that it has taken."""
    readers = [address for _, address in getaddresses(form.all("to"))]
    return _copies(form, readers, _variables(form, readers), whole=True)


def read_lean(request: Request) -> Offer:
    """As `read`, but stricter, and fast: for a digest's batch as a form without files.

    Each reader must have variables, no one else may, and each must have an `unsubscribe` of
    their own. A call without recipient variables is read as any other.
    """
    parts = request.body.split(b"&")
    head = b"recipient-variables="
    raw = next((part for part in parts if part.startswith(head)), None)
    if raw is None or request.headers.get("Content-Type", "").startswith("multipart/"):
        return read(request)
    _check_key(request)
    to = [part[3:] for part in parts if part.startswith(b"to=")]
    entries = unquoted(b"\n".join(to)).decode().split("\n")
    if any("<" in entry for entry in entries):
        entries = [address for _, address in getaddresses(entries)]
    if len(entries) > MOST:
        raise RefusedError(
            400, f"to parameter has {len(entries)} addresses, and {MOST} is the limit"
        )
    try:
        variables = json.loads(unquoted(raw[len(head) :]))
        links = {mine["unsubscribe"] for mine in variables.values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(400, "recipient-variables lacks an unsubscribe value") from error
    is_whole = len(entries) == len(links) == len(variables) and variables.keys() == set(entries)
    if not is_whole or not all(links):
        raise RefusedError(
            400, "recipient-variables is not one unsubscribe value for each recipient"
        )
    if not all(map(is_address, entries)):
        raise RefusedError(400, "'to' parameter is not a valid address. please check documentation")

    def copies(whole: bool) -> list[Copy]:
        small = b"&".join(part for part in parts if whole or part.startswith(_SMALL))
        return _copies(read_form("", small), entries, variables, whole=whole)

    return Offer(entries, copies)


def unquoted(text: bytes) -> bytes:
    """A form's value decoded, by the codec for quoted-printable: it differs in one letter.

    Exact where each % begins two hexadecimal digits, as every client writes it. Where the other
    codec's letter stands for itself, or a line ends, the slower way is right.
    """
    if b"=" in text or b"%\n" in text or b"%\r" in text:
        return unquote_to_bytes(text.replace(b"+", b" "))
    return a2b_qp(text.replace(b"+", b" ").replace(b"%", b"="))


def name(call: str, place: int) -> str:
    return f"<{call}@mailgun.example>"


def answer(offer: Offer, names: Callable[[int], str], rejected: dict[int, str]) -> tuple[int, Any]:
    return 200, {"id": names(0), "message": "Queued. Thank you."}


def refusal(status: int, words: str, code: str) -> tuple[Any, dict[str, str]]:
    return {"message": words}, {}


def bad_reader(address: str) -> RefusedError:
    return RefusedError(400, f"'to' parameter is not a valid address. please check {address!r}")


def event_request(event: Event, signing_key: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the POST; its token and so its id stay the same each time."""
    stamp = str(int(event.at))
    signature = hmac.new(
        signing_key.encode(), f"{stamp}{event.event_id}".encode(), hashlib.sha256
    ).hexdigest()
    copy = event.copy
    data = _KINDS[event.kind] | {
        "id": event.event_id[:22],
        "timestamp": event.at,
        "log-level": "info",
        "recipient": copy.to,
        "recipient-domain": copy.to.rpartition("@")[2],
        "tags": copy.tags,
        "user-variables": copy.metadata,
        "flags": {"is-routed": False, "is-test-mode": False},
        "message": {
            "headers": {
                "to": copy.to,
                "from": copy.sender,
                "subject": copy.subject,
                "message-id": copy.message_id.strip("<>"),
            },
            "attachments": [],
            "size": 0,
        },
    }
    signed = {"timestamp": stamp, "token": event.event_id, "signature": signature}
    body = json.dumps({"signature": signed, "event-data": data}).encode()
    return {"Content-Type": "application/json"}, body
