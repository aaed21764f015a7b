"""What a provider is offered: one message for a reader, or one for many with each reader's values."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from email.utils import formataddr, parseaddr
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMultiAlternatives

from digest.delivery import outbox
from digest.delivery.esp import providers
from digest.delivery.esp.providers import Provider
from digest.errors import BatchShapeError
from digest.models import Edition
from digest.records import Reader

from . import content, mime, rendering

_CONTROLS = re.compile("[\x00-\x1f\x7f]")
_TOKEN = "{token}"  # noqa: S105  a mark
SENDER_ID = "dailypapers"
"""The constant last field of Feedback-ID."""


class DigestMessage(EmailMultiAlternatives):
    """A message with the attributes that Anymail reads; other ways out pass them over."""

    tags: list[str]
    metadata: dict[str, Any]
    merge_data: dict[str, dict[str, str]]
    merge_headers: dict[str, dict[str, str]]
    merge_metadata: dict[str, dict[str, str]]
    idempotency_key: str
    esp_extra: dict[str, str]
    anymail_status: Any

    def message(self, **options: Any) -> Any:
        """The MIME message; no header is folded, as links in folded headers get lost on the way.

        RFC 5322 allows lines of 998 octets, and no value of ours comes near.
        """
        mime: Any = super().message(**options)
        mime.policy = mime.policy.clone(max_line_length=998)
        return mime


@dataclass(frozen=True)
class Call:
    """What one call to a provider is made of."""

    claim: outbox.Claim
    edition: Edition
    body: rendering.Body
    readers: Sequence[Reader]

    @property
    def metadata(self) -> dict[str, str]:
        """Names the batch only where this call is all of it: an event about one reader is then
        evidence for all, and never for readers whom another call was to reach."""
        is_whole = len(self.readers) == len(self.claim.readers)
        return {"batch": str(self.claim.batch_id)} if is_whole else {}

    @cached_property
    def template(self) -> mime.Template:
        """The message without what is a reader's own."""
        message = _message(replace(self, readers=[]), subject=self.body.subject, html="", text="")
        message.extra_headers = headers_of(self.edition)
        return mime.template_of(message, self.body)


def headers_of(edition: Edition) -> dict[str, str]:
    """The headers that all readers of an edition share (EMAIL_STANDARDS section 2)."""
    domain = content.sender_domain()
    return {
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": settings.LIST_ID or f"Daily Papers <daily.{domain}>",
        "Feedback-ID": f"{edition.name}:{edition.frequency}:digest:{SENDER_ID}",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
    }


def reader_headers(reader: Reader, targets: str) -> dict[str, str]:
    """The headers that only this reader gets; the unsubscribe link among them (RFC 8058)."""
    return {
        "List-Unsubscribe": targets.replace(_TOKEN, reader.unsubscribe),
        "Message-ID": reader.message_id,
    }


def unsubscribe_targets() -> str:
    """The value of List-Unsubscribe, with a mark where a reader's token stands."""
    targets = [f"<{settings.SITE_URL}/unsubscribe/{_TOKEN}/>"]
    if settings.UNSUBSCRIBE_EMAIL:
        local, _, domain = settings.UNSUBSCRIBE_EMAIL.rpartition("@")
        targets.append(f"<mailto:{local}+{_TOKEN}@{domain}>")
    return ", ".join(targets)


def single_message(provider: Provider, call: Call) -> DigestMessage:
    """The message for one reader, complete."""
    (reader,) = call.readers
    html, text = call.body.filled(rendering.values_of(reader))
    message = _message(call, subject=call.body.subject, html=html, text=text)
    message.extra_headers = headers_of(call.edition) | reader_headers(reader, unsubscribe_targets())
    _refuse_controls([str(message.subject), *message.to, *message.extra_headers.values()])
    # Its own delivery is all that an event can tell of; the batch would be another one next time.
    message.metadata = {"delivery": str(reader.delivery_id)}
    message.idempotency_key = reader.message_id.strip("<>")
    if provider.name == "postmark" and settings.POSTMARK_MESSAGE_STREAM:
        # Confirm mails stay in the stream for what somebody waits for.
        message.esp_extra = {"MessageStream": settings.POSTMARK_MESSAGE_STREAM}
    return message


def batch_message(provider: Provider, call: Call) -> DigestMessage:
    """One message for many readers, each of whom gets an own copy without the others' addresses.

    Raises BatchShapeError when any reader would lack a link, a header or the metadata: Anymail
    drops what is filed under an address that differs by a letter, without an error.
    """
    marks = {name: provider.merge.format(name=name) for name in rendering.READER_TOKENS}
    body = call.body
    html = _merged(body.html_parts, marks, provider)
    text = _merged(body.text_parts, marks, provider)
    message = _message(call, subject=_guarded(body.subject, provider), html=html, text=text)
    shared = headers_of(call.edition)
    own = {k: v for k, v in shared.items() if k not in provider.common_headers}
    own = own if provider.headers_per_reader else {}
    targets = unsubscribe_targets()
    message.extra_headers = {} if provider.headers_per_reader else shared
    message.merge_data = {r.email: rendering.escaped_values(r) for r in call.readers}
    message.merge_headers = {
        r.email: own | _taken(provider, reader_headers(r, targets)) for r in call.readers
    }
    message.merge_metadata = {r.email: {"delivery": str(r.delivery_id)} for r in call.readers}
    check_shape(message)
    return message


def _taken(provider: Provider, headers: dict[str, str]) -> dict[str, str]:
    if not provider.takes_message_id:
        del headers["Message-ID"]
    return headers


def check_shape(message: DigestMessage) -> None:
    """Refuses a batch in which any address lacks what is its own, or which has a Cc or Bcc."""
    addresses = set(message.to)
    complete = all(
        addresses == set(values)
        for values in (message.merge_data, message.merge_headers, message.merge_metadata)
    )
    if not complete or len(addresses) != len(message.to) or message.cc or message.bcc:
        raise BatchShapeError("a reader of the batch lacks links, headers or metadata of their own")
    if not all("List-Unsubscribe" in headers for headers in message.merge_headers.values()):
        raise BatchShapeError("a reader of the batch lacks the List-Unsubscribe header")
    for headers in message.merge_headers.values():
        _refuse_controls(headers.values())
    _refuse_controls([str(message.subject), *message.to])


def _refuse_controls(values: Iterable[str]) -> None:
    """Raises BadHeaderError for a line break, NUL or the like: not every library looks for them."""
    if _CONTROLS.search("".join(values)):
        raise BadHeaderError("a header would hold a control character")


def _merged(parts: Sequence[str], marks: dict[str, str], provider: Provider) -> str:
    filled = [_guarded(part, provider) for part in parts]
    filled[1::2] = [marks[name] for name in parts[1::2]]
    return "".join(filled)


def _guarded(text: str, provider: Provider) -> str:
    """The text with an invisible word joiner inside everything the provider would replace."""
    for opening in provider.openings:
        text = text.replace(opening, f"{opening[0]}\N{WORD JOINER}{opening[1:]}")
    return text


def _message(call: Call, *, subject: str, html: str, text: str) -> DigestMessage:
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    message = DigestMessage(
        subject=subject,
        body=text,
        from_email=formataddr((name, address)),
        to=[reader.email for reader in call.readers],
        reply_to=[settings.REPLY_TO] if settings.REPLY_TO else None,
        connection=None,
    )
    if html:
        message.attach_alternative(html, "text/html")
    message.encoding = providers.quoted_printable()
    message.tags = ["digest"]
    message.metadata = call.metadata
    return message
