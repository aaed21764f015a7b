"""Anymail's back ends for batches, spared from parsing again what we made ourselves.

Anymail parses and copies every address and every value for each reader, which costs ten times what
all else does. Ours are canonical already: here they are taken as they are, and what goes over the
wire stays the same to the byte.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus

from anymail.backends import brevo, mailgun, mailjet, resend
from anymail.utils import EmailAddress, last


class CanonicalAddress(EmailAddress):  # type: ignore[misc]
    """An address without a display name, in the ASCII form that `addresses.canonical` made."""

    def __init__(self, address: str) -> None:
        self._spec = address
        self._display_name = ""
        self._username, _, self._domain = address.rpartition("@")

    @property
    def addr_spec(self) -> str:
        return self._spec

    def format(self, **_: Any) -> str:
        return self._spec

    def as_dict(self, *, email: str = "email", **_: Any) -> dict[str, str]:
        return {email: self._spec}


def _addresses(values: Iterable[str]) -> list[CanonicalAddress]:
    return [CanonicalAddress(value) for value in values]


Attributes = Iterable[tuple[str, Any, Any]]
_TAKEN = {"to": (last, _addresses), "merge_data": (last, None), "merge_metadata": (last, None)}


def _unparsed(attributes: Attributes) -> Attributes:
    """Anymail's table of what it reads from a message and how, for a message of ours."""
    return tuple((name, *_TAKEN.get(name, how)) for name, *how in attributes)


class MailgunPayload(mailgun.MailgunPayload):  # type: ignore[misc]
    """Anymail's form, encoded at once."""

    base_message_attrs = _unparsed(mailgun.MailgunPayload.base_message_attrs)
    anymail_message_attrs = _unparsed(mailgun.MailgunPayload.anymail_message_attrs)

    def populate_recipient_variables(self) -> None:
        """As Anymail's, for readers who all have the same names of values."""
        first = self.to_emails[0]
        metadata = _names(self.merge_metadata[first])
        data = _names(self.merge_data[first]).union(self.merge_global_data)
        headers = {name: f"h:{name.title()}" for name in _names(self.merge_headers[first])}
        self.data |= {field: f"%recipient.{field}%" for field in headers.values()}
        variables = {
            email: {f"v:{name}": self.merge_metadata[email][name] for name in metadata}
            | {name: self.merge_data[email][name] for name in data}
            | {field: self.merge_headers[email][name] for name, field in headers.items()}
            for email in self.to_emails
        }
        custom = self.metadata | {name: f"%recipient.v:{name}%" for name in metadata}
        self.data |= {f"v:{name}": value for name, value in custom.items()}
        self.data["recipient-variables"] = self.serialize_json(variables)

    def serialize_data(self) -> bytes:
        self.populate_recipient_variables()
        self.headers["Content-Type"] = "application/x-www-form-urlencoded"
        return form_encoded(self.data)


def _names(values: Mapping[str, str]) -> set[str]:
    # Added one by one, as Anymail does it: a set that is made of a dictionary has another order.
    return {name for name in values}  # noqa: C416


class BrevoPayload(brevo.BrevoPayload):  # type: ignore[misc]
    """Anymail's, from our addresses."""

    base_message_attrs = _unparsed(brevo.BrevoPayload.base_message_attrs)
    anymail_message_attrs = _unparsed(brevo.BrevoPayload.anymail_message_attrs)


class MailjetPayload(mailjet.MailjetPayload):  # type: ignore[misc]
    """Anymail's, which divides a message once: of one reader alone it would forget the values and the
    headers each time that it is asked again."""

    is_burst = False

    def _burst_for_batch_send(self) -> None:
        if not self.is_burst:
            super()._burst_for_batch_send()
            self.is_burst = True


class MailgunBackend(mailgun.EmailBackend):  # type: ignore[misc]
    """Mailgun, for batches of ours and for any other message."""

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        if getattr(message, "merge_headers", None):
            return MailgunPayload(message, defaults, self)
        return super().build_message_payload(message, defaults)


class BrevoBackend(brevo.EmailBackend):  # type: ignore[misc]
    """Brevo, for batches of ours and for any other message."""

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        if getattr(message, "merge_headers", None):
            return BrevoPayload(message, defaults, self)
        return super().build_message_payload(message, defaults)


class MailjetBackend(mailjet.EmailBackend):  # type: ignore[misc]
    """Mailjet, for batches of one reader, too."""

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        return MailjetPayload(message, defaults, self)


class ResendBackend(resend.EmailBackend):  # type: ignore[misc]
    """Resend, which answers a call with a key that it knows as it did the first time, for a day.

    A message without an `idempotency_key` is sent without one.
    """

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        payload = super().build_message_payload(message, defaults)
        if key := getattr(message, "idempotency_key", ""):
            payload.headers["Idempotency-Key"] = key
        return payload


_SHORT = 300
_OTHERS = re.compile(rb"[^ -~]")
_QUOTED = [b"%", b"\n", *(bytes([n]) for n in range(33, 127) if not re.match(r"[\w.~%-]", chr(n)))]


def form_encoded(fields: Mapping[str, str | list[str]]) -> bytes:
    """`application/x-www-form-urlencoded` as `urllib.parse.urlencode` with `doseq` has it, in a
    tenth of the time: a pass over the text for each character that is quoted, not a step for
    each that is there."""
    return b"&".join(_pairs(name, values) for name, values in fields.items() if values != [])


def _pairs(name: str, values: str | list[str]) -> bytes:
    field = _quoted(name) + b"="
    if isinstance(values, str):
        return field + _quoted(values)
    # One pass for all: what stands between them comes out as %00.
    return field + _quoted("\0".join(values)).replace(b"%00", b"&" + field)


def _quoted(text: str) -> bytes:
    if len(text) < _SHORT:
        return quote_plus(text).encode("ascii")
    raw = text.encode()
    for character in _QUOTED:
        raw = raw.replace(character, b"%%%02X" % character[0])
    raw = _OTHERS.sub(lambda match: b"%%%02X" % match[0][0], raw)
    return raw.replace(b" ", b"+")
