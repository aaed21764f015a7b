"""Sends notices to the operator: by mail, and to a webhook; in short words, with the mend and a link.

With ALARM_SMTP_URL or ALARM_WEBHOOK_URL that is a way of its own, which works while the providers of
the digests don't.
"""

import logging
import smtplib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import dj_email_url
import requests
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from digest.delivery.esp import providers
from digest.delivery.notices import Trouble
from digest.models import Lease, Notice
from digest.records import Result
from subscriptions.errors import RefusedError, TemporaryError

logger = logging.getLogger(__name__)

WORTH_TELLING = timedelta(days=1)
"""An older notice that could not be sent is in the log and in the table only."""
MOST_AT_ONCE = 20
TIMEOUT = 15
"""Seconds for the mail server or the webhook."""
LONGEST_CALL = timedelta(minutes=10)
"""Longer than any takes, by provider after provider: then somebody else may tell it."""
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is told: that something is wrong, or well again."""

    kind: str
    trouble: Trouble
    is_over: bool = False

    @property
    def headline(self) -> str:
        return f"Well again. It was: {self.trouble.what}" if self.is_over else self.trouble.what

    @property
    def lines(self) -> list[str]:
        link = f"{settings.SITE_URL}{self.trouble.link}" if self.trouble.link else ""
        mend = "" if self.is_over else self.trouble.mend
        return [line for line in (self.headline, mend, link) if line]


def send_waiting(now: datetime) -> int:
    """Sends what was not sent yet, each way for itself, and by one process at a time; returns how
    many were. What a way refuses is not sent by it; where it is closed now, all waits."""
    return sum(
        _send_all(now, send, column, is_over=is_over)
        for send, columns in _ways()
        for column, is_over in zip(columns, (False, True), strict=True)
    )


def send_at_once(news: News) -> bool:
    """Sends without the database, for when that is away; whether any way took it, or there
    is none."""
    ways = _ways()
    taken = not ways
    for send, _ in ways:
        try:
            (_mail_by_any_provider if send is _mail else send)(news)
            taken = True
        except (TemporaryError, RefusedError) as error:
            logger.warning("operator can't be told", extra={"error": str(error)})
    return taken


_Send = Callable[[News], None]


def _ways() -> list[tuple[_Send, tuple[str, str]]]:
    """Each way, and the columns that say when it took the notice and its end."""
    ways: list[tuple[_Send, tuple[str, str]]] = []
    if settings.OPERATOR_EMAIL:
        ways.append((_mail, ("mailed_at", "end_mailed_at")))
    if settings.ALARM_WEBHOOK_URL:
        ways.append((_post, ("posted_at", "end_posted_at")))
    return ways


def _waiting(now: datetime, column: str, *, is_over: bool) -> QuerySet[Notice]:
    is_young = Q(created_at__gt=now - WORTH_TELLING)
    if is_over:
        # What was over before it could be told is told by its end alone.
        was_told = Q(**{f"{column.removeprefix('end_')}__isnull": False})
        is_young = Q(ended_at__gt=now - WORTH_TELLING) & (was_told | is_young)
    those = Notice.objects.filter(is_young, ended_at__isnull=not is_over)
    return those.filter(**{f"{column}__isnull": True}).order_by("pk")


def _send_all(now: datetime, send: _Send, column: str, *, is_over: bool) -> int:
    with _turn(column) as is_mine:
        number = 0
        for notice in _waiting(now, column, is_over=is_over)[:MOST_AT_ONCE]:
            if not is_mine():
                break
            mine = Notice.objects.filter(pk=notice.pk, **{f"{column}__isnull": True})
            if not mine.filter(ended_at__isnull=not is_over).exists():
                continue
            trouble = Trouble(what=notice.what, mend=notice.mend, link=notice.link)
            try:
                send(News(kind=notice.kind, trouble=trouble, is_over=is_over))
                number += 1
            except TemporaryError as error:
                logger.warning("operator's notice waits", extra={"error": str(error)})
                break
            except RefusedError:
                logger.exception("operator's notice is refused")
            # Not before: who is killed in the call has told nobody, or it is told twice.
            mine.update(**{column: now})
            if not is_over:
                _let_its_end_be_told(notice, column)
    return number


def _let_its_end_be_told(notice: Notice, column: str) -> None:
    """Who ended it in the moment of the call held it for untold: afterwards its end is told, too."""
    ended = Notice.objects.filter(pk=notice.pk, **{f"end_{column}": F("ended_at")})
    ended.update(**{f"end_{column}": None})


@contextmanager
def _turn(column: str) -> Iterator[Callable[[], bool]]:
    """Gives what says, before each call, whether it is this process' turn; that of one that was
    killed ends by itself."""
    name, holder, was_mine = f"tell:{column}", uuid.uuid4(), False
    turn = Lease.objects.filter(name=name)

    def is_mine() -> bool:
        nonlocal was_mine
        now = timezone.now()
        Lease.objects.get_or_create(name=name, defaults={"expires_at": now, "free_at": now})
        free = turn.filter(Q(holder__isnull=True) | Q(holder=holder) | Q(expires_at__lte=now))
        is_mine = bool(free.update(holder=holder, expires_at=now + LONGEST_CALL))
        was_mine = was_mine or is_mine
        return is_mine

    try:
        yield is_mine
    finally:
        if was_mine:
            turn.filter(holder=holder).update(holder=None)


def _message(news: News) -> EmailMessage:
    site = settings.SITE_URL.partition("://")[2]
    return EmailMessage(
        # A header is one line.
        subject=" ".join(f"Daily Papers at {site}: {news.headline}".split())[:150],
        body="\n".join([*news.lines, ""]),
        to=[settings.OPERATOR_EMAIL],
        headers={"Auto-Submitted": "auto-generated"},
    )


def _mail(news: News) -> None:
    """By the mail server for alarms, else as every single message; TemporaryError where neither
    takes it now."""
    if settings.ALARM_SMTP_URL:
        _mail_by_server(news)
    else:
        _message(news).send()


def _mail_by_server(news: News) -> None:
    parsed = dj_email_url.parse(settings.ALARM_SMTP_URL)
    server = EmailBackend(
        host=parsed["EMAIL_HOST"],
        port=parsed["EMAIL_PORT"],
        username=parsed["EMAIL_HOST_USER"] or "",
        password=parsed["EMAIL_HOST_PASSWORD"] or "",
        use_tls=parsed["EMAIL_USE_TLS"],
        use_ssl=parsed["EMAIL_USE_SSL"],
        timeout=TIMEOUT,
    )
    try:
        server.send_messages([_message(news)])
    except (smtplib.SMTPException, OSError) as error:
        raise TemporaryError(f"ALARM_SMTP_URL: {type(error).__name__}") from error


def _mail_by_any_provider(news: News) -> None:
    if settings.ALARM_SMTP_URL:
        _mail_by_server(news)
        return
    message = _message(news)
    message.encoding = providers.quoted_printable()
    for provider in providers.configured():
        answer = providers.offer(provider, message)
        if answer.result in (Result.SENT, Result.UNCERTAIN):
            return
    raise TemporaryError("no provider takes the operator's mail")


def _post(news: News) -> None:
    """A JSON object that Slack, Mattermost (`text`) and Discord (`content`) show as it is, and that
    other programs can read. The address is a secret, and so are errors that repeat it."""
    text = "\n".join(news.lines)
    fields = {
        "text": text,
        "content": text[:2000],
        "kind": news.kind,
        "state": "well" if news.is_over else "failing",
        "what": news.trouble.what,
        "mend": news.trouble.mend,
        "link": f"{settings.SITE_URL}{news.trouble.link}",
        "site": settings.SITE_URL,
    }
    try:
        answer = requests.post(settings.ALARM_WEBHOOK_URL, json=fields, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise TemporaryError(f"ALARM_WEBHOOK_URL: {type(error).__name__}") from None
    status = answer.status_code
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TemporaryError(f"ALARM_WEBHOOK_URL: HTTP {status}")
    if not answer.ok:
        raise RefusedError(f"ALARM_WEBHOOK_URL: HTTP {status}")
