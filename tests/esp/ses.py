"""Amazon SES, API version 2: POST /v2/email/outbound-emails, and its events by way of SNS.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

import base64
import binascii
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

from .records import Copy, Event, Offer, RefusedError, Request, is_address

NAME = "amazon_ses"
MOST = 50
REJECTS_EACH = False
_TOPIC = "arn:aws:sns:eu-west-1:000000000000:events"
_CODES = {
    400: "BadRequestException",
    403: "AccessDeniedException",
    404: "NotFoundException",
    429: "TooManyRequestsException",
    500: "InternalServiceErrorException",
    503: "ServiceUnavailable",
}


def has(path: str) -> bool:
    return path == "/v2/email/outbound-emails"


def read(request: Request) -> Offer:
    """The call's readers, checked as SES checks them; raises RefusedError."""
    if not request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
        raise RefusedError(
            403, "Missing Authentication Token", "MissingAuthenticationTokenException"
        )
    data = request.json()
    content = data.get("Content", {})
    if not set(content) & {"Raw", "Simple"}:
        raise RefusedError(400, "Content needs one of Raw and Simple")
    message = _raw(content["Raw"]) if "Raw" in content else None
    fields = data.get("Destination") or _destination(message)
    entries = [
        entry for name in ("To", "Cc", "Bcc") for entry in fields.get(f"{name}Addresses", [])
    ]
    readers = [address for _, address in getaddresses(entries)]
    if not 0 < len(readers) <= MOST:
        raise RefusedError(400, f"Recipient count is {len(readers)}, not between 1 and {MOST}.")
    if bad := next((reader for reader in readers if not is_address(reader)), None):
        raise bad_reader(bad)
    seen = [address for _, address in getaddresses(fields.get("ToAddresses", []))]

    def copies(whole: bool) -> list[Copy]:
        if message is None:
            return [_simple(data, reader, seen) for reader in readers]
        return [_copy(message, reader, whole=whole) for reader in readers]

    return Offer(readers, copies)


def _raw(content: dict[str, Any]) -> EmailMessage:
    try:
        raw = base64.b64decode(content["Data"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise RefusedError(400, "Content.Raw.Data is not base64") from error
    return message_from_bytes(raw, policy=policy.default)


def _destination(message: EmailMessage | None) -> dict[str, list[str]]:
    names = ("To", "Cc", "Bcc") if message is not None else ()
    return {f"{name}Addresses": [str(v) for v in message.get_all(name, [])] for name in names}


def _copy(message: EmailMessage, reader: str, *, whole: bool) -> Copy:
    listed = [str(v) for name in ("To", "Cc") for v in message.get_all(name, [])]
    parts = {kind: message.get_body((kind,)) if whole else None for kind in ("html", "plain")}
    ours = {"x-metadata", "x-tag"}
    return Copy(
        to=reader,
        visible_to=[address for _, address in getaddresses(listed)],
        subject=str(message["Subject"]),
        html=parts["html"].get_content() if parts["html"] else "",
        text=parts["plain"].get_content() if parts["plain"] else "",
        headers={n: str(v) for n, v in message.items() if whole and n.lower() not in ours},
        metadata=json.loads(message.get("X-Metadata", "{}")),
        tags=[str(tag) for tag in message.get_all("X-Tag", [])],
        provider=NAME,
        sender=str(message["From"]),
    )


def _simple(data: dict[str, Any], reader: str, seen: list[str]) -> Copy:
    content = data["Content"]["Simple"]
    body = content.get("Body", {})
    headers = {h["Name"]: h["Value"] for h in content.get("Headers", [])}
    custom = headers.pop("X-Metadata", "{}")
    tag = headers.pop("X-Tag", None)
    return Copy(
        to=reader,
        visible_to=seen,
        subject=content.get("Subject", {}).get("Data", ""),
        html=body.get("Html", {}).get("Data", ""),
        text=body.get("Text", {}).get("Data", ""),
        headers=headers,
        metadata=json.loads(custom),
        tags=[tag] if tag else [],
        provider=NAME,
        sender=data.get("FromEmailAddress", ""),
    )


def name(call: str, place: int) -> str:
    return f"0102{uuid.uuid5(uuid.NAMESPACE_URL, call)}-000000"


def answer(offer: Offer, names: Callable[[int], str], rejected: dict[int, str]) -> tuple[int, Any]:
    return 200, {"MessageId": names(0)}


def refusal(status: int, words: str, code: str) -> tuple[Any, dict[str, str]]:
    return {"message": words}, {"x-amzn-ErrorType": code or _CODES.get(status, "MessageRejected")}


def bad_reader(address: str) -> RefusedError:
    return RefusedError(400, f"Illegal address {address!r}", "BadRequestException")


def event_request(event: Event, signing_key: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of the POST: a notification whose message is the event as text.

    Anymail checks that headers and body agree on type and id, and the basic authentication; not
    the signature of SNS, which is therefore none.
    """
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    stamp = at.replace("+00:00", "Z")
    name = str(uuid.UUID(event.event_id[:32]))
    body = {
        "Type": "Notification",
        "MessageId": name,
        "TopicArn": _TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": json.dumps(_event(event, stamp)),
        "Timestamp": stamp,
        "SignatureVersion": "1",
        "Signature": "bm9uZQ==",
        "SigningCertURL": "https://sns.example.com/none.pem",
    }
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": name,
        "x-amz-sns-topic-arn": _TOPIC,
    }
    return headers, json.dumps(body).encode()


def _event(event: Event, stamp: str) -> dict[str, Any]:
    copy = event.copy
    ours = [("X-Metadata", json.dumps(copy.metadata)), *(("X-Tag", tag) for tag in copy.tags)]
    mail = {
        "timestamp": stamp,
        "messageId": copy.message_id,
        "source": copy.sender,
        "sendingAccountId": "000000000000",
        "destination": [copy.to],
        "headersTruncated": False,
        "headers": [{"name": n, "value": v} for n, v in [*copy.headers.items(), *ours]],
        "tags": {"ses:from-domain": [copy.sender.rpartition("@")[2].strip("<> ")]},
    }
    return {"mail": mail} | _KINDS[event.kind](copy.to, stamp)


def _bounce(kind: str, sub_kind: str, reader: str, stamp: str, words: str) -> dict[str, Any]:
    readers = [{"emailAddress": reader, "action": "failed", "diagnosticCode": f"smtp; {words}"}]
    bounce = {"bounceType": kind, "bounceSubType": sub_kind, "bouncedRecipients": readers}
    return {"eventType": "Bounce", "bounce": bounce | {"timestamp": stamp}}


_KINDS = {
    "delivered": lambda reader, stamp: {
        "eventType": "Delivery",
        "delivery": {"timestamp": stamp, "recipients": [reader], "smtpResponse": "250 OK"},
    },
    "bounced_hard": lambda reader, stamp: _bounce(
        "Permanent", "General", reader, stamp, "550 5.1.1 no such user"
    ),
    "bounced_soft": lambda reader, stamp: _bounce(
        "Transient", "MailboxFull", reader, stamp, "452 4.2.2 mailbox full"
    ),
    "deferred": lambda reader, stamp: {
        "eventType": "DeliveryDelay",
        "deliveryDelay": {
            "timestamp": stamp,
            "delayType": "TransientCommunicationFailure",
            "delayedRecipients": [{"emailAddress": reader, "diagnosticCode": "451 4.7.1"}],
        },
    },
    "complained": lambda reader, stamp: {
        "eventType": "Complaint",
        "complaint": {
            "timestamp": stamp,
            "complainedRecipients": [{"emailAddress": reader}],
            "complaintFeedbackType": "abuse",
        },
    },
    "unsubscribed": lambda reader, stamp: {
        "eventType": "Subscription",
        "subscription": {"timestamp": stamp, "source": "UnsubscribeHeader"},
    },
}
