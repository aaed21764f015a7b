"""Brevo: POST /v3/smtp/email, with `messageVersions` for a batch, and its events.

https://developers.brevo.com/reference/sendtransacemail
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .records import Copy, Event, Offer, RefusedError, Request, is_address

NAME = "brevo"
MOST = 1000
REJECTS_EACH = False
_FIELD = re.compile(r"{{\s*params\.(\w+)\s*}}")
_CODES = {400: "invalid_parameter", 401: "unauthorized", 404: "document_not_found"}
_KINDS = {
    "delivered": {"event": "delivered"},
    "bounced_hard": {"event": "hard_bounce", "reason": "550 5.1.1 no such user"},
    "bounced_soft": {"event": "soft_bounce", "reason": "452 4.2.2 mailbox full"},
    "deferred": {"event": "deferred", "reason": "451 4.7.1 try again later"},
    "complained": {"event": "spam"},
    "unsubscribed": {"event": "unsubscribe"},
}


def has(path: str) -> bool:
    return path.endswith("/smtp/email")


def read(request: Request) -> Offer:
    """The call's readers, checked as Brevo checks them; raises RefusedError."""
    if not request.headers.get("api-key"):
        raise RefusedError(401, "Key not found")
    data = request.json()
    if not isinstance(data, dict):
        raise RefusedError(400, "the body is not an object")
    versions = _versions(data)
    for name in ("sender", "subject"):
        if not data.get(name):
            raise RefusedError(400, f"{name} is missing", "missing_parameter")
    if not data.get("htmlContent") and not data.get("textContent"):
        raise RefusedError(
            400, "either of htmlContent or textContent is required", "missing_parameter"
        )
    if len(versions) > MOST:
        raise RefusedError(
            400, f"messageVersions has {len(versions)} items, and {MOST} is the limit"
        )
    readers = [entry["email"] for version in versions for entry in version["to"]]
    if bad := next((reader for reader in readers if not is_address(reader)), None):
        raise bad_reader(bad)
    return Offer(
        readers,
        lambda whole: brevo_copies(data, whole=whole),
        is_batch=bool(data.get("messageVersions")),
    )


def _versions(data: dict[str, Any]) -> list[dict[str, Any]]:
    versions = data.get("messageVersions") or [{"to": data.get("to")}]
    try:
        all_named = all(entry["email"] for version in versions for entry in version["to"])
    except (KeyError, TypeError) as error:
        raise RefusedError(400, "to is missing", "missing_parameter") from error
    if not all_named:
        raise RefusedError(400, "email is missing in to", "missing_parameter")
    return versions


def brevo_copies(data: dict[str, Any], *, whole: bool = True) -> list[Copy]:
    """A copy for each message version, else one that all see."""
    copies = []
    for version in _versions(data):
        readers = [entry["email"] for entry in version["to"]]
        params = version.get("params", data.get("params", {}))
        # The headers of a version replace those of the call.
        headers = dict(version.get("headers") or data.get("headers") or {})
        custom = headers.pop("X-Mailin-custom", "{}")
        texts = [
            _fill(version.get(name, data.get(name)) if whole else "", params)
            for name in ("subject", "htmlContent", "textContent")
        ]
        copies += [
            Copy(
                reader,
                readers,
                *texts,
                headers=headers,
                metadata=json.loads(custom),
                tags=data.get("tags", []),
                provider=NAME,
                sender=data.get("sender", {}).get("email", ""),
            )
            for reader in readers
        ]
    return copies


def _fill(text: str | None, params: Mapping[str, Any]) -> str:
    """The text with one reader's values; a field that has none is empty."""
    return _FIELD.sub(lambda found: str(params.get(found[1], "")), text or "")


def name(call: str, place: int) -> str:
    return f"<{call}.{place}@brevo.example>"


def answer(offer: Offer, names: Callable[[int], str], rejected: dict[int, str]) -> tuple[int, Any]:
    if offer.is_batch:
        return 201, {"messageIds": [names(place) for place in range(len(offer.readers))]}
    return 201, {"messageId": names(0)}


def refusal(status: int, words: str, code: str) -> tuple[Any, dict[str, str]]:
    return {"code": code or _CODES.get(status, "api_error"), "message": words}, {}


def bad_reader(address: str) -> RefusedError:
    return RefusedError(400, f"email {address!r} is not valid in to")


def event_request(event: Event, signing_key: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the POST. Brevo gives its events no id of their own."""
    copy = event.copy
    data = _KINDS[event.kind] | {
        "email": copy.to,
        "id": 1,
        "date": "2026-08-21 08:00:00",
        "ts": int(event.at),
        "ts_event": int(event.at),
        "ts_epoch": int(event.at * 1000),
        "message-id": copy.message_id,
        "subject": copy.subject,
        "tags": copy.tags,
        "X-Mailin-custom": json.dumps(copy.metadata),
        "sending_ip": "192.0.2.1",
    }
    return {"Content-Type": "application/json"}, json.dumps(data).encode()
