"""Events by which a webhook is tried, as each provider writes and signs them: of a message that never
was, to a reader who never is (`intake.PROBE`), so that they are verified and read, and not kept.
"""

import hmac
import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import md5, sha256
from typing import Any

from django.conf import settings

from digest.delivery.feedback.intake import PROBE

_ID = "doctor"
_UUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Probe:
    """A call of a webhook."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""
    is_signed: bool = True
    """False where only the provider has the key."""


def make(name: str, *, now: float) -> Probe:
    """A call that the webhook of this provider should take."""
    made = _MAKERS[name](now)
    secret = next(iter(settings.WEBHOOK_SECRET), "")
    user, _, password = secret.partition(":")
    headers = {"Content-Type": "application/json", **made.headers}
    return replace(made, headers=headers, user=user, password=password)


def forged(probe: Probe) -> Probe:
    """The same by somebody who has neither the secret nor the key."""
    headers = {name: _wrong(name, value) for name, value in probe.headers.items()}
    body = probe.body
    for signature in _SIGNATURES:
        body = body.replace(b'"%s": "' % signature, b'"%s": "0' % signature)
    return replace(probe, body=body, headers=headers, user="", password="")


_SIGNATURES = (b"signature", b"auth")


def _wrong(name: str, value: str) -> str:
    if "signature" not in name.lower():
        return value
    return f"v1,{b64encode(bytes(32)).decode()}" if value.startswith("v1,") else "0" * 64


def _setting(name: str) -> str:
    return str(settings.ANYMAIL.get(name, ""))


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mailgun(now: float) -> Probe:
    key = _setting("MAILGUN_WEBHOOK_SIGNING_KEY") or _setting("MAILGUN_API_KEY")
    stamp = str(int(now))
    signature = hmac.new(key.encode(), f"{stamp}{_ID}".encode(), sha256).hexdigest()
    signed = {"timestamp": stamp, "token": _ID, "signature": signature}
    event = {"id": _ID, "event": "delivered", "timestamp": now, "recipient": PROBE}
    return Probe(_json({"signature": signed, "event-data": event}))


def _brevo(now: float) -> Probe:
    return Probe(_json({"event": "delivered", "email": PROBE, "ts_epoch": int(now * 1000)}))


def _postmark(now: float) -> Probe:
    event = {"RecordType": "Delivery", "Recipient": PROBE, "DeliveredAt": _iso(now)}
    return Probe(_json(event | {"MessageID": _UUID}))


def _amazon_ses(now: float) -> Probe:
    delivery = {"timestamp": _iso(now), "recipients": [PROBE], "smtpResponse": "250 OK"}
    event = {"eventType": "Delivery", "mail": {"destination": [PROBE]}, "delivery": delivery}
    kind = {"Type": "Notification", "MessageId": _UUID}
    headers = {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": _UUID}
    return Probe(_json(kind | {"Timestamp": _iso(now), "Message": json.dumps(event)}), headers)


def _mailjet(now: float) -> Probe:
    return Probe(_json([{"event": "sent", "time": int(now), "email": PROBE}]))


def _mailtrap(now: float) -> Probe:
    event = {"event": "delivery", "email": PROBE, "timestamp": int(now), "message_id": _UUID}
    return Probe(_json({"events": [event | {"event_id": _ID}]}))


def _sparkpost(now: float) -> Probe:
    event = {"type": "delivery", "timestamp": str(int(now)), "raw_rcpt_to": PROBE}
    return Probe(_json([{"msys": {"message_event": event}}]))


def _resend(now: float) -> Probe:
    data = {"email_id": _UUID, "to": [PROBE], "headers": []}
    body = _json({"type": "email.delivered", "created_at": _iso(now), "data": data})
    headers = {"svix-id": _ID, "svix-timestamp": str(int(now))}
    try:
        key = b64decode(_setting("RESEND_SIGNING_SECRET").removeprefix("whsec_"))
    except (Base64Error, ValueError):
        key = b""
    signed = f"{_ID}.{int(now)}.".encode() + body
    signature = b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return Probe(body, headers | {"svix-signature": f"v1,{signature}"})


def _mailersend(now: float) -> Probe:
    email = {"message": {"id": _UUID}, "recipient": {"email": PROBE}}
    data = {"id": _ID, "type": "delivered", "created_at": _iso(now), "email": email}
    body = _json({"type": "activity.delivered", "data": data})
    key = _setting("MAILERSEND_SIGNING_SECRET").encode()
    return Probe(body, {"Signature": hmac.new(key, body, sha256).hexdigest()})


def _unisender_go(now: float) -> Probe:
    event = {
        "event_name": "transactional_email_status", "status": "delivered", "email": PROBE,
        "event_time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }  # fmt: skip
    key = _setting("UNISENDER_GO_API_KEY")
    # The provider's own way: a digest of the body with the key in the digest's place.
    digest = md5(_json({"auth": key, **event}), usedforsecurity=False).hexdigest()
    return Probe(_json({"auth": digest, **event}))


def _sendgrid(now: float) -> Probe:
    body = _json([{"event": "delivered", "email": PROBE, "timestamp": int(now)}])
    return Probe(body, is_signed=not _setting("SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"))


def _postal(now: float) -> Probe:
    return Probe(_json({"event": "MessageSent", "payload": {}}), is_signed=False)


_MAKERS: Mapping[str, Callable[[float], Probe]] = {
    "mailgun": _mailgun,
    "brevo": _brevo,
    "postmark": _postmark,
    "amazon_ses": _amazon_ses,
    "mailjet": _mailjet,
    "mailtrap": _mailtrap,
    "sparkpost": _sparkpost,
    "resend": _resend,
    "mailersend": _mailersend,
    "unisender_go": _unisender_go,
    "sendgrid": _sendgrid,
    "postal": _postal,
}
