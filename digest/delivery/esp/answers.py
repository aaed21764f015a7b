"""What a provider's answers and silences mean: taken, surely not taken, or nobody knows."""

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import requests
import urllib3.exceptions
from anymail.exceptions import AnymailError
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)
from django.utils import timezone

from digest.records import Result

_LONGEST_WAIT = 86_400.0
_TOO_MANY = 429
_UNAVAILABLE = 503
_ASKED_BEFORE = 409
"""Resend knows the key from another call, or from one that is not over: it may have been taken."""
_NOT_ALLOWED = (401, 402, 403, 404)
# SES says these with HTTP 400 (its API reference, common errors and SendEmail).
_AWS_TOO_MANY = frozenset(
    {"TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException"}
)
_AWS_NOT_ALLOWED = frozenset(
    {
        "AccountSuspendedException", "SendingPausedException", "NotFoundException",
        "MailFromDomainNotVerifiedException", "AccessDeniedException", "InvalidClientTokenId",
        "SignatureDoesNotMatch", "UnrecognizedClientException", "ExpiredTokenException",
    }
)  # fmt: skip
_NEVER_CONNECTED = (
    ConnectionRefusedError,
    requests.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.ConnectTimeoutError,
    EndpointConnectionError,
    ConnectTimeoutError,
)
# The call was on its way, or may have been: these are silences.
_IN_THE_CALL = (OSError, requests.RequestException, HTTPClientError)


class HungUpError(smtplib.SMTPServerDisconnected):
    """The connection was lost before a message's end was on its way."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an offer as a whole; single readers may still differ (`anymail_status`)."""

    result: Result
    detail: str = ""
    retry_after: float | None = None
    is_provider_down: bool = False
    """Another provider may be asked: this one surely took nothing, whoever the reader is."""
    is_dead_address: bool = False
    """A hard bounce: there is no such mailbox."""


def of(error: Exception) -> Answer:
    """The answer that an error of the call stands for."""
    if isinstance(error, smtplib.SMTPException):
        return _of_smtp(error)
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ClientError):
            return _of_aws(cause)
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        return _of_http(response)
    if any(isinstance(cause, _NEVER_CONNECTED) for cause in chain):
        return down(error)
    is_silence = any(isinstance(cause, _IN_THE_CALL) for cause in chain)
    if is_silence or not isinstance(error, AnymailError):
        return Answer(Result.UNCERTAIN, said(error))
    # Anymail or boto refused to make the call: a matter of settings, not of readers.
    return down(error)


def down(error: Exception) -> Answer:
    """Nothing was offered, and would not be to another reader either."""
    return Answer(Result.DEFERRED, said(error), is_provider_down=True)


def said(error: BaseException) -> str:
    """The error in a few words; never its text, which may hold addresses."""
    return type(error.__cause__ or error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it came from, and what urllib3 hides inside."""
    todo: list[object] = [error]
    while todo:
        found = todo.pop()
        if isinstance(found, BaseException):
            yield found
            todo += [found.__cause__, getattr(found, "reason", None), *found.args[:1]]


def _of_http(response: requests.Response) -> Answer:
    status = response.status_code
    words = f"HTTP {status}"
    if status in (_TOO_MANY, _UNAVAILABLE):
        return Answer(Result.DEFERRED, words, _retry_after(response), is_provider_down=True)
    if status in _NOT_ALLOWED:
        # Our key or account, not the readers' addresses.
        return Answer(Result.DEFERRED, f"{words}: check the key", is_provider_down=True)
    if status >= 500 or status < 400 or status == _ASKED_BEFORE:  # noqa: PLR2004
        return Answer(Result.UNCERTAIN, words)
    return Answer(Result.FAILED, words)


def _of_aws(error: ClientError) -> Answer:
    code = str(error.response.get("Error", {}).get("Code", ""))[:60]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    words = f"HTTP {status} {code}"
    if code in _AWS_TOO_MANY or status in (_TOO_MANY, _UNAVAILABLE):
        return Answer(Result.DEFERRED, words, is_provider_down=True)
    if code in _AWS_NOT_ALLOWED or status in _NOT_ALLOWED:
        return Answer(Result.DEFERRED, f"{words}: check the key", is_provider_down=True)
    if not 400 <= status < 500:  # noqa: PLR2004
        return Answer(Result.UNCERTAIN, words)
    return Answer(Result.FAILED, words)


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "").strip()
    try:
        wait = float(value) if value.isdecimal() else _seconds_until(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def _seconds_until(value: str) -> float:
    return (parsedate_to_datetime(value) - timezone.now()).total_seconds()


def _of_smtp(error: smtplib.SMTPException) -> Answer:
    if isinstance(error, HungUpError):
        return Answer(Result.DEFERRED, "connection lost")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Answer(Result.UNCERTAIN, "connection lost")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()), (550, b""))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, reply = error.smtp_code, _bytes(error.smtp_error)
    else:
        return down(error)
    words = reply.decode("ascii", "replace")
    detail = f"SMTP {code} {words.split(' ', 1)[0]}".strip()
    # Enhanced status 4.7.x and 5.7.x (RFC 3463): security and policy, so about us as the sender.
    is_about_us = words.startswith(("4.7.", "5.7.")) or not isinstance(
        error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError
    )
    if code < 500 or is_about_us:  # noqa: PLR2004
        return Answer(Result.DEFERRED, detail, is_provider_down=is_about_us)
    # 5.1.x (RFC 3463): the address is bad, and stays so.
    return Answer(Result.FAILED, detail, is_dead_address=words.startswith("5.1."))


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode("ascii", "replace")
