"""Postmark: POST /email and /email/batch, with an answer for each message, and its events.

https://postmarkapp.com/developer/api/email-api
"""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import getaddresses
from typing import Any

from .records import Copy, Event, Offer, RefusedError, Request, is_address

NAME = "postmark"
MOST = 500
MOST_BYTES = 50_000_000
REJECTS_EACH = True
_INVALID, _INACTIVE = 300, 406
_CODES = {401: 10, 422: _INVALID, 429: 429, 500: 0, 503: 100}
_KINDS = {
    "bounced_hard": ("Bounce", "HardBounce", 1, "smtp;550 5.1.1 no such user"),
    "bounced_soft": ("Bounce", "SoftBounce", 4096, "smtp;452 4.2.2 mailbox full"),
    "deferred": ("Bounce", "Transient", 2, "smtp;451 4.7.1 try again later"),
    "complained": ("SpamComplaint", "SpamComplaint", 512, ""),
}


def has(path: str) -> bool:
    return path in ("/email", "/email/batch")


def read(request: Request) -> Offer:
    """The call's readers, and which of them Postmark would not take; raises RefusedError.

    Only a single message is refused as a whole for its address.
    """
    if not request.headers.get("X-Postmark-Server-Token"):
        raise RefusedError(401, "No Account or Server API tokens were supplied", "10")
    data = request.json()
    is_batch = request.path.endswith("/batch")
    if not isinstance(data, list if is_batch else dict):
        raise RefusedError(422, "Invalid JSON", "402")
    messages = data if is_batch else [data]
    if len(messages) > MOST or len(request.body) > MOST_BYTES:
        raise RefusedError(422, f"Batch requests may hold {MOST} messages and 50 MB", "410")
    each = [[address for _, address in getaddresses([m.get("To", "")])] for m in messages]
    if len(messages) != sum(map(len, each)):
        raise RefusedError(422, "this fake takes one recipient a message", str(_INVALID))
    readers = [reader for (reader,) in each]
    bad = {place: r for place, r in enumerate(readers) if not is_address(r)}
    return Offer(
        readers,
        lambda whole: [_copy(m, r, whole=whole) for m, r in zip(messages, readers, strict=True)],
        is_batch=is_batch,
        rejected={place: str(_INVALID) for place in bad},
    )


def _copy(message: dict[str, Any], reader: str, *, whole: bool) -> Copy:
    headers = {h["Name"]: h["Value"] for h in message.get("Headers", [])} if whole else {}
    return Copy(
        to=reader,
        visible_to=[reader],
        subject=message.get("Subject", ""),
        html=message.get("HtmlBody", "") if whole else "",
        text=message.get("TextBody", "") if whole else "",
        headers=headers,
        metadata=message.get("Metadata", {}),
        tags=[message["Tag"]] if "Tag" in message else [],
        provider=NAME,
        sender=message.get("From", ""),
    )


def name(call: str, place: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{call}.{place}"))


def answer(offer: Offer, names: Callable[[int], str], rejected: dict[int, str]) -> tuple[int, Any]:
    """An answer for each message, in their order."""
    answers = [
        _no(reader, rejected[place]) if place in rejected else _yes(reader, names(place))
        for place, reader in enumerate(offer.readers)
    ]
    if offer.is_batch:
        return 200, answers
    return (422 if rejected else 200), answers[0]


def _yes(reader: str, name: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    words = {"ErrorCode": 0, "Message": "OK"}
    return words | {"To": reader, "SubmittedAt": now, "MessageID": name}


def _no(reader: str, code: str) -> dict[str, Any]:
    if code == str(_INVALID):
        return {"ErrorCode": _INVALID, "Message": f"Invalid 'To' address: '{reader}'."}
    words = (
        "You tried to send to a recipient that has been marked as inactive.\n"
        f"Found inactive addresses: {reader.lower()}.\n"
        "Inactive recipients are ones that have generated a hard bounce or a spam complaint. "
    )
    return {"ErrorCode": _INACTIVE, "Message": words}


def refusal(status: int, words: str, code: str) -> tuple[Any, dict[str, str]]:
    return {"ErrorCode": int(code or _CODES.get(status, 402)), "Message": words}, {}


def bad_reader(address: str) -> RefusedError:
    return RefusedError(422, f"Invalid 'To' address: '{address}'.", str(_INVALID))


def event_request(event: Event, signing_key: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the POST. Only bounces and complaints have an id."""
    copy = event.copy
    at = datetime.fromtimestamp(event.at, UTC).isoformat().replace("+00:00", "Z")
    data: dict[str, Any] = {
        "MessageID": copy.message_id,
        "ServerID": 1,
        "MessageStream": "broadcast",
        "Metadata": copy.metadata,
        "Tag": copy.tags[0] if copy.tags else "",
    }
    if event.kind == "delivered":
        data |= {"RecordType": "Delivery", "Recipient": copy.to, "DeliveredAt": at}
        data["Details"] = "smtp;250 2.0.0 OK"
    elif event.kind == "unsubscribed":
        data |= {"RecordType": "SubscriptionChange", "Recipient": copy.to, "ChangedAt": at}
        data |= {"SuppressSending": True, "SuppressionReason": "ManualSuppression"}
        data["Origin"] = "Recipient"
    else:
        record, kind, number, details = _KINDS[event.kind]
        data |= {"RecordType": record, "Type": kind, "TypeCode": number, "Details": details}
        data |= {"ID": int(event.event_id[:12], 16), "Email": copy.to, "BouncedAt": at}
        data |= {"From": copy.sender, "Subject": copy.subject, "Name": kind}
        data |= {"Inactive": event.kind in ("bounced_hard", "complained")}
    return {"Content-Type": "application/json"}, json.dumps(data).encode()
