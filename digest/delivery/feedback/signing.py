"""When a provider signed a call of its webhook, and which setting proves that it did."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

KEYS: Mapping[str, str] = {
    "mailersend": "MAILERSEND_SIGNING_SECRET",
    "mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY",
    "postal": "POSTAL_WEBHOOK_KEY",
    "resend": "RESEND_SIGNING_SECRET",
    "sendgrid": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
}
"""What signs a provider's calls, beside WEBHOOK_SECRET in the address."""
_API_KEYS: Mapping[str, str] = {
    "mailgun": "MAILGUN_API_KEY",
    "unisender_go": "UNISENDER_GO_API_KEY",
}
"""Which sign calls, too, where there is no key of its own for that."""
OLDEST = timedelta(days=7)
"""Providers try again for a day or three. An event's id is known for longer (KEEP_EVENTS_DAYS), so that
a call is either known, or too old to be taken."""
_AHEAD = timedelta(days=1)


def is_provable(provider: str) -> bool:
    """Whether anything tells the provider's calls from a stranger's: the secret in the address, or its
    signature. Where errors are shown (DEBUG), it need not."""
    proofs = ("WEBHOOK_SECRET", KEYS.get(provider, ""), _API_KEYS.get(provider, ""))
    return settings.DEBUG or any(settings.ANYMAIL.get(name) for name in proofs)


def is_stale(request: HttpRequest, provider: str) -> bool:
    """Whether a call whose signature is good was signed too long ago, or in days to come. False
    where the provider signs no time. ValueError, KeyError or TypeError where it can't be read."""
    read = _SIGNED_AT.get(provider)
    if read is None:
        return False
    age = timezone.now().timestamp() - float(read(request))
    return not -_AHEAD.total_seconds() <= age <= OLDEST.total_seconds()


def _of_mailgun(request: HttpRequest) -> str:
    if request.content_type == "application/json":
        return str(json.loads(request.body)["signature"]["timestamp"])
    return str(request.POST["timestamp"])


def _of_sendgrid(request: HttpRequest) -> str:
    # Without a key nothing is signed, and the header need not be there.
    now = timezone.now().timestamp()
    return request.headers.get("X-Twilio-Email-Event-Webhook-Timestamp", str(now))


_SIGNED_AT: Mapping[str, Callable[[HttpRequest], str]] = {
    # It signs a time and a token, and not the body: what is old could be sent with another one.
    "mailgun": _of_mailgun,
    "sendgrid": _of_sendgrid,
    # Resend's library checks the time itself, to five minutes.
}
