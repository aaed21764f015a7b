"""What providers post, spoilt: one event of each, and how it signs what it posts."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import time_machine
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.conf import settings
from django.test import Client
from django.test.utils import override_settings

from digest.delivery.esp import providers
from digest.delivery.feedback import events
from digest.models import Event

from .running import undone

_AT = 1_790_000_000
"""What the clock shows while they are posted, as some providers sign the time."""
_ONE: dict[str, Any] = {
    "brevo": {"event": "delivered", "email": "ada@example.org", "id": 1, "ts_event": _AT, "ts": _AT,
              "message-id": "<1@x>", "X-Mailin-custom": '{"delivery": "1"}', "tag": "digest", "tags": ["digest"]},
    "mailjet": [{"event": "bounce", "time": _AT, "MessageID": 19421777835146490, "email": "ada@example.org",
                 "hard_bounce": True, "error": "user unknown", "error_related_to": "recipient",
                 "Payload": '{"delivery": "1"}', "CustomID": "digest"}],
    "postmark": {"RecordType": "Bounce", "ID": 42, "Type": "HardBounce", "TypeCode": 1, "MessageID": "x",
                 "Email": "ada@example.org", "BouncedAt": "2026-08-20T08:00:00Z", "Description": "gone",
                 "Details": "550 5.1.1", "Metadata": {"delivery": "1"}, "Tag": "digest"},
    "sendgrid": [{"email": "ada@example.org", "timestamp": _AT, "event": "bounce", "type": "blocked",
                  "sg_event_id": "e", "sg_message_id": "m.f", "reason": "550", "status": "5.1.1",
                  "delivery": "1", "category": ["digest"]}],
    "sparkpost": [{"msys": {"message_event": {"type": "bounce", "event_id": "1", "rcpt_to": "ada@example.org",
                  "rcpt_meta": {"delivery": "1"}, "timestamp": str(_AT), "transmission_id": "6",
                  "bounce_class": "10", "reason": "550", "raw_reason": "550", "raw_rcpt_to": "a@b.org"}}}],
    "mailersend": {"type": "activity.hard_bounced", "created_at": "2026-08-20T08:00:00.000000Z",
                   "data": {"id": "1", "type": "hard_bounced", "morph": {"object": "x", "reason": "gone"},
                            "email": {"recipient": {"email": "ada@example.org"}, "tags": ["digest"],
                                      "message": {"id": "1"}}}},
    "mailtrap": {"events": [{"event": "bounce", "timestamp": _AT, "message_id": "1", "email": "ada@example.org",
                 "event_id": "1", "custom_variables": {"delivery": "1"}, "bounce_category": "x", "response": "5"}]},
    "resend": {"type": "email.bounced", "created_at": "2026-08-20T08:00:00.000Z",
               "data": {"email_id": "1", "to": ["ada@example.org"], "tags": {"delivery": "1"}, "created_at": "x",
                        "headers": [{"name": "X-Metadata", "value": '{"delivery": "1"}'}],
                        "bounce": {"type": "Permanent", "subType": "x", "message": "gone"}}},
    "unisender_go": {"auth": "x", "events_by_user": [{"events": [{"event_name": "transactional_email_status",
                     "event_data": {"job_id": "1", "email": "ada@example.org", "status": "hard_bounced",
                                    "event_time": "2026-08-20 08:00:00", "metadata": {"delivery": "1"},
                                    "delivery_info": {"delivery_status": "err_user_unknown"}}}]}]},
    "postal": {"timestamp": _AT, "uuid": "e1", "event": "MessageBounced", "payload": {"bounce": {"id": 2},
               "details": "550 5.1.1", "output": "gone", "original_message": {"id": 1, "token": "t",
               "direction": "outgoing", "to": "ada@example.org", "tag": "digest"}}},
    "mailgun": {"signature": {"timestamp": str(_AT), "token": "t" * 50, "signature": ""},
                "event-data": {"event": "failed", "severity": "permanent", "reason": "bounce", "id": "1",
                               "timestamp": float(_AT), "recipient": "ada@example.org", "tags": ["digest"],
                               "delivery-status": {"code": 550, "message": "5.1.1", "description": ""},
                               "user-variables": {"delivery": "1", "batch": "1"},
                               "message": {"headers": {"message-id": "1@x"}}}},
    "amazon_ses": {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
                   "Timestamp": "2026-08-20T08:00:00.000Z", "Signature": "x", "Message": json.dumps({
                       "eventType": "Bounce", "mail": {"messageId": "1", "timestamp": "2026-08-20T08:00:00.000Z",
                       "destination": ["ada@example.org"], "headers": [{"name": "X-Metadata",
                       "value": '{"delivery": "1"}'}], "tags": {}}, "bounce": {"bounceType": "Permanent", "bounceSubType": "General",
                       "feedbackId": "1", "timestamp": "2026-08-20T08:00:00.000Z",
                       "bouncedRecipients": [{"emailAddress": "ada@example.org", "status": "5.1.1"}]}})},
}  # fmt: skip
_UNISENDER_KEY = "the key of Unisender Go"
_POSTAL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAMES = [name for name in _ONE if name in providers.PROVIDERS]
AUTH = "Basic " + base64.b64encode(b"user:word").decode()
KEYS = {
    "WEBHOOK_SECRET": "user:word", "MAILGUN_WEBHOOK_SIGNING_KEY": "key", "MAILERSEND_SIGNING_SECRET": "key",
    "AMAZON_SES_AUTO_CONFIRM_SNS_SUBSCRIPTIONS": False, "UNISENDER_GO_API_KEY": _UNISENDER_KEY,
    "POSTAL_WEBHOOK_KEY": base64.b64encode(_POSTAL_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode(),
}  # fmt: skip


def check_of(name: str) -> Callable[[bytes], None]:
    """A provider's posts are taken or refused: no answer of 500, and applying them fails on none. Each
    is posted as it is, and as its provider would sign it; what is not spoilt is stored."""
    client = Client(raise_request_exception=True, SERVER_NAME="papers.example.org")
    whole = seeds(name)

    def check(body: bytes) -> None:
        keys = override_settings(ANYMAIL=settings.ANYMAIL | KEYS)
        with keys, undone(), time_machine.travel(_AT, tick=False):
            for posted in dict.fromkeys((body, signed(name, body))):
                answer = client.post(
                    f"/webhooks/{name}/tracking/", posted, "application/json",
                    headers=_headers(name, posted),
                )  # fmt: skip
                assert answer.status_code < 500
            assert Event.objects.exists() or body not in whole
            events.apply_pending()

    return check


def _headers(name: str, body: bytes) -> dict[str, str]:
    match name:
        case "mailersend":
            mac = hmac.new(b"key", body, hashlib.sha256).hexdigest()
            return {"authorization": AUTH, "signature": mac}
        case "postal":
            mac = _POSTAL_KEY.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303  as Postal does
            return {"authorization": AUTH, "x-postal-signature": base64.b64encode(mac).decode()}
        case "amazon_ses":
            sns = {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "1"}
            return {"authorization": AUTH} | sns
        case _:
            return {"authorization": AUTH}


def signed(name: str, body: bytes) -> bytes:
    """The body as the provider would sign it, where its signature stands in the body, or as it would
    wrap it; where nobody could, as it is."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if name == "amazon_ses":
        return json.dumps(_ONE[name] | {"Message": json.dumps(told)}).encode()
    if name == "mailgun" and isinstance(told, dict):
        stamp, token = str(_AT), "t" * 50
        mac = hmac.new(b"key", f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
        told["signature"] = {"timestamp": stamp, "token": token, "signature": mac}
    if name == "unisender_go" and isinstance(told, dict):
        # It signs the body in which its key stands where the signature will stand.
        keyed = json.dumps(told | {"auth": _UNISENDER_KEY}).encode()
        told["auth"] = hashlib.md5(keyed).hexdigest()  # noqa: S324  as Unisender Go does
    return json.dumps(told).encode()


def seeds(name: str) -> list[bytes]:
    """An event as the provider writes it; and of SES what stands in it as a text of its own."""
    told = _ONE[name]
    if name == "amazon_ses":
        return [json.dumps(told).encode(), told["Message"].encode()]
    return [signed(name, json.dumps(told).encode())]
