"""Personalises a claimed batch and hands it to the provider: claim, commit, call, record."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from digest.errors import BatchShapeError
from digest.models import Audience, Edition
from digest.records import Outcome, Reader, Result
from subscriptions import services
from subscriptions.models import Suppression

from . import content, outbox, pacing, providers, rendering
from .answers import Answer
from .providers import Provider

logger = logging.getLogger(__name__)

SENDER_ID = "dailypapers"
"""The constant last field of Feedback-ID."""


class DigestMessage(EmailMultiAlternatives):
    """A message with the attributes that Anymail reads; other ways out pass them over."""

    tags: list[str]
    metadata: dict[str, Any]
    merge_data: dict[str, dict[str, str]]
    merge_headers: dict[str, dict[str, str]]
    merge_metadata: dict[str, dict[str, str]]
    anymail_status: Any

    def message(self, **options: Any) -> Any:
        """The MIME message; no header is folded, as links in folded headers get lost on the way.

        RFC 5322 allows lines of 998 octets, and no value of ours comes near.
        """
        mime: Any = super().message(**options)
        mime.policy = mime.policy.clone(max_line_length=998)
        return mime


@dataclass(frozen=True, slots=True)
class Call:
    """What one call to a provider is made of."""

    batch: outbox.Batch
    edition: Edition
    body: rendering.Body
    readers: Sequence[Reader]
    offered: set[int]
    """Ids of the batch's deliveries that went into any offer, without those surely not taken."""

    @property
    def metadata(self) -> dict[str, str]:
        """Names the batch only where this call is all of it: an event about one reader is then
        evidence for all, and never for readers whom another call was to reach."""
        is_whole = len(self.readers) == len(self.batch.deliveries)
        return {"batch": str(self.batch.batch_id)} if is_whole else {}


def send_pending(*, until: datetime | None = None) -> int:
    """Claims and sends batches until nothing is pending, or `until` (UTC) has passed.

    Returns how many deliveries it offered. Safe to run many times at once: a claim takes rows
    from the table that nobody else can take.
    """
    offered = 0
    ways = [provider for provider in providers.configured() if provider.takes_digests]
    while ways and (until is None or timezone.now() < until):
        batch = outbox.claim(timezone.now(), size=pacing.claim_size(ways[0]))
        if batch is None:
            break
        offered += len(batch.deliveries)
        send(batch, ways)
    return offered


def send(batch: outbox.Batch, ways: Sequence[Provider]) -> None:
    """Offers the batch to the first provider that is not down; records each call's outcomes.

    Whom no provider would take now is offered again later. After an error of our own, which is
    raised, whom surely no provider took is pending again. The others stay as they are recorded,
    or claimed, and so become uncertain.
    """
    started = timezone.now()
    offered: set[int] = set()
    try:
        waiting = _offer_in_turn(_call(batch, started, offered), ways)
        outbox.record(batch, waiting)
    except Exception:
        outbox.give_back(batch, but=offered)
        raise
    logger.info(
        "delivery batch offered",
        extra={
            "batch": batch.batch_id,
            "readers": len(batch.deliveries),
            "deferred": len(waiting),
            "seconds": round((timezone.now() - started) / timedelta(seconds=1), 2),
        },
    )


def _call(batch: outbox.Batch, now: datetime, offered: set[int]) -> Call:
    audience = Audience.objects.select_related("edition").get(pk=batch.audience_id)
    readers = content.readers_of(batch.deliveries, now=now)
    return Call(batch, audience.edition, content.body_of(audience), readers, offered)


def _offer_in_turn(call: Call, ways: Sequence[Provider]) -> list[Outcome]:
    """The outcomes of those whom no provider would take now; the others are recorded."""
    waiting: list[Outcome] = []
    for provider in ways:
        waiting = _through(provider, call)
        left = {outcome.delivery_id for outcome in waiting}
        call = replace(call, readers=[r for r in call.readers if r.delivery_id in left])
        if not waiting:
            break
    return waiting


def _through(provider: Provider, call: Call) -> list[Outcome]:
    """Offers the call's readers to one provider, and records what it said.

    What was refused for one of many readers is halved until the bad address is alone.
    Returns the outcomes of those that it surely did not take because it is down, unrecorded, so
    that another provider can be asked.
    """
    size = provider.readers_per_call
    groups = [call.readers[n : n + size] for n in range(0, len(call.readers), size)]
    while groups:
        readers = groups.pop(0)
        pacing.wait(provider, len(readers))
        outcomes = _offer(provider, replace(call, readers=readers))
        if not outcomes:
            middle = len(readers) // 2
            groups[:0] = [readers[:middle], readers[middle:]]
        outbox.record(call.batch, [o for o in outcomes if not o.is_provider_down])
        _suppress(call.batch, [o for o in outcomes if o.is_dead_address])
        if down := [outcome for outcome in outcomes if outcome.is_provider_down]:
            left = [reader for group in groups for reader in group]
            return down + [replace(down[0], delivery_id=reader.delivery_id) for reader in left]
    return []


def _suppress(batch: outbox.Batch, outcomes: Sequence[Outcome]) -> None:
    """Hard bounces: at once, as SMTP has no webhook that would report them later."""
    dead = {outcome.delivery_id for outcome in outcomes}
    for delivery in batch.deliveries:
        if delivery.pk in dead and delivery.subscriber is not None:
            services.suppress(delivery.subscriber, Suppression.Reason.BOUNCED)


def _offer(provider: Provider, call: Call) -> list[Outcome]:
    """The outcomes of one call; none where it was refused and any of its readers may be why."""
    message = batch_message(provider, call) if provider.merge else single_message(call)
    ids = {reader.delivery_id for reader in call.readers}
    call.offered.update(ids)
    try:
        answer = providers.offer(provider, message)
    except Exception as error:
        if message.connection is None:
            call.offered.difference_update(ids)
        else:
            answer = Answer(Result.UNCERTAIN, type(error).__name__)
            doubts = [_outcome(provider, message, reader, answer) for reader in call.readers]
            outbox.record(call.batch, doubts)
        raise
    if answer.result in (Result.FAILED, Result.DEFERRED):
        call.offered.difference_update(ids)
    if answer.result is Result.FAILED and len(call.readers) > 1:
        return []
    return [_outcome(provider, message, reader, answer) for reader in call.readers]


_REJECTED = frozenset({"rejected", "invalid", "failed"})


def _outcome(provider: Provider, message: DigestMessage, reader: Reader, answer: Answer) -> Outcome:
    status = getattr(message, "anymail_status", None)
    said = status.recipients.get(reader.email) if status is not None else None
    result, detail, message_id = answer.result, answer.detail, ""
    if result is Result.SENT and said is not None:
        message_id = str(said.message_id or "")
        if said.status in _REJECTED:
            result, detail = Result.FAILED, str(said.status)
    return Outcome(
        delivery_id=reader.delivery_id,
        result=result,
        provider=provider.name,
        message_id=message_id,
        detail=detail,
        retry_after=answer.retry_after,
        is_provider_down=answer.is_provider_down,
        is_dead_address=answer.is_dead_address,
    )


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


def reader_headers(reader: Reader) -> dict[str, str]:
    """The headers that only this reader gets; the unsubscribe link among them (RFC 8058)."""
    targets = [f"<{settings.SITE_URL}/unsubscribe/{reader.unsubscribe}/>"]
    if settings.UNSUBSCRIBE_EMAIL:
        local, _, domain = settings.UNSUBSCRIBE_EMAIL.rpartition("@")
        targets.append(f"<mailto:{local}+{reader.unsubscribe}@{domain}>")
    return {"List-Unsubscribe": ", ".join(targets), "Message-ID": reader.message_id}


def single_message(call: Call) -> DigestMessage:
    """The message for one reader, complete."""
    (reader,) = call.readers
    html, text = call.body.filled(rendering.values_of(reader))
    message = _message(call, subject=call.body.subject, html=html, text=text)
    message.extra_headers = headers_of(call.edition) | reader_headers(reader)
    message.metadata |= {"delivery": str(reader.delivery_id)}
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
    own = shared if provider.headers_per_reader else {}
    keep = provider.common_headers
    message.extra_headers = {} if provider.headers_per_reader else shared
    message.merge_data = {r.email: rendering.escaped_values(r) for r in call.readers}
    message.merge_headers = {
        r.email: {k: v for k, v in (own | reader_headers(r)).items() if k not in keep}
        for r in call.readers
    }
    message.merge_metadata = {r.email: {"delivery": str(r.delivery_id)} for r in call.readers}
    check_shape(message)
    return message


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
    message.attach_alternative(html, "text/html")
    message.encoding = providers.quoted_printable()
    message.tags = ["digest"]
    message.metadata = call.metadata
    return message
