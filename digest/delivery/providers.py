"""What each provider can do, its connection, and what its answers and silences mean."""

import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from email.charset import QP, Charset
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import dj_email_url
import requests
from anymail.exceptions import AnymailAPIError, AnymailError
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from digest.errors import ProviderSettingsError
from digest.records import Result

MIME_PROVIDERS = ("outbox", "smtp")
_SINGLES = 25


@dataclass(frozen=True, slots=True)
class Provider:
    """A way out, and how it wants digests (EMAIL_STANDARDS section 9)."""

    name: str
    backend: str
    readers_per_call: int = 1
    merge: str = ""
    """How a reader's value is written in our own HTML, with `name` in braces; "" where it is not."""
    openings: tuple[str, ...] = ()
    """What begins a merge field: broken up in text that is not ours."""
    headers_per_reader: bool = False
    """Every header goes with the reader: headers of a reader replace those of the batch."""
    common_headers: frozenset[str] = frozenset()
    """Headers that it takes for the whole batch only."""
    takes_digests: bool = True
    """False where it replaces our List-Unsubscribe."""

    @property
    def claim_size(self) -> int:
        """How many readers are claimed at once; few where each is a call of its own."""
        return self.readers_per_call if self.merge else _SINGLES


def _anymail(name: str, **options: Any) -> Provider:
    return Provider(name, f"anymail.backends.{name}.EmailBackend", **options)


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in [
        Provider("outbox", "digest.delivery.local_outbox.EmailBackend"),
        Provider("smtp", "django.core.mail.backends.smtp.EmailBackend"),
        _anymail(
            "mailgun",
            readers_per_call=1000,
            merge="%recipient.{name}%",
            openings=("%recipient", "%tag", "%mailing_list", "%unsubscribe", "{{"),
        ),
        _anymail(
            "brevo",
            readers_per_call=1000,
            merge="{{{{params.{name}}}}}",
            openings=("{{", "{%", "{#"),
            headers_per_reader=True,
        ),
        _anymail(
            "mailjet",
            readers_per_call=50,
            merge='[[var:{name}:""]]',
            openings=("[[", "{{", "{%"),
            headers_per_reader=True,
        ),
        _anymail(
            "unisender_go",
            readers_per_call=500,
            merge="{{{{{name}}}}}",
            openings=("{{", "#["),
            common_headers=frozenset({"List-Unsubscribe-Post"}),
        ),
        _anymail("postmark"),
        _anymail("amazon_ses"),
        _anymail("sendgrid"),
        _anymail("resend"),
        _anymail("mailersend"),
        _anymail("mailtrap"),
        _anymail("postal"),
        _anymail("sparkpost", takes_digests=False),
    ]
}


def configured() -> list[Provider]:
    """The providers of EMAIL_PROVIDERS, in their order."""
    try:
        return [PROVIDERS[name.strip()] for name in settings.EMAIL_PROVIDERS]
    except KeyError as error:
        raise ProviderSettingsError(
            f"EMAIL_PROVIDERS: {error} is not one of {', '.join(PROVIDERS)}"
        ) from error


@lru_cache(maxsize=32)
def connection(name: str) -> Any:
    """The provider's one connection of this process; opened when it is first used, and kept."""
    provider = PROVIDERS[name]
    try:
        return get_connection(provider.backend, **(_smtp_options() if name == "smtp" else {}))
    except (ImproperlyConfigured, ImportError) as error:
        raise ProviderSettingsError(f"{name}: {error}") from error


def _smtp_options() -> dict[str, Any]:
    if not settings.SMTP_URL:
        raise ImproperlyConfigured("SMTP_URL is not set (smtp://user:password@host:587?tls=1)")
    parsed = dj_email_url.parse(settings.SMTP_URL)
    return {
        "host": parsed["EMAIL_HOST"],
        "port": parsed["EMAIL_PORT"],
        "username": parsed["EMAIL_HOST_USER"] or "",
        "password": parsed["EMAIL_HOST_PASSWORD"] or "",
        "use_tls": parsed["EMAIL_USE_TLS"],
        "use_ssl": parsed["EMAIL_USE_SSL"],
        "timeout": settings.EMAIL_TIMEOUT,
    }


def quoted_printable() -> Charset:
    """UTF-8 as quoted-printable: readable in the source, and no line past 998 octets."""
    charset = Charset("utf-8")
    charset.body_encoding = QP
    return charset


def offer(provider: Provider, message: EmailMessage) -> "Answer":
    """Offers one message to the provider and says what became of it; errors are part of that."""
    if provider.name in MIME_PROVIDERS:
        message.encoding = quoted_printable()
    link = connection(provider.name)
    try:
        link.open()
    except (OSError, smtplib.SMTPException) as error:
        # Nothing was offered yet, so nothing can have been taken.
        return Answer(Result.DEFERRED, _said(error), is_provider_down=True)
    try:
        link.send_messages([message])
    except (AnymailError, smtplib.SMTPException, requests.RequestException, OSError) as error:
        answer = _answer(error)
        if answer.is_provider_down or answer.result is Result.UNCERTAIN:
            _hang_up(link)
        return answer
    return Answer(Result.SENT)


def _hang_up(link: Any) -> None:
    try:
        link.close()
    except (OSError, smtplib.SMTPException):
        # Django leaves the dead connection in place when closing it fails.
        link.connection = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an offer as a whole; single readers may still differ (`anymail_status`)."""

    result: Result
    detail: str = ""
    retry_after: float | None = None
    is_provider_down: bool = False
    """Another provider may be asked: this one surely took nothing, whoever the reader is."""


def _answer(error: Exception) -> Answer:
    if isinstance(error, smtplib.SMTPException):
        return _smtp_answer(error)
    if isinstance(error, AnymailAPIError) and error.response is not None:
        return _http_answer(error)
    if _never_connected(error):
        return Answer(Result.DEFERRED, _said(error), is_provider_down=True)
    if isinstance(error, OSError) and not isinstance(error, AnymailError):
        return Answer(Result.UNCERTAIN, _said(error))
    if isinstance(error, requests.RequestException) and error.response is None:
        return Answer(Result.UNCERTAIN, _said(error))
    # Anymail refused to build the call, so there was none: a matter of settings, not of readers.
    return Answer(Result.DEFERRED, _said(error), is_provider_down=True)


def _never_connected(error: Exception) -> bool:
    causes = (error, error.__cause__)
    if any(isinstance(cause, requests.ConnectTimeout | ConnectionRefusedError) for cause in causes):
        return True
    return any(
        isinstance(cause, requests.ConnectionError) and "NewConnectionError" in repr(cause)
        for cause in causes
    )


_TOO_MANY = 429
_UNAVAILABLE = 503
_NOT_ALLOWED = (401, 402, 403, 404)


def _http_answer(error: AnymailAPIError) -> Answer:
    status = int(error.status_code or 0)
    said = f"HTTP {status}"
    if status in (_TOO_MANY, _UNAVAILABLE):
        return Answer(Result.DEFERRED, said, _retry_after(error.response), is_provider_down=True)
    if status in _NOT_ALLOWED:
        # Our key or account, not the readers' addresses.
        return Answer(Result.DEFERRED, f"{said}: check the key", is_provider_down=True)
    if status >= 500 or status < 400:  # noqa: PLR2004
        return Answer(Result.UNCERTAIN, said)
    return Answer(Result.FAILED, said)


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        wait = (parsedate_to_datetime(value) - timezone.now()).total_seconds()
    except (TypeError, ValueError):
        return None
    return max(wait, 0.0)


def _smtp_answer(error: smtplib.SMTPException) -> Answer:
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Answer(Result.UNCERTAIN, "connection lost")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()), (550, b""))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, reply = error.smtp_code, _bytes(error.smtp_error)
    else:
        return Answer(Result.DEFERRED, _said(error), is_provider_down=True)
    words = reply.decode("ascii", "replace")
    said = f"SMTP {code} {words.split(' ', 1)[0]}".strip()
    # Enhanced status 4.7.x and 5.7.x (RFC 3463): security and policy, so about us as the sender.
    is_about_us = words.startswith(("4.7.", "5.7.")) or not isinstance(
        error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError
    )
    if code < 500 or is_about_us:  # noqa: PLR2004
        return Answer(Result.DEFERRED, said, is_provider_down=is_about_us)
    return Answer(Result.FAILED, said)


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode("ascii", "replace")


def _said(error: Exception) -> str:
    """The error in a few words; never its text, which may hold addresses."""
    cause = error.__cause__ or error
    return type(cause).__name__
