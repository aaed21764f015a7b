"""What each provider can do, its connection, and an offer through it."""

import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.charset import QP, Charset
from functools import lru_cache
from typing import Any

import dj_email_url
import requests
from anymail.exceptions import AnymailError
from botocore.exceptions import BotoCoreError
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection

from digest.errors import ProviderSettingsError
from digest.records import Result

from . import answers
from .answers import Answer
from .pipelining import Mail

MIME_PROVIDERS = ("outbox", "smtp")
_SINGLES = 25
_UNREADABLE = Answer(Result.UNCERTAIN, "unreadable answer")


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
    takes_message_id: bool = True
    """False where a batch's readers get a Message-ID of the provider's own."""
    takes_metadata: bool = True
    """False where nothing goes with a message that its events bring back: they tell of nobody."""
    takes_digests: bool = True
    """False where it replaces our List-Unsubscribe."""
    takes_many: bool = False
    """A message for each reader, but many are offered at once (`offer_many`)."""
    is_idempotent: bool = False
    """The same key is answered with the first result: what is in doubt can simply be asked again."""
    has_tracking: bool = False
    """It would count opens or rewrite links, with readers' tokens in them, unless it is told not to."""

    @property
    def claim_size(self) -> int:
        """How many readers are claimed at once; few where each is a call of its own."""
        return self.readers_per_call if self.merge or self.takes_many else _SINGLES


def _anymail(name: str, backend: str = "", **options: Any) -> Provider:
    return Provider(name, backend or f"anymail.backends.{name}.EmailBackend", **options)


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in [
        Provider("outbox", "digest.delivery.esp.local_outbox.EmailBackend"),
        Provider(
            "smtp", "digest.delivery.esp.smtp.EmailBackend", readers_per_call=200, takes_many=True
        ),
        _anymail(
            "mailgun",
            "digest.delivery.esp.canonical.MailgunBackend",
            has_tracking=True,
            readers_per_call=1000,
            merge="%recipient.{name}%",
            openings=("%recipient", "%tag", "%mailing_list", "%unsubscribe", "{{"),
        ),
        _anymail(
            "brevo",
            "digest.delivery.esp.canonical.BrevoBackend",
            readers_per_call=1000,
            merge="{{{{params.{name}}}}}",
            openings=("{{", "{%", "{#"),
            headers_per_reader=True,
        ),
        _anymail(
            "mailjet",
            "digest.delivery.esp.canonical.MailjetBackend",
            has_tracking=True,
            readers_per_call=50,
            merge='[[var:{name}:""]]',
            openings=("[[", "{{", "{%"),
            headers_per_reader=True,
        ),
        _anymail(
            "unisender_go",
            has_tracking=True,
            readers_per_call=500,
            merge="{{{{{name}}}}}",
            openings=("{{", "#["),
            common_headers=frozenset({"List-Unsubscribe-Post"}),
            takes_message_id=False,
        ),
        _anymail("postmark", has_tracking=True),
        _anymail("amazon_ses"),
        _anymail("sendgrid", has_tracking=True),
        _anymail("resend", "digest.delivery.esp.canonical.ResendBackend", is_idempotent=True),
        _anymail("mailersend", has_tracking=True, takes_metadata=False),
        _anymail("mailtrap"),
        _anymail("postal", takes_metadata=False),
        _anymail("sparkpost", takes_digests=False, has_tracking=True),
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
    try:
        return get_connection(PROVIDERS[name].backend, **options(name))
    except (ImproperlyConfigured, ImportError) as error:
        raise ProviderSettingsError(f"{name}: {error}") from error


def options(name: str) -> dict[str, Any]:
    """What the provider's back end is made with beside Anymail's settings; ProviderSettingsError."""
    return _OPTIONS[name]() if name in _OPTIONS else {}


def _smtp_options() -> dict[str, Any]:
    if not settings.SMTP_URL:
        raise ProviderSettingsError(
            "smtp: SMTP_URL is not set (smtp://user:password@host:587?tls=1)"
        )
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


def _amazon_ses_options() -> dict[str, Any]:
    # boto would offer a message again by itself after a silence.
    config = {
        "retries": {"total_max_attempts": 1},
        "connect_timeout": settings.EMAIL_TIMEOUT,
        "read_timeout": settings.EMAIL_TIMEOUT,
    }
    return {
        "client_params": settings.ANYMAIL.get("AMAZON_SES_CLIENT_PARAMS", {}) | {"config": config}
    }


_OPTIONS = {"smtp": _smtp_options, "amazon_ses": _amazon_ses_options}


def quoted_printable() -> Charset:
    """UTF-8 as quoted-printable: readable in the source, and no line past 998 octets."""
    charset = Charset("utf-8")
    charset.body_encoding = QP
    return charset


def offer(provider: Provider, message: EmailMessage) -> Answer:
    """Offers one message to the provider and says what became of it; errors are part of that.

    What is raised is a mistake of ours. The message's `connection` is the provider's as soon as it
    may be on its way.
    """
    if provider.has_tracking:
        # Anymail's attributes, which other messages do not have.
        counts_clicks = getattr(message, "counts_clicks", False)
        vars(message).update(track_opens=False, track_clicks=counts_clicks)
    if not provider.takes_metadata:
        # Anymail would refuse the message for it; another provider may be asked next.
        metadata = vars(message).pop("metadata", None)
        try:
            return _offer(provider, message)
        finally:
            if metadata is not None:
                vars(message)["metadata"] = metadata
    return _offer(provider, message)


def _offer(provider: Provider, message: EmailMessage) -> Answer:
    try:
        link = connection(provider.name)
        if link.open():
            _read_environment(link)
    except (ProviderSettingsError, OSError, smtplib.SMTPException, BotoCoreError) as error:
        # Nothing was offered yet, so nothing can have been taken.
        return answers.down(error)
    message.connection = link
    try:
        link.send_messages([message])
    except (AnymailError, smtplib.SMTPException, requests.RequestException, OSError) as error:
        answer = _UNREADABLE if _has_answered(message) else answers.of(error)
        if answer.result is not Result.FAILED:
            # A server that says 421 hangs up by itself, and leaves a dead connection.
            _hang_up(link)
        return answer
    return Answer(Result.SENT)


def _read_environment(link: Any) -> None:
    """Proxies and certificates of the environment, once a session: requests would read all of the
    environment again for each call."""
    session, url = getattr(link, "session", None), getattr(link, "api_url", "")
    if isinstance(session, requests.Session):
        found = session.merge_environment_settings(url, {}, None, None, None)
        session.proxies, session.verify, session.cert = (
            found["proxies"],
            found["verify"],
            found["cert"],
        )
        session.trust_env = False


def offer_many(provider: Provider, mails: Sequence[Mail]) -> dict[int, Answer]:
    """As `offer`, for messages that are bytes already: what became of each, by its key."""
    try:
        link = connection(provider.name)
    except ProviderSettingsError as error:
        return {mail.key: answers.down(error) for mail in mails}
    found: dict[int, Answer] = link.offer_many(mails)
    return found


def _has_answered(message: EmailMessage) -> bool:
    """Whether the provider said yes; Anymail may fail to read how."""
    status = getattr(message, "anymail_status", None)
    return status is not None and status.esp_response is not None


def _hang_up(link: Any) -> None:
    try:
        link.close()
    except (OSError, smtplib.SMTPException):
        # Django leaves the dead connection in place when closing it fails.
        link.connection = None
