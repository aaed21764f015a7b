"""What the four providers say of the account and its domain, to whom has the key.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/domains/get-v4-domains--name-
https://postmarkapp.com/developer/api/server-api, https://developers.brevo.com/reference/getaccount
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
"""

from base64 import b64encode
from typing import Any

from .records import Request

_DOMAIN = "papers.example.org"
_BASIC = f"Basic {b64encode(b'api:key').decode()}"

GOOD: dict[str, dict[str, Any]] = {
    "mailgun": {
        "domain": {"name": _DOMAIN, "state": "active", "type": "custom", "is_disabled": False},
        "sending_dns_records": [
            {"record_type": "TXT", "valid": "valid", "name": _DOMAIN},
            {"record_type": "TXT", "valid": "valid", "name": f"pdk7._domainkey.{_DOMAIN}"},
        ],
    },
    "brevo": {
        "email": "owner@example.org",
        "plan": [{"type": "subscription", "creditsType": "sendLimit", "credits": 20000}],
        "relay": {"enabled": True},
    },
    "postmark": {"ID": 1, "Name": "Papers", "DeliveryType": "Live", "ApiTokens": ["token"]},
    "account": {
        "ProductionAccessEnabled": True, "SendingEnabled": True, "EnforcementStatus": "HEALTHY",
        "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 0.0},
    },
    "identity": {
        "IdentityType": "DOMAIN", "VerifiedForSendingStatus": True,
        "DkimAttributes": {"SigningEnabled": True, "Status": "SUCCESS", "Tokens": ["tok1", "tok2"]},
    },
}  # fmt: skip


SENDING_KEY = {"key": "for sending only"}
"""Said in the place of Mailgun's domain: the key may not look at it."""

_Answer = tuple[int, Any, dict[str, str]]


def answer(request: Request, said: dict[str, dict[str, Any]]) -> _Answer:
    """Status, JSON and headers; `said` holds what is said in the place of GOOD."""
    rooms = {
        "/v4/domains/": _mailgun,
        "/v3/account": _brevo,
        "/server": _postmark,
        "/v2/email/": _ses,
    }
    room = next((room for start, room in rooms.items() if request.path.startswith(start)), None)
    return room(request.path, request.headers, GOOD | said) if room else _NOT_FOUND


_NOT_FOUND: _Answer = (404, {"message": "not found"}, {})


def _mailgun(path: str, headers: Any, known: dict[str, Any]) -> _Answer:
    if headers.get("Authorization") != _BASIC or known["mailgun"] == SENDING_KEY:
        return 401, {"message": "Forbidden"}, {}
    if path != f"/v4/domains/{known['mailgun']['domain']['name']}":
        return 404, {"message": "Domain not found"}, {}
    return 200, known["mailgun"], {}


def _brevo(path: str, headers: Any, known: dict[str, Any]) -> _Answer:
    if headers.get("api-key") != "key":
        return 401, {"code": "unauthorized", "message": "Key not found"}, {}
    return 200, known["brevo"], {}


def _postmark(path: str, headers: Any, known: dict[str, Any]) -> _Answer:
    if headers.get("X-Postmark-Server-Token") != "token":
        return 401, {"ErrorCode": 10, "Message": "Bad or missing Server API token."}, {}
    return 200, known["postmark"], {}


def _ses(path: str, headers: Any, known: dict[str, Any]) -> _Answer:
    if "Credential=key/" not in headers.get("Authorization", ""):
        words = {"message": "The security token included in the request is invalid."}
        return 403, words, {"x-amzn-ErrorType": "UnrecognizedClientException"}
    if path == "/v2/email/account":
        return 200, known["account"], {}
    if path == f"/v2/email/identities/{_DOMAIN}":
        return 200, known["identity"], {}
    return 404, {"message": "no such identity"}, {"x-amzn-ErrorType": "NotFoundException"}
