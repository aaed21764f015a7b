"""Wrong combinations of settings, each with the mend; `manage.py check` prints them all."""

from collections.abc import Callable, Iterator
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004

from digest.delivery.esp import providers
from digest.delivery.feedback import signing
from digest.errors import ModelFileError, ProviderSettingsError, VectorsError
from digest.papers import fetching
from digest.papers.topics import model as topic_model
from digest.papers.vectors import embeddings

FREE_MAIL = frozenset(
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com",
     "icloud.com", "aol.com", "gmx.de", "gmx.net", "web.de", "qq.com", "163.com", "mail.ru"}
)  # fmt: skip

TAG = "daily_papers"
"""A worker runs the checks of this tag when it starts."""

Findings = Iterator[CheckMessage]


def _check(function: Callable[[], Findings]) -> Callable[[], Findings]:
    @register(TAG)
    def run(**_: Any) -> list[CheckMessage]:
        return list(function())

    return function


@_check
def check_sender() -> Findings:
    """The sender's address is one, and no mailbox provider's own."""
    _, at, domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].lower().rpartition("@")
    if not at or not domain:
        yield Error(
            "DEFAULT_FROM_EMAIL is no address.",
            hint="Write it as: Daily Papers <digest@your.domain>",
            id="digest.E001",
        )
    elif domain in FREE_MAIL:
        yield Error(
            f"DEFAULT_FROM_EMAIL is at {domain}, whose rules (DMARC) make others refuse the mail.",
            hint="Send from a domain of your own.",
            id="digest.E002",
        )


@_check
def check_clicks() -> Findings:
    """Where clicks are to be counted, some provider can be told of whom."""
    names = [name for name in settings.EMAIL_PROVIDERS if name in providers.PROVIDERS]
    if settings.TRACK_CLICKS and not any(providers.PROVIDERS[n].has_tracking for n in names):
        yield Warning(
            "TRACK_CLICKS is set, and none of EMAIL_PROVIDERS can be told with a message whose clicks "
            "to count: none are counted.",
            hint="Unset it, or name a provider that can: see docs/privacy.md.",
            id="digest.W030",
        )


@_check
def check_site_url() -> Findings:
    """Links in mail are absolute, and https in production (RFC 8058 asks for it)."""
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        yield Error(
            f"SITE_URL is {settings.SITE_URL!r}, which is no web address.",
            hint="Write it as: https://papers.your.domain",
            id="digest.E003",
        )
    elif parts.scheme == "http" and not settings.DEBUG:
        yield Warning(
            "SITE_URL is not https: mail readers offer no one-click unsubscribing (RFC 8058).",
            hint="Serve the site by https and set SITE_URL to that.",
            id="digest.W001",
        )


@_check
def check_sources() -> Findings:
    """Every name in PAPER_SOURCES is a source."""
    unknown = [name for name in settings.PAPER_SOURCES if name not in fetching.SOURCES]
    if unknown or not settings.PAPER_SOURCES:
        yield Error(
            f"PAPER_SOURCES is {','.join(settings.PAPER_SOURCES)!r}.",
            hint=f"Name one or more of {','.join(fetching.SOURCES)}.",
            id="digest.E004",
        )


@_check
def check_topic_model() -> Findings:
    """The topic model can be read."""
    try:
        topic_model.current()
    except (OSError, ModelFileError) as error:
        yield Error(
            f"TOPIC_MODEL can't be read: {error}",
            hint="Leave it unset for the model that ships.",
            id="digest.E013",
        )


@_check
def check_providers() -> Findings:
    """Every provider is known, has its settings, and may carry digests."""
    try:
        chosen = providers.configured()
        for provider in chosen:
            providers.connection(provider.name)
    except ProviderSettingsError as error:
        yield Error(str(error), hint="See docs/providers.md.", id="digest.E005")
        return
    if not chosen:
        yield Error("EMAIL_PROVIDERS is empty.", hint="Name at least one.", id="digest.E006")
    for provider in chosen:
        if not provider.takes_digests:
            yield Warning(
                f"{provider.name} replaces our List-Unsubscribe header, so it gets no digests.",
                hint="It sends single messages only; name another provider for digests.",
                id="digest.W002",
            )
    if not settings.DEBUG and "outbox" in settings.EMAIL_PROVIDERS:
        yield Warning(
            "EMAIL_PROVIDERS has the local outbox in it: mail stays in files on this machine.",
            hint="Name smtp or a provider; see docs/providers.md.",
            id="digest.W003",
        )


@_check
def check_webhook() -> Findings:
    """Providers by API report bounces to a webhook that not everybody can write to."""
    by_api = [name for name in settings.EMAIL_PROVIDERS if name not in providers.MIME_PROVIDERS]
    if not settings.DEBUG and by_api and not settings.WEBHOOK_SECRET:
        yield Error(
            f"WEBHOOK_SECRET is not set, so events of {by_api[0]} are refused or could be forged.",
            hint="Set it to user:password and give the provider that address (docs/providers.md).",
            id="digest.E007",
        )
    if any(":" not in secret for secret in settings.WEBHOOK_SECRET):
        yield Error(
            "WEBHOOK_SECRET has no colon.", hint="Write it as user:password.", id="digest.E008"
        )


@_check
def check_signatures() -> Findings:
    """Where a provider signs its calls, the key is there that proves it."""
    for name in settings.EMAIL_PROVIDERS:
        key = signing.KEYS.get(name, "")
        if key and not settings.DEBUG and not settings.ANYMAIL.get(key):
            yield Warning(
                f"{key} is not set: {name} signs what its webhook is told, and nobody looks at it.",
                hint=f"Copy the key from {name}'s page of webhooks (docs/providers.md).",
                id="digest.W022",
            )


@_check
def check_limits() -> Findings:
    """Numbers make sense together."""
    if settings.SEND_RATE < 0:
        yield Error("SEND_RATE is negative.", hint="0 means unlimited.", id="digest.E009")
    if settings.LATE_AFTER <= settings.UNCERTAIN_AFTER:
        yield Error(
            f"LATE_AFTER is {settings.LATE_AFTER} s, while a batch may be in a worker's hands for "
            f"{settings.UNCERTAIN_AFTER} s (UNCERTAIN_AFTER): every send would be late.",
            hint="7200 is a good value.",
            id="digest.E011",
        )
    if settings.UNCERTAIN_AFTER <= 2 * settings.EMAIL_TIMEOUT:
        yield Error(
            f"UNCERTAIN_AFTER is {settings.UNCERTAIN_AFTER} s, while a call to a provider may take "
            f"{settings.EMAIL_TIMEOUT} s: batches would be given up while they are sent.",
            hint="900 is a good value.",
            id="digest.E010",
        )


@_check
def check_pace() -> Findings:
    """Rates and warm-ups are of providers that mail goes through."""
    for setting in ("SEND_RATES", "WARM_UP"):
        for name in getattr(settings, setting):
            if name not in providers.PROVIDERS:
                yield Error(
                    f"{setting} names {name!r}, which is no provider.",
                    hint=f"Name one or more of {', '.join(providers.PROVIDERS)}.",
                    id="digest.E012",
                )
            elif name not in settings.EMAIL_PROVIDERS:
                yield Warning(
                    f"{setting} names {name}, which is not in EMAIL_PROVIDERS.",
                    hint=f"Take it out of {setting}, or add it to EMAIL_PROVIDERS.",
                    id="digest.W005",
                )


@_check
def check_operator() -> Findings:
    """Somebody is told when something goes wrong."""
    if settings.ALARM_SMTP_URL and not settings.OPERATOR_EMAIL:
        yield Warning(
            "ALARM_SMTP_URL is set, but OPERATOR_EMAIL is not: nobody is mailed.",
            hint="Set OPERATOR_EMAIL to who should be told.",
            id="digest.W020",
        )
    if not (settings.DEBUG or settings.OPERATOR_EMAIL or settings.ALARM_WEBHOOK_URL):
        yield Warning(
            "Nobody is told when something goes wrong: it is in the log only.",
            hint="Set OPERATOR_EMAIL or ALARM_WEBHOOK_URL; see docs/watching.md.",
            id="digest.W021",
        )


@_check
def check_doors() -> Findings:
    """Clients can be told apart, and a password alone opens no desk."""
    is_https = urlsplit(settings.SITE_URL).scheme == "https"
    if not settings.DEBUG and is_https and not settings.TRUSTED_PROXIES:
        yield Warning(
            "TRUSTED_PROXIES is 0 and SITE_URL https: behind a proxy all visitors are one client.",
            hint="Set it to the number of your proxies, 1 for Caddy or nginx alone.",
            id="digest.W023",
        )
    if not settings.DEBUG and settings.SECOND_FACTOR != "required":
        yield Warning(
            "SECOND_FACTOR is optional: who has an operator's password has the desk.",
            hint="Leave it out, or set it to required; see docs/desk.md.",
            id="digest.W024",
        )


@_check
def check_embeddings() -> Findings:
    """The function of embeddings is there."""
    try:
        if settings.EMBEDDINGS:
            embeddings.load()
    except VectorsError as error:
        yield Error(
            f"EMBEDDINGS is {settings.EMBEDDINGS!r}, which can't be imported: {error}",
            hint="Name a function by its dotted path, or leave it empty: search has vectors of its own.",
            id="digest.E014",
        )


@_check
def check_production() -> Findings:
    """Production has a database and a broker that more than one machine can use."""
    if not settings.DEBUG and not (settings.REDIS_URL and "postgres" in settings.DATABASE_URL):
        yield Warning(
            "DEBUG is 0, but DATABASE_URL is not PostgreSQL or REDIS_URL is not set.",
            hint="Fine for one machine and a small list; see docs/production.md.",
            id="digest.W004",
        )
